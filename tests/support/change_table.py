"""The rows of docs/decisions.md about appointments that the hospital's own system changes, with values."""

from collections.abc import Callable

from patient_visit_engine.visit.codes import AppointmentStatus
from patient_visit_engine.visit.commands import Command
from tests.support.builders import DERMATOLOGY, DR_LINDQVIST, MARIA_SILVA, NOON, minutes
from tests.support.commands import a_change
from tests.support.decision_table import BEFORE, OFFERED, UPDATED, DecisionRow, Situation

NOTHING = "Change nothing, by PUT"
TIME, OTHER_DAY = "Change the time, by PUT", "Change the day, by PUT"
DOCTOR, PRESTATION, PATIENT = "Change the doctor, by PUT", "Change the prestation, by PUT", "Change the patient, by PUT"
CANCELED = "Change the status to canceled, by PUT"


def _same(now: Situation) -> Command:
    fields = now.appointment.fields.model_dump()
    return a_change(now.appointment, **(fields | {"status": BEFORE}))


COMMANDS: dict[str, Callable[[Situation], Command]] = {
    NOTHING: _same,
    TIME: lambda now: a_change(now.appointment, scheduled_at=NOON + minutes(30)),
    OTHER_DAY: lambda now: a_change(now.appointment, scheduled_at=NOON + minutes(24 * 60)),
    DOCTOR: lambda now: a_change(now.appointment, doctor_id=DR_LINDQVIST.id),
    PRESTATION: lambda now: a_change(now.appointment, prestation_id=DERMATOLOGY.id),
    PATIENT: lambda now: a_change(now.appointment, patient_id=MARIA_SILVA.id),
    CANCELED: lambda now: a_change(now.appointment, status=AppointmentStatus.canceled),
}
REWRITTEN = (("RewriteAppointment",), (UPDATED,))
MOVED = (("RewriteAppointment",), (UPDATED, UPDATED))
CLOSED = (("CloseTracking",), (UPDATED,))
LEFT = ("patient.updated", "waiting.ended")
IN_LINE = "checked in, its doctor in line"
RESERVED = "checked in, reserved for its doctor, another doctor in line"
PASSED_ON = ("EndReservation", "LeaveLine", "OfferPatient")


def _leaving(command: str, change: str, *events: str) -> list[DecisionRow]:
    """The rows of a change after which its doctor no longer waits for the patient."""
    return [
        DecisionRow(command, IN_LINE, "200", (change, "LeaveLine"), (*events, *LEFT)),
        DecisionRow(command, RESERVED, "200", (change, *PASSED_ON), (*events, *LEFT, *OFFERED)),
    ]


def _too_late(command: str) -> list[DecisionRow]:
    """The rows of a change that comes too late."""
    return [
        DecisionRow(command, "in consultation", "tracking_open"),
        DecisionRow(command, "paused", "tracking_open"),
        DecisionRow(command, "completed", "appointment_closed"),
    ]


ROWS = [
    *(
        DecisionRow(NOTHING, state, "200")
        for state in ("not arrived", "checked in", IN_LINE, "in consultation", "paused", "completed")
    ),
    *(
        DecisionRow(command, state, "200", *REWRITTEN)
        for command in (TIME, OTHER_DAY)
        for state in ("not arrived", "checked in", "in consultation", "paused")
    ),
    DecisionRow(TIME, IN_LINE, "200", *REWRITTEN),
    *_leaving(OTHER_DAY, "RewriteAppointment", UPDATED),
    *(DecisionRow(command, "completed", "appointment_closed") for command in (TIME, OTHER_DAY)),
    *(DecisionRow(DOCTOR, state, "200", *MOVED) for state in ("not arrived", "checked in")),
    *_leaving(DOCTOR, "RewriteAppointment", UPDATED, UPDATED),
    *_too_late(DOCTOR),
    *(DecisionRow(PRESTATION, state, "200", *REWRITTEN) for state in ("not arrived", "checked in", IN_LINE)),
    *_too_late(PRESTATION),
    DecisionRow(PATIENT, "not arrived", "200", *MOVED),
    DecisionRow(PATIENT, "checked in", "tracking_open"),
    *_too_late(PATIENT),
    DecisionRow(CANCELED, "not arrived", "200", *REWRITTEN),
    DecisionRow(CANCELED, "checked in", "200", *CLOSED),
    *_leaving(CANCELED, "CloseTracking", UPDATED),
    *_too_late(CANCELED),
]

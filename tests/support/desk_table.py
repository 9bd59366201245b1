"""The rows of docs/decisions.md about one check-in, check-out or status, with values."""

from collections.abc import Callable

from patient_visit_engine.visit.appointment_commands import CheckOut
from patient_visit_engine.visit.codes import BEFORE_ARRIVAL, AppointmentStatus
from patient_visit_engine.visit.commands import Command
from tests.support.builders import RECEPTIONIST, a_request
from tests.support.commands import a_check_in, a_status
from tests.support.decision_table import OFFERED, UPDATED, DecisionRow, Situation

CHECK_IN, CHECK_OUT = "Check in", "Check out"
PENDING, CONFIRMED, CANCELED = "Set the status pending", "Set the status confirmed", "Set the status canceled"
SCHEDULED = "Set the status scheduled"


def _status(status: AppointmentStatus) -> Callable[[Situation], Command]:
    return lambda now: a_status(now.appointment, status)


def _check_out(now: Situation) -> Command:
    past = now.past if now.appointment.status in BEFORE_ARRIVAL else None
    return CheckOut(request=a_request("check-out", RECEPTIONIST), appointment=now.appointment, past=past)


COMMANDS: dict[str, Callable[[Situation], Command]] = {
    CHECK_IN: lambda now: a_check_in(now.appointment),
    CHECK_OUT: _check_out,
    PENDING: _status(AppointmentStatus.pending),
    SCHEDULED: _status(AppointmentStatus.scheduled),
    CONFIRMED: _status(AppointmentStatus.confirmed),
    CANCELED: _status(AppointmentStatus.canceled),
}
OPENS, CLOSES = (("OpenTracking",), (UPDATED,)), (("CloseTracking",), (UPDATED,))
LEAVES_LINE = (("CloseTracking", "LeaveLine"), (UPDATED, "patient.updated", "waiting.ended"))
PASSED_ON = (
    ("CloseTracking", "EndReservation", "LeaveLine", "OfferPatient"),
    (UPDATED, "patient.updated", "waiting.ended", *OFFERED),
)
ENDS_CALL = (("CloseTracking", "EndReservation"), (UPDATED,))
WRITTEN = (("WriteAppointmentStatus",), (UPDATED,))
RESERVED = "checked in, reserved for its doctor, another doctor in line"


def _arrival(command: str) -> list[DecisionRow]:
    """The rows that are the same for a check-in and for the status `pending`."""
    arrives = ("not arrived", "not arrived, for another day")
    comes_back = ("released", "timed out", "start taken back", "check-in taken back", "checked out", "not seen")
    return [
        *(DecisionRow(command, state, "200", *OPENS) for state in arrives),
        DecisionRow(command, "checked in", "200"),
        DecisionRow(command, "checked in, after a call without an answer", "200", ("WriteNoAnswers",), (UPDATED,)),
        DecisionRow(command, "in consultation", "appointment_in_progress"),
        DecisionRow(command, "paused", "appointment_in_progress"),
        DecisionRow(command, "completed", "appointment_closed"),
        *(DecisionRow(command, state, "200", *OPENS) for state in comes_back),
        DecisionRow(command, "canceled", "appointment_closed"),
    ]


def _departure(command: str) -> list[DecisionRow]:
    """The rows of each command after which the patient no longer waits."""
    return [
        DecisionRow(command, "checked in", "200", *CLOSES),
        DecisionRow(command, "checked in, its doctor in line", "200", *LEAVES_LINE),
        DecisionRow(command, RESERVED, "200", *PASSED_ON),
        DecisionRow(command, "checked in, called", "200", *ENDS_CALL),
        DecisionRow(command, "in consultation", "appointment_in_progress"),
        DecisionRow(command, "paused", "appointment_in_progress"),
    ]


ROWS = [
    *_arrival(CHECK_IN),
    *_departure(CHECK_OUT),
    DecisionRow(CHECK_OUT, "checked out", "200"),
    *(
        DecisionRow(CHECK_OUT, state, "not_checked_in")
        for state in (
            "not arrived",
            "released",
            "start taken back",
            "check-in taken back",
            "completed",
            "checked out on another day",
            "not seen",
            "canceled",
        )
    ),
    *_arrival(PENDING),
    *_departure(SCHEDULED),
    DecisionRow(SCHEDULED, "not arrived", "200"),
    DecisionRow(SCHEDULED, "completed", "appointment_closed"),
    *_departure(CONFIRMED),
    DecisionRow(CONFIRMED, "not arrived", "200", *WRITTEN),
    DecisionRow(CONFIRMED, "completed", "appointment_closed"),
    DecisionRow(CONFIRMED, "canceled", "200", *WRITTEN),
    *_departure(CANCELED),
    DecisionRow(CANCELED, "not arrived", "200", *WRITTEN),
    DecisionRow(CANCELED, "completed", "appointment_closed"),
    DecisionRow(CANCELED, "canceled", "200"),
]

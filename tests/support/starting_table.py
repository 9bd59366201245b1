"""The rows of docs/decisions.md about starts, with values."""

from collections.abc import Callable

from patient_visit_engine.visit.codes import AppointmentStatus, DoctorBusy
from patient_visit_engine.visit.commands import Command
from patient_visit_engine.visit.facts import OtherConsultation
from tests.support.builders import (
    DERMATOLOGY,
    DR_OKAFOR,
    MARIA_SILVA,
    NOON,
    X_RAY,
    a_consultation,
    a_visit,
    an_appointment,
    minutes,
)
from tests.support.commands import a_past, a_start
from tests.support.decision_table import STATES as SHARED_STATES
from tests.support.decision_table import DecisionRow, Situation, checked_in

START, WAIT = "Start", "Start, and wait if it is refused"
TOMORROW_NOON = NOON + minutes(24 * 60)


def changed(state: str, **fields: object) -> Situation:
    """The situation of `state`, with other fields of the appointment."""
    now = SHARED_STATES[state]()
    return Situation(now.visit, now.appointment.model_copy(update=fields), now.past, now.consultation)


def _for_tomorrow(*, arrived: bool) -> Situation:
    status = AppointmentStatus.pending if arrived else AppointmentStatus.confirmed
    appointment = an_appointment(status=status, scheduled_at=TOMORROW_NOON)
    visit = a_visit(checked_in=[appointment] if arrived else [])
    return Situation(visit, appointment, a_past(appointment), a_consultation(appointment))


STATES: dict[str, Callable[[], Situation]] = {
    "not arrived, for another day": lambda: _for_tomorrow(arrived=False),
    "not arrived, its doctor inactive": lambda: changed("not arrived", doctor_active=False),
    "not arrived, its prestation inactive": lambda: changed("not arrived", prestation_active=False),
    "checked in for another day": lambda: _for_tomorrow(arrived=True),
    "checked in, after a call without an answer": lambda: changed("checked in", no_answers=1),
    "checked in, in another consultation with its doctor": lambda: checked_in(
        consultations=[a_consultation(an_appointment(prestation=DERMATOLOGY))]
    ),
    "checked in, not exclusive, in consultation with another doctor": lambda: checked_in(
        X_RAY, in_consultation_with=DR_OKAFOR
    ),
}
WARNED = "Start, while its doctor is in consultation with another patient"
BUSY = "Start, while its doctor is in consultation with another patient, with VISIT_DOCTOR_BUSY=refuse"
OTHER_PATIENT = OtherConsultation(
    patient_id=MARIA_SILVA.id,
    consultation_id=a_consultation(an_appointment(patient=MARIA_SILVA)).id,
    started_at=NOON - minutes(5),
)


def _start_of_busy_doctor(rule: DoctorBusy) -> Callable[[Situation], Command]:
    facts = {"doctor_busy": rule, "busy_with": (OTHER_PATIENT,)}
    return lambda now: a_start(now.appointment).model_copy(update=facts)


COMMANDS: dict[str, Callable[[Situation], Command]] = {
    START: lambda now: a_start(now.appointment),
    WAIT: lambda now: a_start(now.appointment, wait=True),
    WARNED: _start_of_busy_doctor(DoctorBusy.warn),
    BUSY: _start_of_busy_doctor(DoctorBusy.refuse),
}
STARTED = (("OpenConsultation",), ("consultation.started",))
USED = (("OpenConsultation", "EndReservation"), ("consultation.started",))
USED_IN_LINE = (("OpenConsultation", "EndReservation", "LeaveLine"), ("consultation.started", "patient.updated"))
FOUND = (("WriteNoAnswers", "OpenConsultation"), ("appointment.updated", "consultation.started"))
NOTED = ("NoteRefusal",)
BLOCKED = (NOTED, ("consultation.blocked",))
JOINED = (("NoteRefusal", "JoinLine"), ("consultation.blocked", "patient.updated"))
ROWS = [
    DecisionRow(START, "not arrived", "200", *STARTED),
    DecisionRow(START, "not arrived, for another day", "appointment_not_today", NOTED),
    DecisionRow(START, "not arrived, its doctor inactive", "doctor_inactive", NOTED),
    DecisionRow(START, "not arrived, its prestation inactive", "prestation_inactive", NOTED),
    DecisionRow(START, "checked in", "200", *STARTED),
    DecisionRow(START, "checked in for another day", "200", *STARTED),
    DecisionRow(START, "checked in, after a call without an answer", "200", *FOUND),
    DecisionRow(START, "checked in, in consultation with another doctor", "patient_in_consultation", *BLOCKED),
    DecisionRow(START, "checked in, in another consultation with its doctor", "patient_in_consultation", *BLOCKED),
    DecisionRow(START, "checked in, its doctor in line", "patient_in_consultation", *BLOCKED),
    DecisionRow(START, "checked in, reserved for another doctor", "patient_reserved", NOTED),
    DecisionRow(START, "checked in, reserved for its doctor, another doctor in line", "200", *USED_IN_LINE),
    DecisionRow(START, "checked in, called", "200", *USED),
    DecisionRow(START, "checked in, not exclusive", "200", *STARTED),
    DecisionRow(START, "checked in, not exclusive, in consultation with another doctor", "200", *STARTED),
    DecisionRow(START, "completed", "appointment_closed", NOTED),
    *(
        DecisionRow(START, state, "200", *STARTED)
        for state in ("released", "timed out", "start taken back", "check-in taken back", "checked out", "not seen")
    ),
    DecisionRow(START, "canceled", "appointment_closed", NOTED),
    DecisionRow(WAIT, "checked in", "200", *STARTED),
    DecisionRow(WAIT, "checked in, in consultation with another doctor", "patient_in_consultation", *JOINED),
    DecisionRow(WAIT, "checked in, in another consultation with its doctor", "patient_in_consultation", *BLOCKED),
    DecisionRow(WAIT, "checked in, its doctor in line", "patient_in_consultation", *BLOCKED),
    DecisionRow(
        WAIT,
        "checked in, reserved for another doctor",
        "patient_reserved",
        ("NoteRefusal", "JoinLine"),
        ("patient.updated",),
    ),
    DecisionRow(WAIT, "not arrived, for another day", "appointment_not_today", NOTED),
    DecisionRow(WAIT, "completed", "appointment_closed", NOTED),
    DecisionRow(WARNED, "checked in", "200", *STARTED),
    DecisionRow(WARNED, "checked in, not exclusive", "200", *STARTED),
    DecisionRow(BUSY, "checked in", "doctor_in_consultation", NOTED),
    DecisionRow(BUSY, "checked in, in consultation with another doctor", "patient_in_consultation", *BLOCKED),
    DecisionRow(BUSY, "checked in, not exclusive", "200", *STARTED),
]

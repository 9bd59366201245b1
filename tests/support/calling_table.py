"""The rows of docs/decisions.md about calls, with values."""

from collections.abc import Callable, Sequence

from patient_visit_engine.visit.codes import ReservationKind
from patient_visit_engine.visit.commands import Command
from patient_visit_engine.visit.doctor_call import DoctorCall, OtherCall
from tests.support.builders import (
    DR_AMRANI,
    DR_OKAFOR,
    MARIA_SILVA,
    NOON,
    X_RAY,
    Doctor,
    a_reservation,
    an_appointment,
    minutes,
)
from tests.support.commands import a_call, a_no_answer, an_open_call
from tests.support.decision_table import DecisionRow, Situation, checked_in

UNTIL = NOON + minutes(2)


def _called(line: Sequence[Doctor] = ()) -> Situation:
    reservation = a_reservation(DR_AMRANI, UNTIL).model_copy(update={"kind": ReservationKind.called})
    return checked_in(reservation=reservation, waiting=line)


STATES: dict[str, Callable[[], Situation]] = {
    "checked in, in consultation with another doctor": lambda: checked_in(in_consultation_with=DR_OKAFOR),
    "checked in, reserved for another doctor": lambda: checked_in(
        reservation=a_reservation(DR_OKAFOR, UNTIL), waiting=[DR_OKAFOR]
    ),
    "checked in, offered to its doctor": lambda: checked_in(reservation=a_reservation(DR_AMRANI, UNTIL)),
    "checked in, called": _called,
    "checked in, called, its doctor first in line": lambda: _called([DR_AMRANI, DR_OKAFOR]),
    "checked in, not exclusive": lambda: checked_in(X_RAY),
}
CALL, SECOND_CALL = "Call patient", "Call patient, while its doctor waits for another patient"
RIVAL_CALL = "Call patient, while another doctor waits for the patient"
CALL_OF_DEPARTED = "Call patient, who has left since the list was read"
NO_ANSWER, LATE_NO_ANSWER = "No answer", "No answer, to a call before the last one"


def _call_of(now: Situation) -> DoctorCall:
    """The last call of the doctor: of this appointment, if the patient is called."""
    reservation = now.visit.facts.reservation
    if reservation is None or reservation.kind is not ReservationKind.called:
        return DoctorCall(doctor_id=now.appointment.doctor_id)
    return an_open_call(now.appointment, NOON - minutes(1), UNTIL)


def _late(now: Situation) -> Command:
    meant = a_no_answer(now.appointment, _call_of(now))
    return meant.model_copy(update={"called_at": NOON - minutes(30)})


def _rival_call(now: Situation) -> Command:
    other_call = OtherCall(doctor_id=DR_OKAFOR.id, until=UNTIL)
    return a_call(now.appointment, last=DoctorCall(doctor_id=DR_AMRANI.id, other_call=other_call))


def _call_of_departed(now: Situation) -> Command:
    return a_call(now.appointment, last=DoctorCall(doctor_id=DR_AMRANI.id, patient_left=True))


OTHER_CALL = an_open_call(an_appointment(patient=MARIA_SILVA), NOON, UNTIL)
COMMANDS: dict[str, Callable[[Situation], Command]] = {
    CALL: lambda now: a_call(now.appointment, last=_call_of(now)),
    SECOND_CALL: lambda now: a_call(now.appointment, last=OTHER_CALL),
    RIVAL_CALL: _rival_call,
    CALL_OF_DEPARTED: _call_of_departed,
    NO_ANSWER: lambda now: a_no_answer(now.appointment, _call_of(now)),
    LATE_NO_ANSWER: _late,
}
CALLED = (("NoteCall",), ("patient.called", "patient.updated"))
UNANSWERED = (("WriteNoAnswers", "EndReservation"), ("appointment.updated", "patient.updated"))
PASSED_ON = (
    (*UNANSWERED[0], "MoveDown", "OfferPatient"),
    (*UNANSWERED[1], "patient.updated", "consultation.available", "patient.updated"),
)
CLOSED = (("in consultation", "appointment_in_progress"), ("completed", "appointment_closed"))
ROWS = [
    DecisionRow(CALL, "not arrived", "200", *CALLED),
    DecisionRow(CALL, "checked in", "200", *CALLED),
    DecisionRow(CALL, "checked in, in consultation with another doctor", "patient_in_consultation"),
    DecisionRow(CALL, "checked in, reserved for another doctor", "patient_reserved"),
    DecisionRow(CALL, "checked in, offered to its doctor", "200", *CALLED),
    DecisionRow(CALL, "checked in, called", "200"),
    DecisionRow(CALL, "checked in, not exclusive", "200", ("NoteCall",), ("patient.called",)),
    *(DecisionRow(CALL, *row) for row in CLOSED),
    DecisionRow(CALL, "paused", "appointment_in_progress"),
    DecisionRow(CALL, "canceled", "appointment_closed"),
    DecisionRow(SECOND_CALL, "checked in", "doctor_has_call"),
    DecisionRow(SECOND_CALL, "checked in, not exclusive", "doctor_has_call"),
    DecisionRow(RIVAL_CALL, "checked in", "patient_reserved"),
    DecisionRow(RIVAL_CALL, "checked in, not exclusive", "patient_reserved"),
    DecisionRow(CALL_OF_DEPARTED, "not arrived", "appointment_mismatch"),
    DecisionRow(NO_ANSWER, "checked in", "not_called"),
    DecisionRow(NO_ANSWER, "checked in, called", "200", *UNANSWERED),
    DecisionRow(NO_ANSWER, "checked in, called, its doctor first in line", "200", *PASSED_ON),
    *(DecisionRow(NO_ANSWER, *row) for row in CLOSED),
    DecisionRow(LATE_NO_ANSWER, "checked in, called", "not_called"),
]

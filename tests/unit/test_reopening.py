"""What a reopening does to the doctor for whom the patient was reserved."""

from datetime import timedelta

from patient_visit_engine.visit.changes import Change
from patient_visit_engine.visit.codes import AppointmentStatus, Outcome, ReservationKind
from patient_visit_engine.visit.consultation_changes import ReopenConsultation
from patient_visit_engine.visit.facts import Reservation, WaitingDoctor
from patient_visit_engine.visit.line_changes import EndReservation, JoinLine, WithdrawOffer
from patient_visit_engine.visit.policy import decide
from patient_visit_engine.visit.state import VisitState
from patient_visit_engine.wire.events import events_of
from tests.support.builders import (
    DR_AMRANI,
    DR_LINDQVIST,
    DR_OKAFOR,
    NOON,
    a_consultation,
    a_visit,
    an_appointment,
    an_event_context,
    minutes,
)
from tests.support.commands import a_past, a_reopening

ENDED = an_appointment(DR_AMRANI, status=AppointmentStatus.done)
OF_LINDQVIST = an_appointment(DR_LINDQVIST, number=2, status=AppointmentStatus.pending)
TRANSFERRED = Reservation(
    kind=ReservationKind.transferred,
    doctor_id=DR_LINDQVIST.id,
    appointment_id=OF_LINDQVIST.id,
    day=a_visit().day,
    until=NOON + minutes(2),
    since=NOON - minutes(1),
)
CALLED = TRANSFERRED.model_copy(update={"kind": ReservationKind.called})


def changes_after_reopening(visit: VisitState) -> tuple[Change, ...]:
    """What changes besides the consultation, which its doctor reopens."""
    consultation = a_consultation(ENDED, started_at=NOON - minutes(20))
    past = a_past(ENDED, Outcome.done, ended_at=NOON - minutes(3), consultation_id=consultation.id)
    reopened, *others = decide(a_reopening(ENDED, past, by=DR_AMRANI), visit, NOON).changes
    assert isinstance(reopened, ReopenConsultation)
    return tuple(others)


def test_receiver_of_a_transfer_is_first_in_line() -> None:
    visit = a_visit(checked_in=[OF_LINDQVIST], waiting=[DR_OKAFOR], reservation=TRANSFERRED)

    ended, joined = changes_after_reopening(visit)

    assert ended == EndReservation(reservation=TRANSFERRED, why="withdrawn")
    place = WaitingDoctor(
        doctor_id=DR_LINDQVIST.id,
        appointment_id=OF_LINDQVIST.id,
        day=visit.day,
        since=TRANSFERRED.since,
        turn=visit.line()[0].turn - 1,
    )
    assert joined == JoinLine(place=place)
    events = [event for change in (ended, joined) for event in events_of(change, an_event_context())]
    assert [(event.name, event.data.get("why")) for event in events] == [
        ("patient.updated", "withdrawn"),
        ("patient.updated", None),
    ]


def test_receiver_who_is_in_line_goes_first() -> None:
    visit = a_visit(checked_in=[OF_LINDQVIST], waiting=[DR_OKAFOR, DR_LINDQVIST], reservation=TRANSFERRED)
    notified = [place.model_copy(update={"notified_at": NOON - timedelta(seconds=1)}) for place in visit.line()]
    visit = visit.model_copy(update={"facts": visit.facts.model_copy(update={"waiting": tuple(notified)})})
    first, second = visit.line()

    _, joined, withdrawn = changes_after_reopening(visit)

    assert joined == JoinLine(place=second.model_copy(update={"turn": first.turn - 1, "notified_at": None}))
    assert withdrawn == WithdrawOffer(place=first.model_copy(update={"notified_at": None}))


def test_doctor_who_has_called_is_first_in_line() -> None:
    """Also the receiver of a transfer, who has called the patient."""
    visit = a_visit(checked_in=[OF_LINDQVIST], waiting=[DR_OKAFOR], reservation=CALLED)

    ended, joined = changes_after_reopening(visit)

    assert ended == EndReservation(reservation=CALLED, why="withdrawn")
    assert isinstance(joined, JoinLine)
    assert (joined.place.doctor_id, joined.place.turn) == (DR_LINDQVIST.id, visit.line()[0].turn - 1)
    [event] = events_of(ended, an_event_context())
    assert (event.name, event.data["doctor_id"], event.data["why"]) == ("patient.updated", DR_LINDQVIST.id, "withdrawn")

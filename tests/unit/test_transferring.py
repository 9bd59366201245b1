"""Transfers: who has the patient then, and what a late one does."""

from patient_visit_engine.visit.codes import Outcome, ReservationKind
from patient_visit_engine.visit.consultation_changes import EndConsultation, TransferConsultation
from patient_visit_engine.visit.decisions import ConsultationEndedAnswer, Refused
from patient_visit_engine.visit.facts import Reservation
from patient_visit_engine.visit.line_changes import EndReservation, OfferPatient, PostponeReservation
from patient_visit_engine.visit.policy import decide, decide_on_appointment
from patient_visit_engine.visit.refusals import ConsultationChanged
from patient_visit_engine.visit.state import Limits, VisitState
from patient_visit_engine.visit.timers import decide_due
from tests.support.builders import (
    DR_AMRANI,
    DR_LINDQVIST,
    DR_OKAFOR,
    DR_SMITH,
    NOON,
    a_consultation,
    a_visit,
    an_appointment,
    minutes,
    paused,
)
from tests.support.commands import a_transfer

OF_AMRANI, OF_OKAFOR = an_appointment(DR_AMRANI), an_appointment(DR_OKAFOR, number=2)
RUNNING = a_consultation(OF_AMRANI, started_at=NOON - minutes(5))
PAUSED = paused(RUNNING, NOON - minutes(1))
BY_OKAFOR = a_consultation(OF_OKAFOR, started_at=NOON)
UNTIL = NOON + minutes(3)
RESERVED = Reservation(
    kind=ReservationKind.transferred,
    doctor_id=DR_LINDQVIST.id,
    appointment_id=OF_AMRANI.id,
    day=RUNNING.day,
    until=UNTIL,
    since=NOON,
)


def transferred(visit: VisitState, changes: int = 2) -> TransferConsultation:
    """The transfer to Dr. Lindqvist, from a decision with so many changes."""
    decision = decide(a_transfer(OF_AMRANI, RUNNING, DR_LINDQVIST, by=DR_AMRANI), visit, NOON)
    assert len(decision.changes) == changes
    assert isinstance(decision.changes[0], EndConsultation)
    assert decision.changes[0].outcome is Outcome.transferred
    [change] = [change for change in decision.changes if isinstance(change, TransferConsultation)]
    return change


def test_patient_is_reserved_for_the_receiver_and_not_offered_to_the_line() -> None:
    visit = a_visit(consultations=[RUNNING], waiting=[DR_OKAFOR])

    change = transferred(visit)
    without_offers = transferred(
        a_visit(consultations=[RUNNING]).model_copy(update={"limits": Limits(offer=minutes(0))})
    )

    assert (change.reservation, change.place) == (RESERVED, None)
    assert without_offers.reservation == RESERVED


def test_receiver_is_first_in_line_while_the_patient_is_with_another_doctor() -> None:
    visit = a_visit(consultations=[BY_OKAFOR], paused=[PAUSED], waiting=[DR_SMITH, DR_LINDQVIST])

    moved = transferred(visit)
    new = transferred(a_visit(consultations=[BY_OKAFOR], paused=[PAUSED], waiting=[DR_SMITH]))

    assert moved.reservation is None is new.reservation
    assert moved.place is not None
    assert new.place is not None
    present = visit.line()[1]
    assert moved.place == present.model_copy(update={"turn": visit.line()[0].turn - 1})
    assert (new.place.doctor_id, new.place.appointment_id) == (DR_LINDQVIST.id, OF_AMRANI.id)
    assert new.place.turn < visit.line()[0].turn


def test_not_exclusive_consultation_reserves_nothing() -> None:
    running = RUNNING.model_copy(update={"exclusive": False})

    change = transferred(a_visit(consultations=[running]))

    assert (change.reservation, change.place) == (None, None)


def test_unused_transfer_passes_to_the_paused_ones_and_then_to_the_line() -> None:
    line = a_visit(waiting=[DR_OKAFOR], reservation=RESERVED)
    before_line = a_visit(paused=[paused(BY_OKAFOR, NOON)], waiting=[DR_SMITH], reservation=RESERVED)

    for visit in (line, before_line):
        decision = decide_due(visit, UNTIL)
        assert decision is not None
        ended, offered = decision.changes
        assert isinstance(ended, EndReservation)
        assert (ended.why, ended.consultation_id) == ("expired", None)
        assert isinstance(offered, OfferPatient)
        assert offered.place.doctor_id == DR_OKAFOR.id


def test_transfer_whose_end_nothing_noticed_gets_more_time() -> None:
    late = UNTIL + minutes(2)

    decision = decide_due(a_visit(waiting=[DR_OKAFOR], reservation=RESERVED), late)

    assert decision is not None
    later = RESERVED.model_copy(update={"until": late + minutes(3)})
    assert decision.changes == (PostponeReservation(reservation=later),)


def test_second_transfer_changes_nothing() -> None:
    present = OF_AMRANI.model_copy(update={"doctor_id": DR_LINDQVIST.id})

    same = decide_on_appointment(a_transfer(OF_AMRANI, RUNNING, DR_LINDQVIST), present, a_visit(), NOON)
    other = decide_on_appointment(a_transfer(OF_AMRANI, RUNNING, DR_SMITH), present, a_visit(), NOON)

    ended = ConsultationEndedAnswer(consultation_id=RUNNING.id, success_outcome=Outcome.transferred)
    assert (same.answer, same.changes) == (ended, ())
    assert (other.answer, other.changes) == (ended.model_copy(update={"success_outcome": None}), ())


def test_transfer_requested_before_a_resumption_has_no_effect() -> None:
    running = RUNNING.model_copy(update={"changed_at": NOON})
    command = a_transfer(OF_AMRANI, running, DR_LINDQVIST)
    request = command.request.model_copy(update={"asked_at": NOON - minutes(1)})

    decision = decide(command.model_copy(update={"request": request}), a_visit(consultations=[running]), NOON)

    assert decision.answer == Refused(refusal=ConsultationChanged())
    assert decision.changes == ()

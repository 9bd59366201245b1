"""Calls of patients: who can be called, when a call is over, and which message is about which call."""

from datetime import timedelta

from patient_visit_engine.visit.changes import NoteCall
from patient_visit_engine.visit.codes import AppointmentStatus, ReservationKind
from patient_visit_engine.visit.decisions import CalledAnswer, Refused
from patient_visit_engine.visit.doctor_call import DoctorCall
from patient_visit_engine.visit.facts import Reservation
from patient_visit_engine.visit.line_changes import (
    EndReservation,
    MoveDown,
    OfferPatient,
    PostponeReservation,
    WithdrawOffer,
)
from patient_visit_engine.visit.policy import decide, decide_on_appointment
from patient_visit_engine.visit.refusals import AppointmentMismatch, AppointmentNotToday, PatientReserved
from patient_visit_engine.visit.state import Limits
from patient_visit_engine.visit.timers import decide_due, next_deadline
from tests.support.builders import (
    DR_AMRANI,
    DR_OKAFOR,
    NOON,
    X_RAY,
    a_place,
    a_reservation,
    a_visit,
    an_appointment,
    minutes,
)
from tests.support.commands import a_call, a_check_in, a_no_answer, an_open_call

OF_AMRANI = an_appointment(DR_AMRANI, status=AppointmentStatus.pending)
UNTIL = NOON + minutes(3)
CALLED = Reservation(
    kind=ReservationKind.called,
    doctor_id=DR_AMRANI.id,
    appointment_id=OF_AMRANI.id,
    day=a_visit().day,
    until=UNTIL,
    since=NOON,
)


def test_called_patient_is_reserved_for_the_time_of_a_call() -> None:
    decision = decide(a_call(OF_AMRANI), a_visit(checked_in=[OF_AMRANI]), NOON)

    assert decision.answer == CalledAnswer(appointment=OF_AMRANI, until=UNTIL)
    assert decision.changes == (NoteCall(appointment=OF_AMRANI, until=UNTIL, reservation=CALLED),)


def test_call_does_not_shorten_an_offer() -> None:
    offered = a_reservation(DR_AMRANI, NOON + minutes(10))

    decision = decide(a_call(OF_AMRANI), a_visit(reservation=offered, checked_in=[OF_AMRANI]), NOON)

    assert isinstance(decision.changes[0], NoteCall)
    assert decision.changes[0].until == offered.until


def test_free_patient_for_whom_a_doctor_waits_is_called_by_this_doctor_only() -> None:
    first = a_visit(waiting=[DR_AMRANI, DR_OKAFOR], checked_in=[OF_AMRANI])
    second = a_visit(waiting=[DR_OKAFOR, DR_AMRANI], checked_in=[OF_AMRANI])

    granted, refused = (decide(a_call(OF_AMRANI), visit, NOON) for visit in (first, second))

    assert isinstance(granted.answer, CalledAnswer)
    assert isinstance(refused.answer, Refused)
    assert isinstance(refused.answer.refusal, PatientReserved)


def test_call_withdraws_offers_that_reserve_nothing() -> None:
    visit = a_visit(waiting=[a_place(DR_OKAFOR, notified_at=NOON)], limits=Limits(offer=timedelta(0)))

    decision = decide(a_call(OF_AMRANI), visit, NOON)

    assert [type(change) for change in decision.changes] == [NoteCall, WithdrawOffer]


def test_unused_call_costs_a_place_as_an_unused_offer_does() -> None:
    visit = a_visit(waiting=[DR_AMRANI, DR_OKAFOR], checked_in=[OF_AMRANI], reservation=CALLED)

    decision = decide_due(visit, UNTIL)

    assert next_deadline(visit) == UNTIL
    assert decision is not None
    ended, moved, offered = decision.changes
    assert ended == EndReservation(reservation=CALLED, why="expired")
    assert isinstance(moved, MoveDown)
    assert (moved.place.doctor_id, moved.place.unused_offers) == (DR_AMRANI.id, 1)
    assert isinstance(offered, OfferPatient)
    assert offered.place.doctor_id == DR_OKAFOR.id


def test_unused_call_costs_nothing_when_offers_reserve_nothing() -> None:
    missed_once = a_place(DR_AMRANI, turn=1).model_copy(update={"unused_offers": 1})
    limits = Limits(offer=timedelta(0))
    visit = a_visit(waiting=[missed_once, DR_OKAFOR], checked_in=[OF_AMRANI], reservation=CALLED, limits=limits)
    call = an_open_call(OF_AMRANI, NOON, UNTIL)

    unused = decide_due(visit, UNTIL)
    unanswered = decide(a_no_answer(OF_AMRANI, call), visit, UNTIL - minutes(1))

    assert unused is not None
    for (ended, *offers), why in ((unused.changes, "expired"), (unanswered.changes[1:], "no_answer")):
        assert isinstance(ended, EndReservation)
        assert ended.why == why
        offered = [change for change in offers if isinstance(change, OfferPatient)]
        assert offers == offered
        assert [(offer.place.doctor_id, offer.place.unused_offers, offer.until) for offer in offered] == [
            (DR_AMRANI.id, 1, None),
            (DR_OKAFOR.id, 0, None),
        ]


def test_second_unused_call_costs_the_place() -> None:
    missed_once = a_place(DR_AMRANI, turn=1).model_copy(update={"unused_offers": 1})
    visit = a_visit(waiting=[missed_once, DR_OKAFOR], checked_in=[OF_AMRANI], reservation=CALLED)

    decision = decide_due(visit, UNTIL)

    assert decision is not None
    assert [change.change for change in decision.changes] == ["end_reservation", "leave_line", "offer_patient"]


def test_late_end_of_a_call_gives_more_time_and_costs_no_place() -> None:
    visit = a_visit(waiting=[DR_AMRANI, DR_OKAFOR], checked_in=[OF_AMRANI], reservation=CALLED)

    late = UNTIL + minutes(30)

    more_time = decide_due(visit, late)
    has_called_other = decide_due(visit, late, DoctorCall(doctor_id=DR_AMRANI.id, appointment_id=5))

    assert more_time is not None
    later = CALLED.model_copy(update={"until": late + minutes(3)})
    assert more_time.changes == (PostponeReservation(reservation=later),)
    assert has_called_other is not None
    ended, offered = has_called_other.changes
    assert ended == EndReservation(reservation=CALLED, why="expired")
    assert isinstance(offered, OfferPatient)
    assert (offered.place.doctor_id, offered.place.unused_offers) == (DR_AMRANI.id, 0)


def test_unanswered_call_frees_the_patient_for_the_line() -> None:
    visit = a_visit(waiting=[DR_OKAFOR], checked_in=[OF_AMRANI], reservation=CALLED)
    call = an_open_call(OF_AMRANI, NOON, UNTIL)

    decision = decide(a_no_answer(OF_AMRANI, call, behind_id=5), visit, NOON + minutes(1))

    _, ended, offered = decision.changes
    assert ended == EndReservation(reservation=CALLED, why="no_answer")
    assert isinstance(offered, OfferPatient)
    assert offered.place.doctor_id == DR_OKAFOR.id


def test_unanswered_call_costs_its_doctor_a_place() -> None:
    visit = a_visit(waiting=[DR_AMRANI, DR_OKAFOR], checked_in=[OF_AMRANI], reservation=CALLED)
    call = an_open_call(OF_AMRANI, NOON, UNTIL)

    decision = decide(a_no_answer(OF_AMRANI, call), visit, NOON + minutes(1))

    _, ended, moved, offered = decision.changes
    assert ended == EndReservation(reservation=CALLED, why="no_answer")
    assert isinstance(moved, MoveDown)
    assert (moved.place.doctor_id, moved.place.unused_offers) == (DR_AMRANI.id, 1)
    assert isinstance(offered, OfferPatient)
    assert offered.place.doctor_id == DR_OKAFOR.id


def test_patient_who_has_left_since_the_list_was_read_is_not_called() -> None:
    left = OF_AMRANI.model_copy(update={"status": AppointmentStatus.confirmed})
    here = OF_AMRANI.model_copy(update={"priority": 1})

    refused = decide_on_appointment(a_call(OF_AMRANI), left, a_visit(), NOON)
    granted = decide_on_appointment(a_call(OF_AMRANI), here, a_visit(checked_in=[OF_AMRANI]), NOON)

    assert refused.answer == Refused(refusal=AppointmentMismatch())
    assert isinstance(granted.answer, CalledAnswer)


def test_call_that_is_over_can_still_be_unanswered() -> None:
    call = an_open_call(OF_AMRANI, NOON, UNTIL)

    decision = decide(a_no_answer(OF_AMRANI, call), a_visit(checked_in=[OF_AMRANI]), UNTIL + minutes(5))

    assert [change.change for change in decision.changes] == ["write_no_answers"]


def test_appointment_of_another_day_is_called_only_after_its_check_in() -> None:
    tomorrow = an_appointment(DR_AMRANI, prestation=X_RAY, scheduled_at=NOON + timedelta(days=1))

    refused = decide(a_call(tomorrow), a_visit(), NOON)
    granted = decide(a_call(tomorrow), a_visit(checked_in=[tomorrow]), NOON)

    assert isinstance(refused.answer, Refused)
    assert isinstance(refused.answer.refusal, AppointmentNotToday)
    assert isinstance(granted.answer, CalledAnswer)


def test_check_in_after_unanswered_calls_puts_the_patient_back() -> None:
    unanswered = OF_AMRANI.model_copy(update={"no_answers": 3})

    decision = decide(a_check_in(unanswered), a_visit(checked_in=[unanswered]), NOON)

    assert [(change.change, getattr(change, "no_answers", None)) for change in decision.changes] == [
        ("write_no_answers", 0)
    ]

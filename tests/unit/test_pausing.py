"""Pausing a consultation: who gets the patient then, and how the times move."""

from datetime import timedelta

import pytest

from patient_visit_engine.visit.codes import DoctorBusy, Outcome
from patient_visit_engine.visit.consultation_changes import (
    EndConsultation,
    PauseConsultation,
    PostponePauseLimit,
    ResumeConsultation,
)
from patient_visit_engine.visit.decisions import ConsultationAnswer, Decision, Refused
from patient_visit_engine.visit.facts import Consultation, Facts, OtherConsultation, Reservation
from patient_visit_engine.visit.freeing import offer_to_paused
from patient_visit_engine.visit.line_changes import EndReservation, OfferPatient
from patient_visit_engine.visit.merging import combine
from patient_visit_engine.visit.policy import decide
from patient_visit_engine.visit.refusals import DoctorInConsultation, PatientInConsultation, PatientReserved
from patient_visit_engine.visit.state import Limits, VisitState
from patient_visit_engine.visit.timers import decide_due, next_timer
from patient_visit_engine.wire.event_context import EventContext
from patient_visit_engine.wire.events import events_of
from patient_visit_engine.wire.refusals import AnswerContext, refusal_body
from tests.support.builders import (
    DAY,
    DR_AMRANI,
    DR_LINDQVIST,
    DR_OKAFOR,
    DR_SMITH,
    MARIA_SILVA,
    NOON,
    X_RAY,
    Doctor,
    a_consultation,
    a_reservation,
    a_visit,
    an_appointment,
    an_event_context,
    minutes,
    paused,
)
from tests.support.commands import a_completion, a_pause, a_resumption, a_start, stamped

OF_AMRANI, OF_OKAFOR = an_appointment(DR_AMRANI), an_appointment(DR_OKAFOR)
WITH_SMITH = a_consultation(an_appointment(DR_SMITH))
NO_RESERVATIONS = Limits(offer=timedelta(0))


def paused_by(doctor: Doctor, minutes_after_noon: float = 0) -> Consultation:
    """The doctor's consultation, paused at that time."""
    consultation = a_consultation(an_appointment(doctor), started_at=NOON - minutes(30))
    return paused(consultation, NOON + minutes(minutes_after_noon))


#: Dr. Okafor paused first.
BY_OKAFOR, BY_AMRANI = paused_by(DR_OKAFOR), paused_by(DR_AMRANI, 1)
A_WHILE_LATER = NOON + minutes(10)


def offered_to(decision: Decision | None) -> list[int]:
    """The doctors who are offered the patient."""
    assert decision is not None
    return [change.place.doctor_id for change in decision.changes if isinstance(change, OfferPatient)]


def reserved_for(doctor: Doctor, visit: VisitState, until_after: float = 1) -> VisitState:
    """The same visit while the patient is reserved for the doctor's appointment."""
    reservation = a_reservation(doctor, A_WHILE_LATER + minutes(until_after))
    return visit.model_copy(update={"facts": visit.facts.model_copy(update={"reservation": reservation})})


def test_first_paused_doctor_is_offered_before_the_line() -> None:
    visit = a_visit(consultations=[WITH_SMITH], paused=[BY_AMRANI, BY_OKAFOR], waiting=[DR_LINDQVIST])

    decision = decide(a_completion(WITH_SMITH), visit, A_WHILE_LATER)

    assert offered_to(decision) == [DR_OKAFOR.id]
    [offer] = [change for change in decision.changes if isinstance(change, OfferPatient)]
    assert (offer.consultation_id, offer.until) == (BY_OKAFOR.id, A_WHILE_LATER + minutes(1))


def test_unused_offer_passes_to_later_paused_and_then_to_the_line() -> None:
    visit = a_visit(paused=[BY_AMRANI, BY_OKAFOR], waiting=[DR_LINDQVIST])
    offers = []
    for doctor in (DR_OKAFOR, DR_AMRANI):
        now = A_WHILE_LATER + minutes(1)
        decision = decide_due(reserved_for(doctor, visit), now)
        offers += offered_to(decision)

    assert offers == [DR_AMRANI.id, DR_LINDQVIST.id]


def test_screens_hear_of_an_unused_offer_to_a_paused_doctor() -> None:
    decision = decide_due(reserved_for(DR_AMRANI, a_visit(paused=[BY_AMRANI])), A_WHILE_LATER + minutes(1))

    assert decision is not None
    [ended] = decision.changes
    [event] = events_of(ended, an_event_context())
    assert (event.name, event.data["doctor_id"], event.data["why"]) == ("patient.updated", DR_AMRANI.id, "expired")


def test_a_free_patient_is_not_offered_to_who_paused_again() -> None:
    assert decide_due(a_visit(paused=[BY_AMRANI]), A_WHILE_LATER) is None


def test_offer_to_paused_doctor_that_ran_out_unnoticed_is_made_again() -> None:
    visit = reserved_for(DR_OKAFOR, a_visit(paused=[BY_OKAFOR], waiting=[DR_LINDQVIST]), until_after=-5)

    decision = decide_due(visit, A_WHILE_LATER)

    assert decision is not None
    assert decision.changes == (offer_to_paused(BY_OKAFOR, visit, A_WHILE_LATER + minutes(1), A_WHILE_LATER),)


def test_all_are_notified_when_offers_do_not_reserve() -> None:
    visit = a_visit(
        consultations=[WITH_SMITH], paused=[BY_AMRANI, BY_OKAFOR], waiting=[DR_LINDQVIST], limits=NO_RESERVATIONS
    )

    assert offered_to(decide(a_completion(WITH_SMITH), visit, A_WHILE_LATER)) == [
        DR_OKAFOR.id,
        DR_AMRANI.id,
        DR_LINDQVIST.id,
    ]


def test_pause_offers_the_patient_to_earlier_paused_before_the_line() -> None:
    visit = a_visit(consultations=[WITH_SMITH], paused=[BY_OKAFOR], waiting=[DR_LINDQVIST])

    assert offered_to(decide(a_pause(WITH_SMITH), visit, A_WHILE_LATER)) == [DR_OKAFOR.id]


def test_pause_of_one_of_two_merged_consultations_frees_no_one() -> None:
    other = a_consultation(OF_OKAFOR)
    visit = a_visit(consultations=[WITH_SMITH, other], waiting=[DR_LINDQVIST])

    assert offered_to(decide(a_pause(WITH_SMITH), visit, A_WHILE_LATER)) == []


def test_pause_of_x_ray_frees_no_one() -> None:
    x_ray = a_consultation(an_appointment(DR_AMRANI, prestation=X_RAY))
    visit = a_visit(consultations=[x_ray, WITH_SMITH], waiting=[DR_LINDQVIST])

    decision = decide(a_pause(x_ray), visit, A_WHILE_LATER)

    assert [type(change) for change in decision.changes] == [PauseConsultation]


def test_clock_stands_still_during_the_pause() -> None:
    decision = decide(a_resumption(OF_AMRANI, BY_AMRANI), a_visit(paused=[BY_AMRANI]), NOON + minutes(8))

    [resumed] = decision.changes
    assert isinstance(resumed, ResumeConsultation)
    times = resumed.consultation
    # The pause of 7 minutes began before the expected end, which was 10 minutes before noon.
    assert times.overdue_at == BY_AMRANI.overdue_at + minutes(7)
    assert times.remind_at == BY_AMRANI.remind_at + minutes(7)
    assert times.abandon_at == times.overdue_at + Limits().abandon_after
    assert times.paused_at is None
    assert decision.answer == ConsultationAnswer(consultation=times)


def test_time_limit_leaves_time_for_a_reminder_after_the_pause() -> None:
    limits = Limits(abandon_after=minutes(1))

    decision = decide(a_resumption(OF_AMRANI, BY_AMRANI), a_visit(paused=[BY_AMRANI], limits=limits), NOON + minutes(8))

    [resumed] = decision.changes
    assert isinstance(resumed, ResumeConsultation)
    assert resumed.consultation.abandon_at == NOON + minutes(8) + limits.remind_every


def test_start_by_another_doctor_of_the_appointment_does_not_resume() -> None:
    given_away = OF_AMRANI.model_copy(update={"doctor_id": DR_OKAFOR.id})

    decision = decide(a_start(given_away), a_visit(paused=[BY_AMRANI]), A_WHILE_LATER)

    assert isinstance(decision.answer, Refused)
    assert decision.answer.refusal.code == "appointment_in_progress"


def test_refused_resumption_cannot_join_the_line() -> None:
    visit = a_visit(consultations=[WITH_SMITH], paused=[BY_AMRANI])

    decision = decide(a_start(OF_AMRANI, wait=True), visit, A_WHILE_LATER)

    assert isinstance(decision.answer, Refused)
    refusal = decision.answer.refusal
    assert refusal == PatientInConsultation(holder=WITH_SMITH, has_paused=True)
    context: EventContext = an_event_context()
    assert refusal_body(refusal, AnswerContext(context, "a-request")).get("actions") == []
    assert [type(change).__name__ for change in decision.changes] == ["NoteRefusal"]


def test_line_of_a_free_patient_goes_before_a_resumption() -> None:
    visit = a_visit(paused=[BY_AMRANI], waiting=[DR_LINDQVIST])

    decision = decide(a_resumption(OF_AMRANI, BY_AMRANI), visit, A_WHILE_LATER)

    assert isinstance(decision.answer, Refused)
    assert isinstance(decision.answer.refusal, PatientReserved)
    assert offered_to(decision) == [DR_LINDQVIST.id]


@pytest.mark.parametrize("busy", list(DoctorBusy))
def test_doctor_with_another_patient_resumes_as_the_hospital_wants(busy: DoctorBusy) -> None:
    other = OtherConsultation(consultation_id="other", patient_id=MARIA_SILVA.id, started_at=NOON)
    command = a_resumption(OF_AMRANI, BY_AMRANI).model_copy(update={"doctor_busy": busy, "busy_with": (other,)})

    answer = decide(command, a_visit(paused=[BY_AMRANI]), A_WHILE_LATER).answer

    if busy is DoctorBusy.refuse:
        assert answer == Refused(refusal=DoctorInConsultation(busy_with=(other,)))
    else:
        assert isinstance(answer, ConsultationAnswer)
        assert answer.busy_with == (None if busy is DoctorBusy.off else (other,))


def test_pause_that_was_asked_before_a_resumption_has_no_effect() -> None:
    running = WITH_SMITH.model_copy(update={"changed_at": NOON + minutes(5)})
    visit = a_visit(consultations=[running])

    late = decide(stamped(a_pause(running), NOON + minutes(4)), visit, A_WHILE_LATER)
    new = decide(stamped(a_pause(running), NOON + minutes(6)), visit, A_WHILE_LATER)

    assert isinstance(late.answer, Refused)
    assert (late.answer.refusal.code, late.changes) == ("consultation_changed", ())
    assert len(new.changes) == 1


def test_pause_ends_at_its_limit() -> None:
    visit = a_visit(paused=[BY_AMRANI])
    limit = NOON + minutes(1) + Limits().pause_limit

    timer = next_timer(visit)
    decision = decide_due(visit, limit)

    assert (timer.at, timer.reason) == (limit, f"time limit of the pause of doctor {DR_AMRANI.id}")
    assert decide_due(visit, limit - minutes(1)) is None
    assert decision is not None
    moved = BY_AMRANI.model_copy(update={"overdue_at": BY_AMRANI.overdue_at + Limits().pause_limit})
    assert decision.changes == (EndConsultation(consultation=moved, outcome=Outcome.timed_out),)


def test_pause_limit_that_nothing_noticed_gives_grace_first() -> None:
    now = BY_AMRANI.abandon_at + minutes(2)

    decision = decide_due(a_visit(paused=[BY_AMRANI]), now)

    later = BY_AMRANI.model_copy(update={"abandon_at": now + minutes(15)})
    assert decision is not None
    assert decision.changes == (PostponePauseLimit(consultation=later),)


def test_offer_ends_with_the_pause_that_it_was_for() -> None:
    visit = reserved_for(DR_AMRANI, a_visit(paused=[BY_AMRANI], waiting=[DR_LINDQVIST]), until_after=600)

    decision = decide_due(visit, BY_AMRANI.abandon_at)

    assert decision is not None
    assert [type(change) for change in decision.changes] == [EndConsultation, EndReservation, OfferPatient]


def reservation_of(doctor: Doctor, since_after: float) -> Reservation:
    until = NOON + minutes(since_after + 1)
    return a_reservation(doctor, until).model_copy(update={"since": NOON + minutes(since_after)})


def test_merge_keeps_pauses_and_gives_their_doctors_no_place() -> None:
    free = Facts(paused=(BY_AMRANI,), reservation=reservation_of(DR_AMRANI, 0))
    busy = Facts(in_progress=(WITH_SMITH,), paused=(BY_OKAFOR,))
    reserved = Facts(reservation=reservation_of(DR_LINDQVIST, -1))

    with_busy, with_reserved = combine(free, busy), combine(free, reserved)

    assert (set(with_busy.paused), with_busy.waiting, with_busy.reservation) == ({BY_AMRANI, BY_OKAFOR}, (), None)
    assert (with_reserved.waiting, with_reserved.reservation) == ((), reserved.reservation)


def test_pause_passes_to_the_next_day() -> None:
    tomorrow = a_visit(paused=[BY_AMRANI], day=DAY + timedelta(days=1))

    decision = decide_due(tomorrow, tomorrow.day_starts_at)

    assert decision is not None
    assert [type(change).__name__ for change in decision.changes] == ["CarryOver"]

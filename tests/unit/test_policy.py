"""The six rules of the contract, each refusal, and what desks may do."""

from datetime import timedelta
from typing import Any

import pytest

from patient_visit_engine.visit.codes import AppointmentStatus, Outcome
from patient_visit_engine.visit.commands import Adopt, CheckOut, SetAppointmentStatus
from patient_visit_engine.visit.decisions import (
    AdoptConsultation,
    CloseTracking,
    ConsultationEndedWith,
    ConsultationStands,
    EndConsultation,
    JoinLine,
    LeaveLine,
    NoteRefusal,
    OpenConsultation,
    OpenTracking,
    Refused,
    StatusStands,
    TrackingStands,
    WriteAppointmentStatus,
)
from patient_visit_engine.visit.policy import decide, mismatch
from patient_visit_engine.visit.state import PendingTracking
from tests.support.builders import (
    CARDIOLOGY,
    DAY,
    DERMATOLOGY,
    DR_AMRANI,
    DR_OKAFOR,
    DR_SMITH,
    NOON,
    X_RAY,
    YESTERDAY,
    a_consultation,
    a_place,
    a_request,
    a_visit,
    an_appointment,
    minutes,
)
from tests.support.commands import a_check_in, a_completion, a_release, a_start, a_wait, an_extension

CARDIOLOGY_WITH_SMITH = a_consultation(an_appointment(DR_SMITH), started_at=NOON - minutes(14))
CANCELED, DONE = AppointmentStatus.canceled, AppointmentStatus.done


def a_status(appointment: Any, status: AppointmentStatus, by: int | None = None) -> SetAppointmentStatus:
    """Somebody at a desk, or the doctor of that number, sets the status."""
    return SetAppointmentStatus(
        request=a_request(f"status {status}"), appointment=appointment, status=status, doctor_id=by
    )


def test_a_patient_who_is_free_may_start_a_consultation() -> None:
    mine = an_appointment(DR_AMRANI)

    decision = decide(a_visit(), a_start(mine), NOON)

    (opened,) = decision.changes
    assert isinstance(opened, OpenConsultation)
    assert decision.answer == ConsultationStands(consultation=opened.consultation, created=True)
    begun = opened.consultation
    assert (begun.doctor_id, begun.appointment_id, begun.started_at) == (DR_AMRANI.id, mine.id, NOON)
    assert (begun.overdue_at, begun.abandon_at) == (NOON + minutes(20), NOON + timedelta(hours=4))


def test_the_same_request_begins_the_same_consultation_however_often_it_is_decided() -> None:
    first, again = (decide(a_visit(), a_start(an_appointment(), "k"), NOON).answer for _ in range(2))

    assert first == again
    assert first != decide(a_visit(), a_start(an_appointment(), "another"), NOON).answer


def test_a_second_doctor_is_refused_and_hears_who_has_the_patient() -> None:
    visit = a_visit(in_consultation_with=DR_SMITH)

    decision = decide(visit, a_start(an_appointment(DR_AMRANI)), NOON)

    assert isinstance(decision.answer, Refused)
    assert decision.answer.refusal.code == "patient_in_consultation"
    assert decision.answer.refusal.holder.doctor_id == DR_SMITH.id
    assert decision.changes == (NoteRefusal(appointment=an_appointment(DR_AMRANI), refusal=decision.answer.refusal),)


def test_a_consultation_that_crossed_midnight_still_holds_the_patient() -> None:
    running = a_consultation(an_appointment(DR_SMITH), day=YESTERDAY, started_at=NOON - timedelta(hours=13))

    decision = decide(a_visit(consultations=[running]), a_start(an_appointment(DR_AMRANI)), NOON)

    assert isinstance(decision.answer, Refused)
    assert decision.answer.refusal.code == "patient_in_consultation"
    assert decision.answer.refusal.holder == running


def test_an_x_ray_may_run_beside_a_consultation_and_a_consultation_beside_an_x_ray() -> None:
    x_ray = an_appointment(DR_OKAFOR, prestation=X_RAY)

    beside = decide(a_visit(in_consultation_with=DR_SMITH), a_start(x_ray), NOON)
    after = decide(a_visit(consultations=[a_consultation(x_ray)]), a_start(an_appointment(DR_AMRANI)), NOON)

    assert isinstance(beside.answer, ConsultationStands)
    assert isinstance(after.answer, ConsultationStands)
    assert beside.answer.created
    assert after.answer.created


def test_a_doctor_who_starts_again_gets_the_consultation_that_exists() -> None:
    running = a_consultation(an_appointment(DR_AMRANI, status=AppointmentStatus.in_progress))

    decision = decide(a_visit(consultations=[running]), a_start(an_appointment(DR_AMRANI)), NOON + minutes(3))

    assert decision.answer == ConsultationStands(consultation=running, created=False)
    assert decision.changes == ()


def test_a_doctor_with_another_appointment_of_the_same_patient_is_refused_like_anybody() -> None:
    visit = a_visit(in_consultation_with=DR_AMRANI)

    decision = decide(visit, a_start(an_appointment(DR_AMRANI, prestation=DERMATOLOGY)), NOON)

    assert isinstance(decision.answer, Refused)
    assert decision.answer.refusal.code == "patient_in_consultation"


def test_a_completion_ends_its_own_consultation_and_no_other() -> None:
    mine, x_ray = a_consultation(), a_consultation(an_appointment(DR_OKAFOR, prestation=X_RAY))

    decision = decide(a_visit(consultations=[x_ray, mine]), a_completion(mine), NOON)

    assert decision.changes == (EndConsultation(consultation=mine, outcome=Outcome.done),)


@pytest.mark.parametrize("ask", [a_completion, a_release], ids=["complete", "release"])
def test_ending_what_has_ended_changes_nothing(ask: Any) -> None:
    decision = decide(a_visit(), ask(a_consultation()), NOON)

    assert isinstance(decision.answer, ConsultationEndedWith)
    assert decision.changes == ()


def test_a_supervisor_may_end_anybodys_consultation() -> None:
    running = a_consultation()

    decision = decide(a_visit(consultations=[running]), a_release(running), NOON)

    assert decision.changes == (EndConsultation(consultation=running, outcome=Outcome.released),)


def another_doctor_has_it() -> Any:
    """The appointment is in progress with a doctor who is no longer the one it names."""
    mine = an_appointment(DR_AMRANI)
    return a_visit(consultations=[a_consultation(mine).model_copy(update={"doctor_id": DR_SMITH.id})]), mine


TAKEN, OF_AMRANI = another_doctor_has_it()
BUSY = a_visit(consultations=[CARDIOLOGY_WITH_SMITH])
RESERVED = a_visit(waiting=[a_place(DR_OKAFOR, offered_until=NOON + minutes(1))])
MINE = a_visit(consultations=[a_consultation(OF_AMRANI)])

REFUSALS = {
    "a busy patient": (BUSY, a_start(OF_AMRANI), "patient_in_consultation"),
    "a reserved patient": (RESERVED, a_start(OF_AMRANI), "patient_reserved"),
    "an appointment another doctor has": (TAKEN, a_start(OF_AMRANI), "appointment_in_progress"),
    "a canceled appointment": (a_visit(), a_start(an_appointment(status=CANCELED)), "appointment_closed"),
    "a done appointment": (a_visit(), a_start(an_appointment(status=DONE)), "appointment_closed"),
    "somebody else's completion": (MINE, a_completion(a_consultation(OF_AMRANI), by=DR_SMITH), "not_yours"),
    "somebody else's extension": (MINE, an_extension(a_consultation(OF_AMRANI), 5, by=DR_SMITH), "not_yours"),
    "checking in while in progress": (MINE, a_check_in(OF_AMRANI), "appointment_in_progress"),
    "checking in for a done appointment": (a_visit(), a_check_in(an_appointment(status=DONE)), "appointment_closed"),
    "checking in for a canceled one": (a_visit(), a_check_in(an_appointment(status=CANCELED)), "appointment_closed"),
    "checking out while in progress": (
        MINE,
        CheckOut(request=a_request("out"), appointment=OF_AMRANI),
        "appointment_in_progress",
    ),
    "checking out who never came": (
        a_visit(),
        CheckOut(request=a_request("out"), appointment=OF_AMRANI),
        "not_checked_in",
    ),
    "waiting for a free patient": (a_visit(), a_wait(OF_AMRANI), "patient_free"),
    "waiting with an X-ray": (BUSY, a_wait(an_appointment(prestation=X_RAY)), "patient_free"),
    "waiting for what one has": (MINE, a_wait(OF_AMRANI), "appointment_in_progress"),
    "waiting with a done appointment": (BUSY, a_wait(an_appointment(status=DONE)), "appointment_closed"),
    "canceling while in progress": (MINE, a_status(OF_AMRANI, CANCELED), "appointment_in_progress"),
    "done by reception": (MINE, a_status(OF_AMRANI, DONE), "not_yours"),
    "done by another doctor": (MINE, a_status(OF_AMRANI, DONE, by=DR_SMITH.id), "not_yours"),
    "done before it began": (a_visit(), a_status(OF_AMRANI, DONE, by=DR_AMRANI.id), "not_in_consultation"),
    "canceling what is done": (a_visit(), a_status(an_appointment(status=DONE), CANCELED), "appointment_closed"),
    "checking in a canceled one by status": (
        a_visit(),
        a_status(an_appointment(status=CANCELED), AppointmentStatus.pending),
        "appointment_closed",
    ),
}


@pytest.mark.parametrize(("visit", "command", "code"), REFUSALS.values(), ids=REFUSALS.keys())
def test_a_visit_says_no_and_opens_and_closes_nothing(visit: Any, command: Any, code: str) -> None:
    decision = decide(visit, command, NOON)

    assert isinstance(decision.answer, Refused)
    assert decision.answer.refusal.code == code
    assert all(isinstance(change, NoteRefusal) for change in decision.changes)


def test_an_appointment_that_went_to_somebody_else_is_a_mismatch() -> None:
    decision = mismatch(NOON)

    assert isinstance(decision.answer, Refused)
    assert decision.answer.refusal.code == "appointment_mismatch"
    assert decision.changes == ()


@pytest.mark.parametrize(
    ("asked_at", "due"),
    [(NOON + minutes(5), NOON + minutes(30)), (NOON + minutes(50), NOON + minutes(60))],
    ids=["in good time", "too late"],
)
def test_an_extension_counts_from_the_later_of_now_and_due(asked_at: Any, due: Any) -> None:
    running = a_consultation()

    decision = decide(a_visit(consultations=[running]), an_extension(running, 10), asked_at)

    assert isinstance(decision.answer, ConsultationStands)
    moved = decision.answer.consultation
    assert (moved.overdue_at, moved.remind_at) == (due, due)
    assert moved.abandon_at == asked_at + timedelta(hours=4)
    assert moved.started_at == running.started_at


def test_a_patient_is_checked_in_once() -> None:
    mine = an_appointment()

    first = decide(a_visit(), a_check_in(mine), NOON)
    again = decide(a_visit(checked_in=[mine]), a_check_in(mine), NOON)

    assert first.changes == (OpenTracking(appointment=mine),)
    assert first.answer == TrackingStands(appointment_id=mine.id, created=True)
    assert again.changes == ()
    assert again.answer == TrackingStands(appointment_id=mine.id, created=False)


def test_yesterdays_forgotten_check_in_is_closed_before_todays_is_opened() -> None:
    mine = an_appointment()
    visit = a_visit()
    stale = visit.facts.model_copy(update={"pending": (PendingTracking(appointment_id=mine.id, day=YESTERDAY),)})

    decision = decide(visit.model_copy(update={"facts": stale}), a_check_in(mine), NOON)

    closed = CloseTracking(appointment_id=mine.id, outcome=Outcome.not_seen, status=AppointmentStatus.confirmed)
    assert decision.changes == (closed, OpenTracking(appointment=mine))


def test_a_patient_who_leaves_unseen_may_be_booked_again() -> None:
    mine = an_appointment(status=AppointmentStatus.pending)

    decision = decide(a_visit(checked_in=[mine]), CheckOut(request=a_request("out"), appointment=mine), NOON)

    closed = CloseTracking(appointment_id=mine.id, outcome=Outcome.cancelled, status=AppointmentStatus.confirmed)
    assert decision.changes == (closed,)


def test_a_canceled_appointment_closes_its_check_in_and_takes_its_doctor_out_of_the_line() -> None:
    mine = an_appointment(DR_AMRANI, status=AppointmentStatus.pending)
    visit = a_visit(in_consultation_with=DR_SMITH, checked_in=[mine], waiting=[DR_AMRANI])

    decision = decide(visit, a_status(mine, CANCELED), NOON)

    closed, left = decision.changes
    assert closed == CloseTracking(appointment_id=mine.id, outcome=Outcome.cancelled, status=CANCELED)
    assert left == LeaveLine(place=visit.line()[0], why="canceled")


def test_a_status_that_stands_already_is_not_written_again() -> None:
    mine = an_appointment(status=AppointmentStatus.confirmed)

    same = decide(a_visit(), a_status(mine, AppointmentStatus.confirmed), NOON)
    other = decide(a_visit(), a_status(mine, AppointmentStatus.scheduled), NOON)

    assert same.changes == ()
    assert same.answer == StatusStands(appointment_id=mine.id, status=AppointmentStatus.confirmed)
    assert other.changes == (WriteAppointmentStatus(appointment_id=mine.id, status=AppointmentStatus.scheduled),)


def test_done_by_the_holder_completes_the_appointments_own_consultation() -> None:
    mine, x_ray = a_consultation(OF_AMRANI), a_consultation(an_appointment(DR_OKAFOR, prestation=X_RAY))

    decision = decide(a_visit(consultations=[x_ray, mine]), a_status(OF_AMRANI, DONE, by=DR_AMRANI.id), NOON)

    assert decision.changes == (EndConsultation(consultation=mine, outcome=Outcome.done),)


def test_a_refused_start_with_wait_takes_the_last_place_in_the_line() -> None:
    visit = a_visit(in_consultation_with=DR_SMITH, waiting=[DR_OKAFOR])

    decision = decide(visit, a_start(an_appointment(DR_AMRANI), wait=True), NOON)

    assert isinstance(decision.answer, Refused)
    assert decision.answer.refusal.code == "patient_in_consultation"
    assert decision.answer.refusal.position == 2
    _, joined = decision.changes
    assert isinstance(joined, JoinLine)
    assert joined.place.doctor_id == DR_AMRANI.id


def test_only_consultations_that_no_visit_keeps_are_adopted() -> None:
    mine = a_consultation(an_appointment(DR_AMRANI, prestation=CARDIOLOGY), day=DAY)
    orphan = a_consultation(an_appointment(DR_OKAFOR, prestation=X_RAY), day=YESTERDAY)
    unnamed = a_consultation(an_appointment(DR_SMITH, prestation=X_RAY), day=YESTERDAY)

    decision = decide(
        a_visit(consultations=[mine, orphan, unnamed]), Adopt(consultation_ids=(mine.id, orphan.id)), NOON
    )

    assert decision.changes == (AdoptConsultation(consultation=orphan.model_copy(update={"day": DAY})),)

"""The six rules of the contract, every refusal, and the commands of desks."""

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
    """Reception, or the doctor `by`, sets the status."""
    return SetAppointmentStatus(
        request=a_request(f"status {status}"), appointment=appointment, status=status, doctor_id=by
    )


def test_free_patient_starts_consultation() -> None:
    appointment = an_appointment(DR_AMRANI)

    decision = decide(a_visit(), a_start(appointment), NOON)

    (opened,) = decision.changes
    assert isinstance(opened, OpenConsultation)
    assert decision.answer == ConsultationStands(consultation=opened.consultation, created=True)
    consultation = opened.consultation
    assert (consultation.doctor_id, consultation.appointment_id, consultation.started_at) == (
        DR_AMRANI.id,
        appointment.id,
        NOON,
    )
    assert (consultation.overdue_at, consultation.abandon_at) == (NOON + minutes(20), NOON + timedelta(hours=4))


def test_same_request_opens_same_consultation() -> None:
    first, second = (decide(a_visit(), a_start(an_appointment(), "k"), NOON).answer for _ in range(2))

    assert first == second
    assert first != decide(a_visit(), a_start(an_appointment(), "other key"), NOON).answer


def test_second_doctor_is_refused_with_holder() -> None:
    visit = a_visit(in_consultation_with=DR_SMITH)

    decision = decide(visit, a_start(an_appointment(DR_AMRANI)), NOON)

    assert isinstance(decision.answer, Refused)
    assert decision.answer.refusal.code == "patient_in_consultation"
    assert decision.answer.refusal.holder.doctor_id == DR_SMITH.id
    assert decision.changes == (NoteRefusal(appointment=an_appointment(DR_AMRANI), refusal=decision.answer.refusal),)


def test_yesterdays_consultation_blocks_patient() -> None:
    running = a_consultation(an_appointment(DR_SMITH), day=YESTERDAY, started_at=NOON - timedelta(hours=13))

    decision = decide(a_visit(consultations=[running]), a_start(an_appointment(DR_AMRANI)), NOON)

    assert isinstance(decision.answer, Refused)
    assert decision.answer.refusal.code == "patient_in_consultation"
    assert decision.answer.refusal.holder == running


def test_x_ray_runs_next_to_a_consultation() -> None:
    x_ray = an_appointment(DR_OKAFOR, prestation=X_RAY)

    x_ray_start = decide(a_visit(in_consultation_with=DR_SMITH), a_start(x_ray), NOON)
    cardiology_start = decide(a_visit(consultations=[a_consultation(x_ray)]), a_start(an_appointment(DR_AMRANI)), NOON)

    assert isinstance(x_ray_start.answer, ConsultationStands)
    assert isinstance(cardiology_start.answer, ConsultationStands)
    assert x_ray_start.answer.created
    assert cardiology_start.answer.created


def test_second_start_returns_the_consultation() -> None:
    running = a_consultation(an_appointment(DR_AMRANI, status=AppointmentStatus.in_progress))

    decision = decide(a_visit(consultations=[running]), a_start(an_appointment(DR_AMRANI)), NOON + minutes(3))

    assert decision.answer == ConsultationStands(consultation=running, created=False)
    assert decision.changes == ()


def test_holder_with_other_appointment_is_refused() -> None:
    visit = a_visit(in_consultation_with=DR_AMRANI)

    decision = decide(visit, a_start(an_appointment(DR_AMRANI, prestation=DERMATOLOGY)), NOON)

    assert isinstance(decision.answer, Refused)
    assert decision.answer.refusal.code == "patient_in_consultation"


def test_completion_ends_only_its_consultation() -> None:
    consultation, x_ray = a_consultation(), a_consultation(an_appointment(DR_OKAFOR, prestation=X_RAY))

    decision = decide(a_visit(consultations=[x_ray, consultation]), a_completion(consultation), NOON)

    assert decision.changes == (EndConsultation(consultation=consultation, outcome=Outcome.done),)


@pytest.mark.parametrize("build", [a_completion, a_release], ids=["complete", "release"])
def test_ending_twice_changes_nothing(build: Any) -> None:
    decision = decide(a_visit(), build(a_consultation()), NOON)

    assert isinstance(decision.answer, ConsultationEndedWith)
    assert decision.changes == ()


def test_supervisor_releases_any_consultation() -> None:
    running = a_consultation()

    decision = decide(a_visit(consultations=[running]), a_release(running), NOON)

    assert decision.changes == (EndConsultation(consultation=running, outcome=Outcome.released),)


def reassigned_in_progress() -> Any:
    """A visit in which the appointment is in progress with another doctor than the appointment now names."""
    appointment = an_appointment(DR_AMRANI)
    return a_visit(
        consultations=[a_consultation(appointment).model_copy(update={"doctor_id": DR_SMITH.id})]
    ), appointment


TAKEN, OF_AMRANI = reassigned_in_progress()
BUSY = a_visit(consultations=[CARDIOLOGY_WITH_SMITH])
RESERVED = a_visit(waiting=[a_place(DR_OKAFOR, offered_until=NOON + minutes(1))])
IN_PROGRESS = a_visit(consultations=[a_consultation(OF_AMRANI)])

REFUSALS = {
    "a busy patient": (BUSY, a_start(OF_AMRANI), "patient_in_consultation"),
    "a reserved patient": (RESERVED, a_start(OF_AMRANI), "patient_reserved"),
    "an appointment in progress with another doctor": (TAKEN, a_start(OF_AMRANI), "appointment_in_progress"),
    "a canceled appointment": (a_visit(), a_start(an_appointment(status=CANCELED)), "appointment_closed"),
    "a done appointment": (a_visit(), a_start(an_appointment(status=DONE)), "appointment_closed"),
    "another doctor's completion": (IN_PROGRESS, a_completion(a_consultation(OF_AMRANI), by=DR_SMITH), "not_yours"),
    "another doctor's extension": (IN_PROGRESS, an_extension(a_consultation(OF_AMRANI), 5, by=DR_SMITH), "not_yours"),
    "checking in while in progress": (IN_PROGRESS, a_check_in(OF_AMRANI), "appointment_in_progress"),
    "checking in for a done appointment": (a_visit(), a_check_in(an_appointment(status=DONE)), "appointment_closed"),
    "checking in for a canceled appointment": (
        a_visit(),
        a_check_in(an_appointment(status=CANCELED)),
        "appointment_closed",
    ),
    "checking out while in progress": (
        IN_PROGRESS,
        CheckOut(request=a_request("out"), appointment=OF_AMRANI),
        "appointment_in_progress",
    ),
    "checking out before check-in": (
        a_visit(),
        CheckOut(request=a_request("out"), appointment=OF_AMRANI),
        "not_checked_in",
    ),
    "waiting for a free patient": (a_visit(), a_wait(OF_AMRANI), "patient_free"),
    "waiting with an X-ray": (BUSY, a_wait(an_appointment(prestation=X_RAY)), "patient_free"),
    "waiting for an own consultation": (IN_PROGRESS, a_wait(OF_AMRANI), "appointment_in_progress"),
    "waiting with a done appointment": (BUSY, a_wait(an_appointment(status=DONE)), "appointment_closed"),
    "canceling while in progress": (IN_PROGRESS, a_status(OF_AMRANI, CANCELED), "appointment_in_progress"),
    "done by reception": (IN_PROGRESS, a_status(OF_AMRANI, DONE), "not_yours"),
    "done by another doctor": (IN_PROGRESS, a_status(OF_AMRANI, DONE, by=DR_SMITH.id), "not_yours"),
    "done before the start": (a_visit(), a_status(OF_AMRANI, DONE, by=DR_AMRANI.id), "not_in_consultation"),
    "canceling a done appointment": (a_visit(), a_status(an_appointment(status=DONE), CANCELED), "appointment_closed"),
    "checking in a canceled appointment by status": (
        a_visit(),
        a_status(an_appointment(status=CANCELED), AppointmentStatus.pending),
        "appointment_closed",
    ),
}


@pytest.mark.parametrize(("visit", "command", "code"), REFUSALS.values(), ids=REFUSALS.keys())
def test_refusal_opens_and_closes_nothing(visit: Any, command: Any, code: str) -> None:
    decision = decide(visit, command, NOON)

    assert isinstance(decision.answer, Refused)
    assert decision.answer.refusal.code == code
    assert all(isinstance(change, NoteRefusal) for change in decision.changes)


def test_reassigned_appointment_is_a_mismatch() -> None:
    decision = mismatch(NOON)

    assert isinstance(decision.answer, Refused)
    assert decision.answer.refusal.code == "appointment_mismatch"
    assert decision.changes == ()


@pytest.mark.parametrize(
    ("now", "due"),
    [(NOON + minutes(5), NOON + minutes(30)), (NOON + minutes(50), NOON + minutes(60))],
    ids=["before overdue", "after overdue"],
)
def test_extension_counts_from_now_or_due(now: Any, due: Any) -> None:
    running = a_consultation()

    decision = decide(a_visit(consultations=[running]), an_extension(running, 10), now)

    assert isinstance(decision.answer, ConsultationStands)
    extended = decision.answer.consultation
    assert (extended.overdue_at, extended.remind_at) == (due, due)
    assert extended.abandon_at == now + timedelta(hours=4)
    assert extended.started_at == running.started_at


def test_patient_is_checked_in_once() -> None:
    appointment = an_appointment()

    first = decide(a_visit(), a_check_in(appointment), NOON)
    second = decide(a_visit(checked_in=[appointment]), a_check_in(appointment), NOON)

    assert first.changes == (OpenTracking(appointment=appointment),)
    assert first.answer == TrackingStands(appointment_id=appointment.id, created=True)
    assert second.changes == ()
    assert second.answer == TrackingStands(appointment_id=appointment.id, created=False)


def test_check_in_closes_the_one_of_yesterday() -> None:
    appointment = an_appointment()
    visit = a_visit()
    facts = visit.facts.model_copy(update={"pending": (PendingTracking(appointment_id=appointment.id, day=YESTERDAY),)})

    decision = decide(visit.model_copy(update={"facts": facts}), a_check_in(appointment), NOON)

    closed = CloseTracking(appointment_id=appointment.id, outcome=Outcome.not_seen, status=AppointmentStatus.confirmed)
    assert decision.changes == (closed, OpenTracking(appointment=appointment))


def test_check_out_makes_appointment_confirmed() -> None:
    appointment = an_appointment(status=AppointmentStatus.pending)

    decision = decide(
        a_visit(checked_in=[appointment]), CheckOut(request=a_request("out"), appointment=appointment), NOON
    )

    closed = CloseTracking(appointment_id=appointment.id, outcome=Outcome.cancelled, status=AppointmentStatus.confirmed)
    assert decision.changes == (closed,)


def test_cancel_closes_check_in_and_leaves_line() -> None:
    appointment = an_appointment(DR_AMRANI, status=AppointmentStatus.pending)
    visit = a_visit(in_consultation_with=DR_SMITH, checked_in=[appointment], waiting=[DR_AMRANI])

    decision = decide(visit, a_status(appointment, CANCELED), NOON)

    closed, removed = decision.changes
    assert closed == CloseTracking(appointment_id=appointment.id, outcome=Outcome.cancelled, status=CANCELED)
    assert removed == LeaveLine(place=visit.line()[0], why="canceled")


def test_unchanged_status_is_not_written() -> None:
    appointment = an_appointment(status=AppointmentStatus.confirmed)

    unchanged = decide(a_visit(), a_status(appointment, AppointmentStatus.confirmed), NOON)
    changed = decide(a_visit(), a_status(appointment, AppointmentStatus.scheduled), NOON)

    assert unchanged.changes == ()
    assert unchanged.answer == StatusStands(appointment_id=appointment.id, status=AppointmentStatus.confirmed)
    assert changed.changes == (
        WriteAppointmentStatus(appointment_id=appointment.id, status=AppointmentStatus.scheduled),
    )


def test_status_done_completes_own_consultation() -> None:
    consultation, x_ray = a_consultation(OF_AMRANI), a_consultation(an_appointment(DR_OKAFOR, prestation=X_RAY))

    decision = decide(a_visit(consultations=[x_ray, consultation]), a_status(OF_AMRANI, DONE, by=DR_AMRANI.id), NOON)

    assert decision.changes == (EndConsultation(consultation=consultation, outcome=Outcome.done),)


def test_refused_start_with_wait_joins_the_line() -> None:
    visit = a_visit(in_consultation_with=DR_SMITH, waiting=[DR_OKAFOR])

    decision = decide(visit, a_start(an_appointment(DR_AMRANI), wait=True), NOON)

    assert isinstance(decision.answer, Refused)
    assert decision.answer.refusal.code == "patient_in_consultation"
    assert decision.answer.refusal.position == 2
    _, joined = decision.changes
    assert isinstance(joined, JoinLine)
    assert joined.place.doctor_id == DR_AMRANI.id


def test_adopts_only_consultations_of_other_days() -> None:
    consultation = a_consultation(an_appointment(DR_AMRANI, prestation=CARDIOLOGY), day=DAY)
    orphan = a_consultation(an_appointment(DR_OKAFOR, prestation=X_RAY), day=YESTERDAY)
    unnamed = a_consultation(an_appointment(DR_SMITH, prestation=X_RAY), day=YESTERDAY)

    decision = decide(
        a_visit(consultations=[consultation, orphan, unnamed]),
        Adopt(consultation_ids=(consultation.id, orphan.id)),
        NOON,
    )

    assert decision.changes == (AdoptConsultation(consultation=orphan.model_copy(update={"day": DAY})),)

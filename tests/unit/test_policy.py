"""The six rules of the contract, and extensions, waiting and adoption."""

from datetime import timedelta
from typing import Any

import pytest

from patient_visit_engine.visit.changes import NoteRefusal
from patient_visit_engine.visit.codes import AppointmentStatus, Outcome
from patient_visit_engine.visit.consultation_changes import EndConsultation, OpenConsultation, WaitAgain
from patient_visit_engine.visit.decisions import ConsultationAnswer, ConsultationEndedAnswer, Refused
from patient_visit_engine.visit.line_changes import JoinLine, OfferPatient
from patient_visit_engine.visit.patient_commands import Adopt
from patient_visit_engine.visit.policy import decide
from tests.support.builders import (
    DAY,
    DERMATOLOGY,
    DR_AMRANI,
    DR_OKAFOR,
    DR_SMITH,
    NOON,
    X_RAY,
    YESTERDAY,
    a_consultation,
    a_visit,
    an_appointment,
    minutes,
)
from tests.support.commands import a_completion, a_release, a_start, a_wait, an_extension

CARDIOLOGY_WITH_SMITH = a_consultation(an_appointment(DR_SMITH), started_at=NOON - minutes(14))


def test_free_patient_starts_consultation() -> None:
    appointment = an_appointment(DR_AMRANI)

    decision = decide(a_start(appointment), a_visit(), NOON)

    (opened,) = decision.changes
    assert isinstance(opened, OpenConsultation)
    assert decision.answer == ConsultationAnswer(consultation=opened.consultation, created=True)
    consultation = opened.consultation
    assert (consultation.doctor_id, consultation.appointment_id, consultation.started_at) == (
        DR_AMRANI.id,
        appointment.id,
        NOON,
    )
    assert (consultation.overdue_at, consultation.abandon_at) == (NOON + minutes(20), NOON + minutes(20 + 240))


def test_same_request_opens_same_consultation() -> None:
    first, second = (decide(a_start(an_appointment(), "k"), a_visit(), NOON).answer for _ in range(2))

    assert first == second
    assert first != decide(a_start(an_appointment(), "other key"), a_visit(), NOON).answer


def test_second_doctor_is_refused_with_holder() -> None:
    visit = a_visit(in_consultation_with=DR_SMITH)

    decision = decide(a_start(an_appointment(DR_AMRANI)), visit, NOON)

    assert isinstance(decision.answer, Refused)
    assert decision.answer.refusal.code == "patient_in_consultation"
    assert decision.answer.refusal.holder.doctor_id == DR_SMITH.id
    assert decision.changes == (NoteRefusal(appointment=an_appointment(DR_AMRANI), refusal=decision.answer.refusal),)


def test_yesterdays_consultation_blocks_patient() -> None:
    running = a_consultation(an_appointment(DR_SMITH), day=YESTERDAY, started_at=NOON - timedelta(hours=13))

    decision = decide(a_start(an_appointment(DR_AMRANI)), a_visit(consultations=[running]), NOON)

    assert isinstance(decision.answer, Refused)
    assert decision.answer.refusal.code == "patient_in_consultation"
    assert decision.answer.refusal.holder == running.model_copy(update={"day": DAY})


def test_x_ray_runs_next_to_a_consultation() -> None:
    x_ray = an_appointment(DR_OKAFOR, prestation=X_RAY)

    x_ray_start = decide(a_start(x_ray), a_visit(in_consultation_with=DR_SMITH), NOON)
    cardiology_start = decide(a_start(an_appointment(DR_AMRANI)), a_visit(consultations=[a_consultation(x_ray)]), NOON)

    assert isinstance(x_ray_start.answer, ConsultationAnswer)
    assert isinstance(cardiology_start.answer, ConsultationAnswer)
    assert x_ray_start.answer.created
    assert cardiology_start.answer.created


def test_second_start_returns_the_consultation() -> None:
    running = a_consultation(an_appointment(DR_AMRANI, status=AppointmentStatus.in_progress))

    decision = decide(a_start(an_appointment(DR_AMRANI)), a_visit(consultations=[running]), NOON + minutes(3))

    assert decision.answer == ConsultationAnswer(consultation=running, created=False)
    assert decision.changes == ()


def test_holder_with_other_appointment_is_refused() -> None:
    visit = a_visit(in_consultation_with=DR_AMRANI)

    decision = decide(a_start(an_appointment(DR_AMRANI, prestation=DERMATOLOGY)), visit, NOON)

    assert isinstance(decision.answer, Refused)
    assert decision.answer.refusal.code == "patient_in_consultation"


def test_completion_ends_only_its_consultation() -> None:
    consultation, x_ray = a_consultation(), a_consultation(an_appointment(DR_OKAFOR, prestation=X_RAY))

    decision = decide(a_completion(consultation), a_visit(consultations=[x_ray, consultation]), NOON)

    assert decision.changes == (EndConsultation(consultation=consultation, outcome=Outcome.done),)


@pytest.mark.parametrize("build", [a_completion, a_release], ids=["complete", "release"])
def test_ending_twice_changes_nothing(build: Any) -> None:
    decision = decide(build(a_consultation()), a_visit(), NOON)

    assert isinstance(decision.answer, ConsultationEndedAnswer)
    assert decision.changes == ()


def test_supervisor_releases_any_consultation() -> None:
    running = a_consultation()

    decision = decide(a_release(running), a_visit(consultations=[running]), NOON)

    assert decision.changes == (EndConsultation(consultation=running, outcome=Outcome.released),)


@pytest.mark.parametrize(
    ("now", "due"),
    [(NOON + minutes(5), NOON + minutes(30)), (NOON + minutes(50), NOON + minutes(60))],
    ids=["before overdue", "after overdue"],
)
def test_extension_counts_from_now_or_due(now: Any, due: Any) -> None:
    running = a_consultation()

    decision = decide(an_extension(running, 10), a_visit(consultations=[running]), now)

    assert isinstance(decision.answer, ConsultationAnswer)
    extended = decision.answer.consultation
    assert (extended.overdue_at, extended.remind_at) == (due, due)
    assert extended.abandon_at == due + timedelta(hours=4)
    assert extended.started_at == running.started_at


def test_refused_start_with_wait_joins_the_line() -> None:
    visit = a_visit(in_consultation_with=DR_SMITH, waiting=[DR_OKAFOR])

    decision = decide(a_start(an_appointment(DR_AMRANI), wait=True), visit, NOON)

    assert isinstance(decision.answer, Refused)
    assert decision.answer.refusal.code == "patient_in_consultation"
    assert decision.answer.refusal.position == 2
    _, joined = decision.changes
    assert isinstance(joined, JoinLine)
    assert joined.place.doctor_id == DR_AMRANI.id


def test_adopting_nothing_changes_nothing() -> None:
    visit = a_visit(in_consultation_with=DR_SMITH, checked_in=[an_appointment(DR_AMRANI)], waiting=[DR_OKAFOR])

    assert decide(Adopt(), visit, NOON).changes == ()


def test_released_patient_waits_again() -> None:
    arrival = NOON - minutes(30)
    with_check_in = a_consultation().model_copy(update={"checked_in_at": arrival})
    visit = a_visit(consultations=[with_check_in], waiting=[DR_OKAFOR])

    released = decide(a_release(with_check_in), visit, NOON)
    completed = decide(a_completion(with_check_in), visit, NOON)

    assert [type(change) for change in released.changes] == [EndConsultation, WaitAgain, OfferPatient]
    assert [type(change) for change in completed.changes] == [EndConsultation, OfferPatient]


def test_start_keeps_time_of_arrival() -> None:
    appointment = an_appointment(status=AppointmentStatus.pending)

    with_check_in = decide(a_start(appointment), a_visit(checked_in=[appointment]), NOON + minutes(5)).answer
    without = decide(a_start(appointment), a_visit(), NOON + minutes(5)).answer

    assert isinstance(with_check_in, ConsultationAnswer)
    assert isinstance(without, ConsultationAnswer)
    assert with_check_in.consultation.checked_in_at == NOON
    assert without.consultation.checked_in_at is None


def test_holder_is_told_of_the_own_consultation() -> None:
    visit = a_visit(in_consultation_with=DR_SMITH, waiting=[DR_OKAFOR])
    dermatology = an_appointment(DR_SMITH, prestation=DERMATOLOGY)

    start = decide(a_start(dermatology, wait=True), visit, NOON)
    wait = decide(a_wait(dermatology), visit, NOON)

    assert isinstance(start.answer, Refused)
    assert isinstance(wait.answer, Refused)
    assert start.answer.refusal == wait.answer.refusal
    assert start.answer.refusal.code == "patient_in_consultation"
    assert start.answer.refusal.is_own
    assert [type(change) for change in start.changes] == [NoteRefusal]

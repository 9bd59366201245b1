"""Extending and ending a consultation, and the offer to the next doctor in line."""

from datetime import datetime, timedelta

from patient_visit_engine.visit.asking import is_asked_before_change
from patient_visit_engine.visit.changes import Change
from patient_visit_engine.visit.codes import Outcome
from patient_visit_engine.visit.consultation_changes import EndConsultation, PostponeConsultation, WaitAgain
from patient_visit_engine.visit.consultation_commands import (
    CompleteConsultation,
    ExtendConsultation,
    ReleaseConsultation,
)
from patient_visit_engine.visit.decisions import ConsultationAnswer, ConsultationEndedAnswer, Refused, Verdict
from patient_visit_engine.visit.facts import Consultation
from patient_visit_engine.visit.freeing import free_patient
from patient_visit_engine.visit.refusals import ConsultationChanged, ConsultationPaused, NotYours
from patient_visit_engine.visit.state import VisitState


def complete_consultation(command: CompleteConsultation, state: VisitState, now: datetime) -> Verdict:
    """End the holder's own consultation. A second completion changes nothing."""
    return _end(command, state, command.doctor_id, Outcome.done, now)


def release_consultation(command: ReleaseConsultation, state: VisitState, now: datetime) -> Verdict:
    """End a consultation that its holder forgot. A patient who had been checked in waits again."""
    return _end(command, state, None, Outcome.released, now)


def _end(
    command: CompleteConsultation | ReleaseConsultation,
    state: VisitState,
    doctor_id: int | None,
    outcome: Outcome,
    now: datetime,
) -> Verdict:
    consultation = state.consultation(command.consultation_id)
    answer = ConsultationEndedAnswer(consultation_id=command.consultation_id, success_outcome=outcome)
    if consultation is None:
        return answer, ()
    if doctor_id is not None and consultation.doctor_id != doctor_id:
        return Refused(refusal=NotYours()), ()
    if is_asked_before_change(command.request, consultation):
        return Refused(refusal=ConsultationChanged()), ()
    return answer, end_and_offer(state, consultation, outcome, now)


def end_and_offer(
    state: VisitState, consultation: Consultation, outcome: Outcome, now: datetime, *, by_supervisor: bool = False
) -> tuple[Change, ...]:
    """End the consultation, running or paused. When this frees the patient, offer the patient to the next doctor."""
    ended = end_consultation(consultation, outcome, now, by_supervisor=by_supervisor)
    waits_again = (WaitAgain(consultation=consultation),) if ended.waits_again else ()
    return ended, *waits_again, *free_patient(state, consultation, now)


def end_consultation(
    consultation: Consultation, outcome: Outcome, now: datetime, *, by_supervisor: bool = False
) -> EndConsultation:
    """The change that ends the consultation. The pause of a paused one has moved its expected end."""
    at_end = consultation
    if consultation.paused_at is not None:
        at_end = consultation.model_copy(update={"overdue_at": consultation.expected_end(now)})
    return EndConsultation(consultation=at_end, outcome=outcome, by_supervisor=by_supervisor)


def extend_consultation(command: ExtendConsultation, state: VisitState, now: datetime) -> Verdict:
    """Move the expected end, counted from now when it has passed. That of a paused consultation moves with the pause.

    The next reminder comes at the new expected end, and the time limit (`abandon_after`) counts from it.
    """
    consultation = state.consultation(command.consultation_id)
    if consultation is None:
        return ConsultationEndedAnswer(consultation_id=command.consultation_id, success_outcome=None), ()
    if consultation.doctor_id != command.doctor_id:
        return Refused(refusal=NotYours()), ()
    if is_asked_before_change(command.request, consultation):
        return Refused(refusal=ConsultationChanged()), ()
    if consultation.paused_at is not None:
        return Refused(refusal=ConsultationPaused()), ()
    expected_end = max(now, consultation.overdue_at) + timedelta(minutes=command.minutes)
    times = {
        "overdue_at": expected_end,
        "remind_at": expected_end,
        "abandon_at": expected_end + state.limits.abandon_after,
    }
    extended = consultation.model_copy(update=times)
    changes = (PostponeConsultation(consultation=extended, minutes=command.minutes),)
    return ConsultationAnswer(consultation=extended), changes

"""Extending and ending a consultation, and the offer to the next doctor in line."""

from datetime import datetime, timedelta

from patient_visit_engine.visit.asking import is_asked_before_change
from patient_visit_engine.visit.changes import Change, EndConsultation, PostponeConsultation, WaitAgain
from patient_visit_engine.visit.codes import Outcome
from patient_visit_engine.visit.commands import CompleteConsultation, ExtendConsultation, ReleaseConsultation
from patient_visit_engine.visit.decisions import ConsultationAnswer, ConsultationEndedAnswer, Refused, Verdict
from patient_visit_engine.visit.refusals import ConsultationChanged, NotYours
from patient_visit_engine.visit.state import Consultation, VisitState
from patient_visit_engine.visit.waiting_line import offer_to_line


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


def end_and_offer(state: VisitState, consultation: Consultation, outcome: Outcome, now: datetime) -> tuple[Change, ...]:
    """End the consultation. When this frees the patient, offer the patient to the first doctor in line.

    After a merge, another exclusive one may still be in progress.
    """
    is_last = not any(other.exclusive and other.id != consultation.id for other in state.facts.in_progress)
    is_free = consultation.exclusive and is_last and state.facts.reservation is None
    offers = offer_to_line(state, state.line(), now) if is_free else ()
    ended = EndConsultation(consultation=consultation, outcome=outcome)
    waits_again = (WaitAgain(consultation=consultation),) if ended.waits_again else ()
    return ended, *waits_again, *offers


def extend_consultation(command: ExtendConsultation, state: VisitState, now: datetime) -> Verdict:
    """Move the expected end, counted from now when it has passed.

    The next reminder comes at the new expected end, and the time limit (`abandon_after`) counts from it.
    """
    consultation = state.consultation(command.consultation_id)
    if consultation is None:
        return ConsultationEndedAnswer(consultation_id=command.consultation_id, success_outcome=None), ()
    if consultation.doctor_id != command.doctor_id:
        return Refused(refusal=NotYours()), ()
    if is_asked_before_change(command.request, consultation):
        return Refused(refusal=ConsultationChanged()), ()
    expected_end = max(now, consultation.overdue_at) + timedelta(minutes=command.minutes)
    times = {
        "overdue_at": expected_end,
        "remind_at": expected_end,
        "abandon_at": expected_end + state.limits.abandon_after,
    }
    extended = consultation.model_copy(update=times)
    changes = (PostponeConsultation(consultation=extended, minutes=command.minutes),)
    return ConsultationAnswer(consultation=extended), changes

"""How a consultation goes on and ends, and who has the patient next; pure, it must not know what starts one."""

from datetime import datetime, timedelta

from patient_visit_engine.visit.codes import Outcome
from patient_visit_engine.visit.commands import CompleteConsultation, ExtendConsultation, ReleaseConsultation
from patient_visit_engine.visit.decisions import (
    Change,
    ConsultationEndedWith,
    ConsultationStands,
    EndConsultation,
    PostponeConsultation,
    Refused,
    Verdict,
)
from patient_visit_engine.visit.refusals import NotYours
from patient_visit_engine.visit.state import Consultation, VisitState
from patient_visit_engine.visit.waiting_line import offer_to_line


def complete_consultation(command: CompleteConsultation, state: VisitState, now: datetime) -> Verdict:
    """End the holder's own consultation; a second completion changes nothing."""
    return _end(state, command.consultation_id, command.doctor_id, Outcome.done, now)


def release_consultation(command: ReleaseConsultation, state: VisitState, now: datetime) -> Verdict:
    """End a consultation that its holder forgot."""
    return _end(state, command.consultation_id, None, Outcome.released, now)


def _end(state: VisitState, consultation_id: str, doctor_id: int | None, outcome: Outcome, now: datetime) -> Verdict:
    running = state.consultation(consultation_id)
    ended = ConsultationEndedWith(consultation_id=consultation_id, accepts=outcome)
    if running is None:
        return ended, ()
    if doctor_id is not None and running.doctor_id != doctor_id:
        return Refused(refusal=NotYours()), ()
    return ended, end_and_offer(state, running, outcome, now)


def end_and_offer(state: VisitState, running: Consultation, outcome: Outcome, now: datetime) -> tuple[Change, ...]:
    """The end of a consultation and, when it freed the patient, the offer to the head of the line."""
    # Past midnight the line that waited is over: it is about to be emptied, and its doctors must not be called.
    served = offer_to_line(state, state.line(), now) if running.exclusive and now < state.day_ends_at else ()
    return EndConsultation(consultation=running, outcome=outcome), *served


def extend_consultation(command: ExtendConsultation, state: VisitState, now: datetime) -> Verdict:
    """Move the expected end, counted from now when it has passed; reminders and abandonment move with it."""
    running = state.consultation(command.consultation_id)
    if running is None:
        return ConsultationEndedWith(consultation_id=command.consultation_id, accepts=None), ()
    if running.doctor_id != command.doctor_id:
        return Refused(refusal=NotYours()), ()
    due = max(now, running.overdue_at) + timedelta(minutes=command.minutes)
    moved = running.model_copy(
        update={"overdue_at": due, "remind_at": due, "abandon_at": now + state.limits.abandon_after}
    )
    return ConsultationStands(consultation=moved), (PostponeConsultation(consultation=moved, minutes=command.minutes),)

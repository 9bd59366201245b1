"""Pausing a consultation, so that the patient is free for others, and going on with it."""

from datetime import datetime

from patient_visit_engine.visit.asking import is_asked_before_change
from patient_visit_engine.visit.changes import NoteRefusal
from patient_visit_engine.visit.codes import DoctorBusy
from patient_visit_engine.visit.commands import StartCommand
from patient_visit_engine.visit.consultation_changes import PauseConsultation, ResumeConsultation
from patient_visit_engine.visit.consultation_commands import Pause, Resume
from patient_visit_engine.visit.decisions import ConsultationAnswer, ConsultationEndedAnswer, Refused, Verdict
from patient_visit_engine.visit.exclusivity import exclusive_refusal
from patient_visit_engine.visit.facts import Consultation
from patient_visit_engine.visit.freeing import free_patient
from patient_visit_engine.visit.refusals import ConsultationChanged, DoctorInConsultation, NotYours
from patient_visit_engine.visit.state import VisitState
from patient_visit_engine.visit.waiting_line import update_line_after_start


def pause(command: Pause, state: VisitState, now: datetime) -> Verdict:
    """Interrupt the holder's consultation. A second pause changes nothing."""
    consultation = state.consultation(command.consultation_id)
    if consultation is None:
        return ConsultationEndedAnswer(consultation_id=command.consultation_id, success_outcome=None), ()
    if consultation.doctor_id != command.doctor_id:
        return Refused(refusal=NotYours()), ()
    if consultation.paused_at is not None:
        return ConsultationAnswer(consultation=consultation), ()
    if is_asked_before_change(command.request, consultation):
        return Refused(refusal=ConsultationChanged()), ()
    paused = consultation.model_copy(update={"paused_at": now, "abandon_at": now + state.limits.pause_limit})
    changes = (PauseConsultation(consultation=paused), *free_patient(state, consultation, now))
    return ConsultationAnswer(consultation=paused), changes


def resume(command: Resume, state: VisitState, now: datetime) -> Verdict:
    """Go on with the doctor's paused consultation. It is refused like a start. One that is in progress changes nothing."""
    consultation = state.consultation(command.consultation_id)
    if consultation is None:
        return ConsultationEndedAnswer(consultation_id=command.consultation_id, success_outcome=None), ()
    if consultation.doctor_id != command.appointment.doctor_id:
        return Refused(refusal=NotYours()), ()
    return continue_consultation(command, consultation, state, now)


def continue_consultation(
    command: StartCommand, consultation: Consultation, state: VisitState, now: datetime
) -> Verdict:
    """Resume the doctor's own consultation, unless the patient is with another doctor, or the doctor with another patient.

    The doctor does not join the line: the next offer goes to this doctor before the line. An inactive doctor or prestation does not
    matter, because what has begun goes on.
    """
    if (paused_at := consultation.paused_at) is None:
        return ConsultationAnswer(consultation=consultation), ()
    if consultation.exclusive:
        refusal, offers = exclusive_refusal(command, state, now)
        if refusal is not None and not isinstance(refusal, DoctorInConsultation):
            refusal = refusal.model_copy(update={"has_paused": True})
        if refusal is not None:
            return Refused(refusal=refusal), (NoteRefusal(appointment=command.appointment, refusal=refusal), *offers)
    resumed = _after_pause(consultation, state, now)
    looks_at_doctor = consultation.exclusive and command.doctor_busy is not DoctorBusy.off
    answer = ConsultationAnswer(consultation=resumed, busy_with=command.busy_with if looks_at_doctor else None)
    went_on = ResumeConsultation(consultation=resumed, paused_at=paused_at)
    return answer, (went_on, *update_line_after_start(state, resumed, now))


def _after_pause(consultation: Consultation, state: VisitState, now: datetime) -> Consultation:
    """The clock has stood still. After a long pause the doctor still has the time of one reminder before the time limit."""
    expected_end = consultation.expected_end(now)
    times = {
        "overdue_at": expected_end,
        "remind_at": consultation.remind_at + (expected_end - consultation.overdue_at),
        "abandon_at": max(expected_end + state.limits.abandon_after, now + state.limits.remind_every),
        "paused_at": None,
    }
    return consultation.model_copy(update=times)

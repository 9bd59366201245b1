"""Taking back what was pressed by mistake: a start, a check-in, a check-out."""

from datetime import datetime, timedelta

from patient_visit_engine.visit.appointment_commands import UndoCheckIn, UndoCheckOut
from patient_visit_engine.visit.asking import asked_at, is_asked_before_change
from patient_visit_engine.visit.changes import CloseTracking, OpenTracking, WriteAppointmentStatus
from patient_visit_engine.visit.codes import CLOSED_STATUSES, Outcome
from patient_visit_engine.visit.consultation_commands import UndoStart
from patient_visit_engine.visit.decisions import (
    ConsultationEndedAnswer,
    Refused,
    StatusAnswer,
    TrackingAnswer,
    Verdict,
)
from patient_visit_engine.visit.ending import end_and_offer
from patient_visit_engine.visit.refusals import (
    AppointmentClosed,
    AppointmentInProgress,
    ConsultationChanged,
    NotCheckedIn,
    NotCheckedOut,
    NotYours,
    TooLate,
)
from patient_visit_engine.visit.state import VisitState
from patient_visit_engine.visit.waiting_line import remove_place_for

#: How long a doctor can take back what this doctor did. Supervisors have no such limit.
UNDO_WITHIN = timedelta(minutes=5)


def undo_start(command: UndoStart, state: VisitState, now: datetime) -> Verdict:
    """End the consultation as `mistaken`. A patient who had been checked in waits again, since the first arrival."""
    consultation = state.consultation(command.consultation_id)
    if consultation is None:
        answer = ConsultationEndedAnswer(consultation_id=command.consultation_id, success_outcome=Outcome.mistaken)
        return answer, ()
    if command.doctor_id is not None and command.doctor_id != consultation.doctor_id:
        return Refused(refusal=NotYours()), ()
    if is_asked_before_change(command.request, consultation):
        return Refused(refusal=ConsultationChanged()), ()
    if command.doctor_id is not None and asked_at(command.request, now) - consultation.started_at > UNDO_WITHIN:
        return Refused(refusal=TooLate()), ()
    answer = ConsultationEndedAnswer(consultation_id=consultation.id, success_outcome=Outcome.mistaken)
    changes = end_and_offer(state, consultation, Outcome.mistaken, now, by_supervisor=command.doctor_id is None)
    if consultation.checked_in_at is None:
        status = command.past.earlier_status
        changes = (*changes, WriteAppointmentStatus(appointment_id=consultation.appointment_id, status=status))
    return answer, changes


def undo_check_in(command: UndoCheckIn, state: VisitState, now: datetime) -> Verdict:
    """End the check-in as `mistaken`. The appointment has its earlier status again."""
    appointment, past = command.appointment, command.past
    if (consultation := state.consultation_of(appointment.id)) is not None:
        return Refused(refusal=AppointmentInProgress(holder=consultation)), ()
    if state.tracking_of(appointment.id) is not None:
        closed = CloseTracking(appointment_id=appointment.id, outcome=Outcome.mistaken, status=past.earlier_status)
        answer = StatusAnswer(appointment_id=appointment.id, status=past.earlier_status)
        return answer, (closed, *remove_place_for(state, appointment.id, "checked_out", now))
    if past.outcome is Outcome.mistaken and past.consultation_id is None:
        return StatusAnswer(appointment_id=appointment.id, status=appointment.status), ()
    return Refused(refusal=NotCheckedIn()), ()


def undo_check_out(command: UndoCheckOut, state: VisitState, now: datetime) -> Verdict:
    """The patient has not left: wait again, since the first arrival. A place in line does not come back."""
    appointment, past = command.appointment, command.past
    if (consultation := state.consultation_of(appointment.id)) is not None:
        return Refused(refusal=AppointmentInProgress(holder=consultation)), ()
    if state.tracking_of(appointment.id) is not None:
        return TrackingAnswer(appointment_id=appointment.id), ()
    if appointment.status in CLOSED_STATUSES:
        return Refused(refusal=AppointmentClosed(status=appointment.status)), ()
    if past.outcome is not Outcome.left or past.ended_at is None:
        return Refused(refusal=NotCheckedOut()), ()
    if not state.is_same_day(past.ended_at, asked_at(command.request, now)):
        return Refused(refusal=TooLate()), ()
    opened = OpenTracking(appointment=appointment, arrived_at=past.check_in_time)
    return TrackingAnswer(appointment_id=appointment.id), (opened,)

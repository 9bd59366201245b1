"""Canceling an appointment, and taking the cancellation back."""

from datetime import datetime

from patient_visit_engine.visit.appointment_commands import CancelAppointment, UndoCancel
from patient_visit_engine.visit.asking import asked_at
from patient_visit_engine.visit.changes import Change, CloseTracking, OpenTracking, WriteAppointmentStatus
from patient_visit_engine.visit.codes import AppointmentStatus, Outcome
from patient_visit_engine.visit.decisions import Refused, StatusAnswer, Verdict
from patient_visit_engine.visit.refusals import AppointmentClosed, AppointmentInProgress, TooLate
from patient_visit_engine.visit.state import VisitState
from patient_visit_engine.visit.waiting_line import remove_place_for


def cancel_appointment(command: CancelAppointment, state: VisitState, now: datetime) -> Verdict:
    """Cancel the appointment. A patient who is checked in for it no longer waits. An earlier cancellation keeps its reason."""
    appointment, reason = command.appointment, command.reason
    canceled = AppointmentStatus.canceled
    if (consultation := state.consultation_of(appointment.id)) is not None:
        return Refused(refusal=AppointmentInProgress(holder=consultation)), ()
    if appointment.status is AppointmentStatus.done:
        return Refused(refusal=AppointmentClosed(status=appointment.status)), ()
    answer = StatusAnswer(appointment_id=appointment.id, status=canceled)
    if appointment.status is canceled:
        return answer, ()
    change: Change
    if state.tracking_of(appointment.id) is not None:
        change = CloseTracking(
            appointment_id=appointment.id, outcome=Outcome.cancelled, status=canceled, cancel_reason=reason
        )
    else:
        change = WriteAppointmentStatus(appointment_id=appointment.id, status=canceled, cancel_reason=reason)
    return answer, (change, *remove_place_for(state, appointment.id, "canceled", now))


def undo_cancel(command: UndoCancel, state: VisitState, now: datetime) -> Verdict:
    """Give the appointment its earlier status, on the day of the cancellation. A patient who had been checked in waits again."""
    appointment, past = command.appointment, command.past
    if (consultation := state.consultation_of(appointment.id)) is not None:
        return Refused(refusal=AppointmentInProgress(holder=consultation)), ()
    if appointment.status is AppointmentStatus.done:
        return Refused(refusal=AppointmentClosed(status=appointment.status)), ()
    if appointment.status is not AppointmentStatus.canceled:
        return StatusAnswer(appointment_id=appointment.id, status=appointment.status), ()
    if past.canceled_at is None or not state.is_same_day(past.canceled_at, asked_at(command.request, now)):
        return Refused(refusal=TooLate()), ()
    if past.outcome is Outcome.cancelled and past.ended_at == past.canceled_at and past.check_in_time is not None:
        waits = OpenTracking(appointment=appointment, arrived_at=past.check_in_time)
        return StatusAnswer(appointment_id=appointment.id, status=AppointmentStatus.pending), (waits,)
    restored = WriteAppointmentStatus(appointment_id=appointment.id, status=past.earlier_status)
    return StatusAnswer(appointment_id=appointment.id, status=past.earlier_status), (restored,)

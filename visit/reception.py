"""What reception does: check-in, check-out, and the appointment's status and priority."""

from datetime import datetime

from patient_visit_engine.visit.appointment import Appointment
from patient_visit_engine.visit.appointment_commands import CheckIn, CheckOut, SetAppointmentStatus, SetPriority
from patient_visit_engine.visit.asking import is_asked_before_change
from patient_visit_engine.visit.changes import (
    Change,
    CloseTracking,
    OpenTracking,
    WriteAppointmentStatus,
    WriteNoAnswers,
    WritePriority,
)
from patient_visit_engine.visit.codes import CLOSED_STATUSES, AppointmentStatus, Outcome
from patient_visit_engine.visit.decisions import PriorityAnswer, Refused, StatusAnswer, TrackingAnswer, Verdict
from patient_visit_engine.visit.ending import end_and_offer
from patient_visit_engine.visit.past_tracking import PastTracking
from patient_visit_engine.visit.refusals import (
    AppointmentClosed,
    AppointmentInProgress,
    ConsultationChanged,
    NotCheckedIn,
    NotInConsultation,
    NotYours,
    appointment_refusal,
)
from patient_visit_engine.visit.state import VisitState
from patient_visit_engine.visit.waiting_line import remove_place_for


def check_in(command: CheckIn, state: VisitState, now: datetime) -> Verdict:
    """Open a pending tracking. A second check-in changes nothing, unless the patient did not answer a call.

    Then the desk has found the patient.
    """
    appointment = command.appointment
    if (refusal := appointment_refusal(appointment, state)) is not None:
        return Refused(refusal=refusal), ()
    changes = _open_tracking(appointment, state)
    return TrackingAnswer(appointment_id=appointment.id, created=bool(changes)), (*changes, *found_changes(appointment))


def found_changes(appointment: Appointment) -> tuple[Change, ...]:
    """The patient, who did not answer a call, has been found: the doctor's list may call the patient again."""
    return (WriteNoAnswers(appointment=appointment, no_answers=0),) if appointment.no_answers else ()


def _open_tracking(appointment: Appointment, state: VisitState) -> tuple[Change, ...]:
    return () if state.tracking_of(appointment.id) is not None else (OpenTracking(appointment=appointment),)


def _close_tracking(
    appointment: Appointment, state: VisitState, outcome: Outcome, status: AppointmentStatus
) -> tuple[Change, ...]:
    if state.tracking_of(appointment.id) is None:
        return ()
    return (CloseTracking(appointment_id=appointment.id, outcome=outcome, status=status),)


def check_out(command: CheckOut, state: VisitState, now: datetime) -> Verdict:
    """Close the pending tracking of a patient who left. The appointment is confirmed again. A second check-out changes nothing."""
    appointment = command.appointment
    if (consultation := state.consultation_of(appointment.id)) is not None:
        return Refused(refusal=AppointmentInProgress(holder=consultation)), ()
    closed = _close_tracking(appointment, state, Outcome.left, AppointmentStatus.confirmed)
    if not closed:
        has_left = _has_left_today(command.past, state, now)
        return TrackingAnswer(appointment_id=appointment.id) if has_left else Refused(refusal=NotCheckedIn()), ()
    return TrackingAnswer(appointment_id=appointment.id), (
        *closed,
        *remove_place_for(state, appointment.id, "checked_out", now),
    )


def _has_left_today(past: PastTracking | None, state: VisitState, now: datetime) -> bool:
    if past is None or past.ended_at is None:
        return False
    return past.outcome is Outcome.left and state.is_same_day(past.ended_at, now)


def set_appointment_status(command: SetAppointmentStatus, state: VisitState, now: datetime) -> Verdict:
    """Set the status. `done` ends the appointment's own consultation, and only its holder may do that."""
    appointment, status = command.appointment, command.status
    if status is AppointmentStatus.done:
        return _set_done(command, state, now)
    if (consultation := state.consultation_of(appointment.id)) is not None:
        return Refused(refusal=AppointmentInProgress(holder=consultation)), ()
    if appointment.status is AppointmentStatus.done:
        return Refused(refusal=AppointmentClosed(status=appointment.status)), ()
    answer = StatusAnswer(appointment_id=appointment.id, status=status)
    if status is AppointmentStatus.pending:
        if appointment.status is AppointmentStatus.canceled:
            return Refused(refusal=AppointmentClosed(status=appointment.status)), ()
        return answer, (*_open_tracking(appointment, state), *found_changes(appointment))
    closed = _close_tracking(appointment, state, Outcome.cancelled, status)
    changes = closed
    if not closed and appointment.status is not status:
        changes = (WriteAppointmentStatus(appointment_id=appointment.id, status=status),)
    if status is AppointmentStatus.canceled:
        changes = (*changes, *remove_place_for(state, appointment.id, "canceled", now))
    elif closed:
        # Without a check-in no doctor waits for the patient. A reservation that stayed would block the patient for the others.
        changes = (*changes, *remove_place_for(state, appointment.id, "checked_out", now))
    return answer, changes


def _set_done(command: SetAppointmentStatus, state: VisitState, now: datetime) -> Verdict:
    appointment = command.appointment
    consultation = state.consultation_of(appointment.id)
    is_of_other = command.doctor_id != (consultation or appointment).doctor_id
    if consultation is None and appointment.status is not AppointmentStatus.done:
        is_given_away = is_of_other and command.doctor_id is not None
        refusal = NotYours if is_given_away else NotInConsultation
        return Refused(refusal=refusal(completed_by=command.doctor_id)), ()
    if is_of_other:
        return Refused(refusal=NotYours(completed_by=command.doctor_id)), ()
    if consultation is not None and is_asked_before_change(command.request, consultation):
        return Refused(refusal=ConsultationChanged()), ()
    answer = StatusAnswer(appointment_id=appointment.id, status=AppointmentStatus.done)
    changes = () if consultation is None else end_and_offer(state, consultation, Outcome.done, now)
    return answer, changes


def set_priority(command: SetPriority, state: VisitState, now: datetime) -> Verdict:
    """Set or remove the priority, also while the consultation is in progress. A closed appointment keeps the one that it has."""
    appointment, priority = command.appointment, command.priority
    answer = PriorityAnswer(appointment_id=appointment.id, priority=priority)
    if appointment.priority == priority:
        return answer, ()
    if appointment.status in CLOSED_STATUSES:
        return Refused(refusal=AppointmentClosed(status=appointment.status)), ()
    return answer, (WritePriority(appointment=appointment, priority=priority),)

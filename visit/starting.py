"""The rule of a start: a patient is never in two exclusive consultations at the same time."""

from datetime import date, datetime, timedelta
from hashlib import sha256
from uuid import UUID

from patient_visit_engine.visit.appointment import Appointment
from patient_visit_engine.visit.changes import Change, NoteRefusal
from patient_visit_engine.visit.codes import CLOSED_STATUSES, DoctorBusy
from patient_visit_engine.visit.consultation_changes import OpenConsultation
from patient_visit_engine.visit.consultation_commands import StartConsultation
from patient_visit_engine.visit.decisions import ConsultationAnswer, Refused, Verdict
from patient_visit_engine.visit.exclusivity import exclusive_refusal
from patient_visit_engine.visit.facts import Consultation
from patient_visit_engine.visit.pausing import continue_consultation
from patient_visit_engine.visit.reception import found_changes
from patient_visit_engine.visit.refusals import (
    AppointmentClosed,
    AppointmentInProgress,
    AppointmentNotToday,
    DoctorInConsultation,
    PatientInConsultation,
    PatientReserved,
    Refusal,
    inactive_refusal,
)
from patient_visit_engine.visit.request import Request
from patient_visit_engine.visit.state import Limits, VisitState
from patient_visit_engine.visit.waiting_line import join_change, update_line_after_start


def start_consultation(command: StartConsultation, state: VisitState, now: datetime) -> Verdict:
    """Grant the start, unless the appointment is in progress, closed or of another day, or its doctor or prestation is inactive.

    An exclusive start is refused also when the patient is busy or reserved for another doctor, and, if the hospital wants it so,
    when the doctor is in consultation with another patient. A consultation that its doctor has paused goes on.
    """
    appointment = command.appointment
    existing = state.consultation_of(appointment.id)
    if existing is not None and existing.doctor_id == appointment.doctor_id:
        return continue_consultation(command, existing, state, now)
    if existing is not None:
        return _refuse_start(appointment, AppointmentInProgress(holder=existing))
    if (unstartable := _unstartable_refusal(appointment, state)) is not None:
        return _refuse_start(appointment, unstartable)
    if appointment.exclusive:
        refusal, offers = exclusive_refusal(command, state, now)
        if isinstance(refusal, DoctorInConsultation) or (isinstance(refusal, PatientInConsultation) and refusal.is_own):
            return _refuse_start(appointment, refusal)
        if refusal is not None:
            answer, changes = _refuse_and_join_line(command, state, now, refusal)
            return answer, (*changes, *offers)
    return _grant(command, state, now)


def _unstartable_refusal(appointment: Appointment, state: VisitState) -> Refusal | None:
    """Why no one can start this appointment now, also when the patient is free. None if its doctor can."""
    if appointment.status in CLOSED_STATUSES:
        return AppointmentClosed(status=appointment.status)
    if (inactive := inactive_refusal(appointment)) is not None:
        return inactive
    if appointment.scheduled_at is not None and not state.expects(appointment):
        return AppointmentNotToday(scheduled_at=appointment.scheduled_at)
    return None


def _grant(command: StartConsultation, state: VisitState, now: datetime) -> Verdict:
    appointment = command.appointment
    consultation = new_consultation(_consultation_id(command.request, now), appointment, state.day, now, state.limits)
    if (tracking := state.tracking_of(appointment.id)) is not None:
        consultation = consultation.model_copy(update={"checked_in_at": tracking.check_in_time})
    opened = OpenConsultation(consultation=consultation)
    changes = (*found_changes(appointment), opened, *update_line_after_start(state, consultation, now))
    looks_at_doctor = appointment.exclusive and command.doctor_busy is not DoctorBusy.off
    busy_with = command.busy_with if looks_at_doctor else None
    return ConsultationAnswer(consultation=consultation, created=True, busy_with=busy_with), changes


def new_consultation(
    consultation_id: str, appointment: Appointment, day: date, started_at: datetime, limits: Limits
) -> Consultation:
    """The consultation of the appointment, just after its start."""
    expected_end = started_at + timedelta(minutes=appointment.expected_minutes)
    return Consultation(
        id=consultation_id,
        patient_id=appointment.patient_id,
        doctor_id=appointment.doctor_id,
        appointment_id=appointment.id,
        prestation_id=appointment.prestation_id,
        exclusive=appointment.exclusive,
        day=day,
        started_at=started_at,
        overdue_at=expected_end,
        remind_at=expected_end,
        abandon_at=expected_end + limits.abandon_after,
    )


def _consultation_id(request: Request, now: datetime) -> str:
    """The id, derived from the request, so that Temporal's replay of a history creates the same consultation.

    It also depends on the time: after 7 days the same key is a new request and begins another consultation.
    """
    return str(UUID(bytes=sha256(f"{request.id}/{now.isoformat()}".encode()).digest()[:16], version=5))


def _refuse_start(appointment: Appointment, refusal: Refusal) -> Verdict:
    return Refused(refusal=refusal), (NoteRefusal(appointment=appointment, refusal=refusal),)


def _refuse_and_join_line(
    command: StartConsultation,
    state: VisitState,
    now: datetime,
    refusal: PatientInConsultation | PatientReserved,
) -> Verdict:
    """Refuse, with the doctor's position in line. With `wait`, the doctor also joins the line."""
    appointment = command.appointment
    position = state.position_of(appointment.doctor_id)
    joined: tuple[Change, ...] = ()
    if command.wait and position is None:
        position, joined = len(state.line()) + 1, (join_change(appointment, state, now),)
    answer, refusal_changes = _refuse_start(appointment, refusal.model_copy(update={"position": position}))
    return answer, (*refusal_changes, *joined)

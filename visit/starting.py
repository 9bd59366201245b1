"""The rule of a start: a patient is never in two exclusive consultations at the same time."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import partial
from hashlib import sha256
from uuid import UUID

from patient_visit_engine.visit.changes import Change, LeaveLine, NoteRefusal, OpenConsultation
from patient_visit_engine.visit.codes import CLOSED_STATUSES
from patient_visit_engine.visit.commands import Request, StartConsultation
from patient_visit_engine.visit.decisions import ConsultationAnswer, Refused, Verdict
from patient_visit_engine.visit.refusals import (
    AppointmentClosed,
    AppointmentInProgress,
    PatientInConsultation,
    PatientReserved,
    Refusal,
)
from patient_visit_engine.visit.state import Appointment, Consultation, Limits, VisitState, WaitingDoctor
from patient_visit_engine.visit.waiting_line import join_change, offer_to_line, update_line_after_start


def start_consultation(command: StartConsultation, state: VisitState, now: datetime) -> Verdict:
    """Grant the start, unless the appointment is in progress or closed, or the patient is busy or reserved.

    A busy or reserved patient blocks only exclusive prestations.
    """
    appointment = command.appointment
    existing = state.consultation_of(appointment.id)
    if existing is not None and existing.doctor_id == appointment.doctor_id:
        return ConsultationAnswer(consultation=existing), ()
    if existing is not None:
        return _refuse_start(appointment, AppointmentInProgress(holder=existing))
    if appointment.status in CLOSED_STATUSES:
        return _refuse_start(appointment, AppointmentClosed(status=appointment.status))
    if appointment.exclusive:
        if (holder := state.exclusive_consultation()) is not None:
            if holder.doctor_id == appointment.doctor_id:
                return _refuse_start(appointment, PatientInConsultation(holder=holder, is_own=True))
            return _refuse_and_join_line(command, state, now, partial(PatientInConsultation, holder=holder))
        expired, state_without_expired = _drop_expired_offers(state, now)
        reserved_for, offers = _reserved_place(state_without_expired, now)
        if reserved_for is not None and reserved_for.doctor_id != appointment.doctor_id:
            refusal = partial(_patient_reserved, reserved_for)
            answer, changes = _refuse_and_join_line(command, state_without_expired, now, refusal)
            return answer, (*expired, *changes, *offers)
    # An exclusive start ends all offers, expired ones too: see `update_line_after_start`.
    return _grant(appointment, command.request, state, now)


def _patient_reserved(place: WaitingDoctor, position: int | None) -> PatientReserved:
    assert place.offered_until is not None
    return PatientReserved(doctor_id=place.doctor_id, until=place.offered_until, position=position)


def _drop_expired_offers(state: VisitState, now: datetime) -> tuple[tuple[LeaveLine, ...], VisitState]:
    """The changes that remove doctors with an expired offer, and the state after these changes.

    A start can arrive before the timer of the offer.
    """
    expired = tuple(place for place in state.line() if place.offered_until is not None and place.offered_until <= now)
    if not expired or not state.limits.offer:
        return (), state
    waiting = tuple(place for place in state.facts.waiting if place not in expired)
    without_expired = state.model_copy(update={"facts": state.facts.model_copy(update={"waiting": waiting})})
    return tuple(LeaveLine(place=place, why="passed") for place in expired), without_expired


def _reserved_place(state: VisitState, now: datetime) -> tuple[WaitingDoctor | None, tuple[Change, ...]]:
    """The doctor for whom the patient is reserved now.

    If the first doctor in line has no offer yet, also the change that makes this offer.
    """
    if (offered := state.reservation(now)) is not None:
        return offered, ()
    if not state.limits.offer or not (offers := offer_to_line(state, state.line(), now)):
        return None, ()
    # When another day's visit ends a consultation, the patient is free before this visit gets the signal. Without this
    # offer, any doctor who presses Start in that moment would go before those who wait.
    return offers[0].place, offers


def _grant(appointment: Appointment, request: Request, state: VisitState, now: datetime) -> Verdict:
    consultation = new_consultation(_consultation_id(request, now), appointment, state.day, now, state.limits)
    if (tracking := state.tracking_of(appointment.id)) is not None:
        consultation = consultation.model_copy(update={"checked_in_at": tracking.check_in_time})
    changes = (OpenConsultation(consultation=consultation), *update_line_after_start(state, consultation))
    return ConsultationAnswer(consultation=consultation, created=True), changes


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
    refusal_for_position: Callable[..., PatientInConsultation | PatientReserved],
) -> Verdict:
    """Refuse. With `wait`, the doctor also joins the line. `refusal_for_position` builds the refusal for a `position`."""
    appointment = command.appointment
    position = state.position_of(appointment.doctor_id)
    joined: tuple[Change, ...] = ()
    if command.wait and position is None:
        position, joined = len(state.line()) + 1, (join_change(appointment, state, now),)
    answer, refusal_changes = _refuse_start(appointment, refusal_for_position(position=position))
    return answer, (*refusal_changes, *joined)

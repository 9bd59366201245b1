"""Who gets a patient that has become free: first the doctors who have paused a consultation with the patient, then the line."""

from datetime import datetime

from patient_visit_engine.visit.changes import Change
from patient_visit_engine.visit.facts import Consultation, WaitingDoctor
from patient_visit_engine.visit.frozen import LONG_AGO
from patient_visit_engine.visit.line_changes import EndReservation, OfferPatient
from patient_visit_engine.visit.state import VisitState


def free_patient(state: VisitState, left: Consultation, now: datetime) -> tuple[Change, ...]:
    """The offers when the patient leaves this consultation, because it ends or is paused.

    A paused one that ends frees no one: the patient was free already. An offer for it passes to the next doctor.
    """
    if left.paused_at is not None:
        return _withdraw_offer(state, left, now)
    # After a merge, another exclusive one may still be in progress.
    is_last = not any(other.exclusive and other.id != left.id for other in state.facts.in_progress)
    if not (left.exclusive and is_last and state.facts.reservation is None):
        return ()
    return _offer(state, state.paused_exclusive(), state.line(), now)


def offer_after(state: VisitState, appointment_id: int, now: datetime) -> tuple[OfferPatient, ...]:
    """The offers when the reservation for this appointment is over, and its doctor has no place in the line for it.

    The next ones are the doctors who have paused, and then the line. If its doctor has paused, only those who have paused later.
    """
    paused = state.paused_exclusive()
    number = next((n for n, each in enumerate(paused, 1) if each.appointment_id == appointment_id), 0)
    return _offer(state, paused[number:], state.line(), now)


def _withdraw_offer(state: VisitState, ended: Consultation, now: datetime) -> tuple[Change, ...]:
    reservation = state.facts.reservation
    if reservation is None or reservation.appointment_id != ended.appointment_id:
        return ()
    return EndReservation(reservation=reservation, why="left"), *offer_after(state, ended.appointment_id, now)


def _offer(
    state: VisitState, paused: tuple[Consultation, ...], line: tuple[WaitingDoctor, ...], now: datetime
) -> tuple[OfferPatient, ...]:
    if not state.limits.offer:
        notified = (offer_to_paused(consultation, state, None, now) for consultation in paused)
        return *notified, *offer_to_line(state, line, now)
    if paused:
        return (offer_to_paused(paused[0], state, now + state.limits.offer, now),)
    return offer_to_line(state, line, now)


def offer_to_paused(
    consultation: Consultation, state: VisitState, until: datetime | None, now: datetime
) -> OfferPatient:
    """The offer to the doctor who has paused this consultation. Without `until` the doctor is only notified."""
    place = WaitingDoctor(
        doctor_id=consultation.doctor_id,
        appointment_id=consultation.appointment_id,
        day=state.day,
        since=consultation.paused_at or LONG_AGO,
        notified_at=now if until is None else None,
    )
    return OfferPatient(place=place, until=until, consultation_id=consultation.id)


def offer_to_line(state: VisitState, line: tuple[WaitingDoctor, ...], now: datetime) -> tuple[OfferPatient, ...]:
    """The offers to make to `line` now that the patient is free and not reserved. Only the first doctor gets one.

    When offers do not reserve (`limits.offer` is 0), every doctor gets one who has not been notified.
    """
    if state.limits.offer:
        return tuple(OfferPatient(place=place, until=now + state.limits.offer) for place in line[:1])
    new = (place.model_copy(update={"notified_at": now}) for place in line if place.notified_at is None)
    return tuple(OfferPatient(place=place) for place in new)

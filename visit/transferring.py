"""Transferring a consultation: another doctor goes on with the patient, and no third doctor comes between."""

from datetime import datetime

from patient_visit_engine.visit.asking import is_asked_before_change
from patient_visit_engine.visit.changes import Change
from patient_visit_engine.visit.codes import Outcome, ReservationKind
from patient_visit_engine.visit.consultation_changes import TransferConsultation
from patient_visit_engine.visit.consultation_commands import Transfer
from patient_visit_engine.visit.decisions import ConsultationEndedAnswer, Refused, Verdict
from patient_visit_engine.visit.ending import end_consultation
from patient_visit_engine.visit.facts import Consultation, Reservation
from patient_visit_engine.visit.line_changes import EndReservation, WithdrawOffer
from patient_visit_engine.visit.refusals import ConsultationChanged, DoctorInactive, NotYours, PrestationInactive
from patient_visit_engine.visit.state import VisitState
from patient_visit_engine.visit.waiting_line import first_place


def transfer(command: Transfer, state: VisitState, now: datetime) -> Verdict:
    """End the consultation, and keep the patient for the receiver. A second transfer to the same doctor changes nothing.

    The patient is not offered to the line, so that no third doctor comes between.
    """
    consultation = state.consultation(command.consultation_id)
    if consultation is None:
        has_it = command.appointment.doctor_id == command.to_doctor_id
        outcome = Outcome.transferred if has_it else None
        return ConsultationEndedAnswer(consultation_id=command.consultation_id, success_outcome=outcome), ()
    if command.doctor_id not in {None, consultation.doctor_id}:
        return Refused(refusal=NotYours()), ()
    if is_asked_before_change(command.request, consultation):
        return Refused(refusal=ConsultationChanged()), ()
    if not command.to_doctor_active:
        return Refused(refusal=DoctorInactive()), ()
    if not command.appointment.prestation_active:
        # The patient would be reserved for a doctor who cannot start.
        return Refused(refusal=PrestationInactive()), ()
    answer = ConsultationEndedAnswer(consultation_id=consultation.id, success_outcome=Outcome.transferred)
    ended = end_consultation(consultation, Outcome.transferred, now, by_supervisor=command.doctor_id is None)
    return answer, (ended, *_give(state, consultation, command.to_doctor_id, now))


def _give(state: VisitState, consultation: Consultation, receiver_id: int, now: datetime) -> tuple[Change, ...]:
    given = TransferConsultation(consultation=consultation, to_doctor_id=receiver_id)
    if not consultation.exclusive:
        return (given,)
    reservation = state.facts.reservation
    # The offer of the patient to the doctor who had paused this consultation.
    is_own = reservation is not None and reservation.appointment_id == consultation.appointment_id
    is_busy = any(other.exclusive and other.id != consultation.id for other in state.facts.in_progress)
    if is_busy or (reservation is not None and not is_own):
        place = first_place(state, receiver_id, consultation.appointment_id, now)
        return (given.model_copy(update={"place": place}),)
    ended = () if reservation is None else (EndReservation(reservation=reservation, why="left"),)
    reserved = Reservation(
        kind=ReservationKind.transferred,
        doctor_id=receiver_id,
        appointment_id=consultation.appointment_id,
        day=state.day,
        until=now + state.limits.call,
        since=now,
    )
    # With VISIT_OFFER_SECONDS=0, the doctors were notified of a patient who is not free any more.
    notified = (place for place in state.line() if place.notified_at is not None)
    withdrawn = (WithdrawOffer(place=place.model_copy(update={"notified_at": None})) for place in notified)
    return *ended, given.model_copy(update={"reservation": reserved}), *withdrawn

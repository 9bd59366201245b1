"""The rule of everything that begins or goes on: a patient is never in two exclusive consultations at the same time."""

from datetime import datetime

from patient_visit_engine.visit.codes import DoctorBusy
from patient_visit_engine.visit.commands import StartCommand
from patient_visit_engine.visit.freeing import offer_to_line
from patient_visit_engine.visit.line_changes import OfferPatient
from patient_visit_engine.visit.refusals import DoctorInConsultation, PatientInConsultation, PatientReserved
from patient_visit_engine.visit.state import VisitState

ExclusiveRefusal = PatientInConsultation | PatientReserved | DoctorInConsultation


def exclusive_refusal(
    command: StartCommand, state: VisitState, now: datetime
) -> tuple[ExclusiveRefusal | None, tuple[OfferPatient, ...]]:
    """Why the appointment's doctor cannot have the patient alone now. None if the doctor can.

    If the first doctor in line has no offer yet, also the change that makes this offer.
    """
    doctor_id = command.appointment.doctor_id
    if (holder := state.holder_for(doctor_id)) is not None:
        return PatientInConsultation(holder=holder, is_own=holder.doctor_id == doctor_id), ()
    reserved_for, offers = _reserved_for(state, now)
    if reserved_for is not None and reserved_for.doctor_id != doctor_id:
        return reserved_for, offers
    if command.busy_with and command.doctor_busy is DoctorBusy.refuse:
        return DoctorInConsultation(busy_with=command.busy_with), ()
    return None, ()


def _reserved_for(state: VisitState, now: datetime) -> tuple[PatientReserved | None, tuple[OfferPatient, ...]]:
    """The refusal that names the doctor for whom the patient is reserved."""
    if (reservation := state.facts.reservation) is not None:
        return PatientReserved(doctor_id=reservation.doctor_id, until=reservation.until), ()
    # After a restore from a backup a line can wait for a free patient. Without this offer, any doctor who presses Start in that
    # moment would go before those who wait.
    for offer in offer_to_line(state, state.line(), now):
        if offer.until is not None:
            return PatientReserved(doctor_id=offer.place.doctor_id, until=offer.until), (offer,)
    return None, ()

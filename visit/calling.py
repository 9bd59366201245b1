"""Calling patients: who is called is kept for the doctor, and who does not come stands behind the next one."""

from datetime import datetime

from patient_visit_engine.visit.appointment import Appointment
from patient_visit_engine.visit.call_commands import CallPatient, NoAnswer
from patient_visit_engine.visit.changes import Change, NoteCall, WriteNoAnswers
from patient_visit_engine.visit.codes import ReservationKind
from patient_visit_engine.visit.decisions import CalledAnswer, NoAnswerAnswer, Refused, Verdict
from patient_visit_engine.visit.facts import Reservation
from patient_visit_engine.visit.freeing import offer_to_line
from patient_visit_engine.visit.line_changes import EndReservation, WithdrawOffer
from patient_visit_engine.visit.list_order import MAX_NO_ANSWERS
from patient_visit_engine.visit.refusals import (
    AppointmentMismatch,
    AppointmentNotToday,
    DoctorHasCall,
    NotCalled,
    PatientInConsultation,
    PatientReserved,
    Refusal,
    appointment_refusal,
    inactive_refusal,
)
from patient_visit_engine.visit.state import VisitState
from patient_visit_engine.visit.waiting_line import pass_offer_on


def call_patient(command: CallPatient, state: VisitState, now: datetime) -> Verdict:
    """Keep the free patient for the doctor. The same call again changes nothing.

    A prestation that is not exclusive reserves nothing: then the call is only noted. It blocks no start, but every other call.
    """
    appointment = command.appointment
    if (refusal := appointment_refusal(appointment, state)) is not None:
        return Refused(refusal=refusal), ()
    answer = CalledAnswer(appointment=appointment, until=command.call.until, skipped=command.skipped)
    if command.call.open_appointment(now) == appointment.id:
        return answer, ()
    if (refusal := _call_refusal(command, state, now)) is not None:
        return Refused(refusal=refusal), ()
    own = state.facts.reservation if appointment.exclusive else None
    until = now + state.limits.call
    until = until if own is None else max(until, own.until)
    reserved = Reservation(
        kind=ReservationKind.called,
        doctor_id=appointment.doctor_id,
        appointment_id=appointment.id,
        day=state.day,
        until=until,
        since=now,
    )
    called = NoteCall(appointment=appointment, until=until, reservation=reserved if appointment.exclusive else None)
    withdrawn = _withdraw_offers(state) if appointment.exclusive else ()
    return answer.model_copy(update={"until": until}), (called, *withdrawn)


def _call_refusal(command: CallPatient, state: VisitState, now: datetime) -> Refusal | None:
    """Why the patient, who is not called yet, cannot be called now. None if the patient can."""
    appointment = command.appointment
    if (refusal := inactive_refusal(appointment)) is not None:
        return refusal
    if command.call.open_appointment(now) is not None:
        return DoctorHasCall()
    if command.call.patient_left:
        return AppointmentMismatch()
    if appointment.scheduled_at is not None and not state.expects(appointment):
        return AppointmentNotToday(scheduled_at=appointment.scheduled_at)
    if (holder := state.holder_for(appointment.doctor_id)) is not None:
        return PatientInConsultation(holder=holder, is_own=holder.doctor_id == appointment.doctor_id)
    other = command.call.other_call
    if other is not None and now < other.until:
        return PatientReserved(doctor_id=other.doctor_id, until=other.until)
    return _reserved_for_other(appointment, state, now)


def _reserved_for_other(appointment: Appointment, state: VisitState, now: datetime) -> PatientReserved | None:
    if (reservation := state.facts.reservation) is not None:
        if reservation.appointment_id == appointment.id:
            return None
        return PatientReserved(doctor_id=reservation.doctor_id, until=reservation.until)
    # After a restore from a backup a line can wait for a free patient. It is offered the patient within a minute.
    for offer in offer_to_line(state, state.line(), now):
        if offer.until is not None and offer.place.appointment_id != appointment.id:
            return PatientReserved(doctor_id=offer.place.doctor_id, until=offer.until)
    return None


def _withdraw_offers(state: VisitState) -> tuple[WithdrawOffer, ...]:
    """With VISIT_OFFER_SECONDS=0, the doctors were notified of a patient who is not free any more."""
    notified = (place for place in state.line() if place.notified_at is not None)
    return tuple(WithdrawOffer(place=place.model_copy(update={"notified_at": None})) for place in notified)


def no_answer(command: NoAnswer, state: VisitState, now: datetime) -> Verdict:
    """Count the call that was not answered, and free the patient. Only the doctor's last call can be meant."""
    appointment, call = command.appointment, command.call
    if (refusal := appointment_refusal(appointment, state)) is not None:
        return Refused(refusal=refusal), ()
    if call.appointment_id != appointment.id or call.called_at != command.called_at:
        # A message that comes late must not end a later call.
        return Refused(refusal=NotCalled()), ()
    number = min(appointment.no_answers + 1, MAX_NO_ANSWERS)
    noted = WriteNoAnswers(appointment=appointment, no_answers=number, behind_id=command.behind_id)
    answer = NoAnswerAnswer(appointment_id=appointment.id, no_answers=number)
    return answer, (noted, *_free(appointment, state, now))


def _free(appointment: Appointment, state: VisitState, now: datetime) -> tuple[Change, ...]:
    reservation = state.facts.reservation
    if reservation is None or reservation.appointment_id != appointment.id:
        return ()
    if state.exclusive_consultation() is not None:
        return (EndReservation(reservation=reservation, why="no_answer"),)
    return pass_offer_on(state, reservation, now, "no_answer")

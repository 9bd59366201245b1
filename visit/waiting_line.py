"""The line of doctors who wait for a busy patient: joining it, leaving it, and the offers to those in it."""

from datetime import datetime
from typing import Literal

from patient_visit_engine.visit.changes import Change, JoinLine, LeaveLine, OfferPatient, WithdrawOffer
from patient_visit_engine.visit.commands import JoinWaitingLine, LeaveWaitingLine
from patient_visit_engine.visit.decisions import NotInLine, PlaceInLine, Refused, Verdict
from patient_visit_engine.visit.refusals import PatientFree, PatientInConsultation, appointment_refusal
from patient_visit_engine.visit.state import Appointment, Consultation, VisitState, WaitingDoctor


def join_waiting_line(command: JoinWaitingLine, state: VisitState, now: datetime) -> Verdict:
    """Give the doctor the last place in the line, or return the place that the doctor has."""
    appointment = command.appointment
    if (refusal := appointment_refusal(appointment, state)) is not None:
        return Refused(refusal=refusal), ()
    if (position := state.position_of(appointment.doctor_id)) is not None:
        return PlaceInLine(position=position), ()
    is_free = state.exclusive_consultation() is None and state.reservation(now) is None
    if not appointment.exclusive or is_free:
        return Refused(refusal=PatientFree()), ()
    holder = state.exclusive_consultation()
    if holder is not None and holder.doctor_id == appointment.doctor_id:
        return Refused(refusal=PatientInConsultation(holder=holder, is_own=True)), ()
    return PlaceInLine(position=len(state.line()) + 1), (join_change(appointment, state, now),)


def leave_waiting_line(command: LeaveWaitingLine, state: VisitState, now: datetime) -> Verdict:
    """Take the doctor out of the line. An open offer passes to the next doctor."""
    # Compared by doctor: the doctor has one place, for any of the doctor's appointments.
    doctor_id = command.appointment.doctor_id
    leaving = next((place for place in state.line() if place.doctor_id == doctor_id), None)
    return NotInLine(), () if leaving is None else remove_from_line(state, leaving, "left", now)


def join_change(appointment: Appointment, state: VisitState, now: datetime) -> JoinLine:
    """The change that gives the appointment's doctor the last place in this day's line."""
    place = WaitingDoctor(doctor_id=appointment.doctor_id, appointment_id=appointment.id, day=state.day, since=now)
    return JoinLine(place=place)


def offer_to_line(state: VisitState, line: tuple[WaitingDoctor, ...], now: datetime) -> tuple[OfferPatient, ...]:
    """The offers to make now that the patient is free. They go to the first doctor in `line`, if no doctor has an offer.

    When offers do not reserve (`limits.offer` is 0), they go to every doctor in `line` without an offer.
    """
    until = now + state.limits.offer
    if state.limits.offer:
        receivers = line[:1] if all(place.offered_until is None for place in line) else ()
    else:
        receivers = tuple(place for place in line if place.offered_until is None)
    return tuple(OfferPatient(place=place.model_copy(update={"offered_until": until})) for place in receivers)


def update_line_after_start(state: VisitState, started: Consultation) -> tuple[Change, ...]:
    """The effect of a start on the line: its doctor leaves it, and an exclusive start ends the offers to other doctors."""
    changes: list[Change] = []
    for place in state.facts.waiting:
        if place.doctor_id == started.doctor_id:
            changes.append(LeaveLine(place=place, why="started"))
        elif started.exclusive and place.offered_until is not None and state.limits.offer:
            changes.append(LeaveLine(place=place, why="passed"))
        elif started.exclusive and place.offered_until is not None:
            changes.append(WithdrawOffer(place=place.model_copy(update={"offered_until": None})))
    return tuple(changes)


def remove_from_line(
    state: VisitState, leaving: WaitingDoctor, why: Literal["left", "passed", "canceled"], now: datetime
) -> tuple[Change, ...]:
    """Take one doctor out of the line. When the patient is free, the next doctor in line gets the offer."""
    left = LeaveLine(place=leaving, why=why)
    if state.exclusive_consultation() is not None:
        return (left,)
    return left, *offer_to_line(state, tuple(place for place in state.line() if place is not leaving), now)


def remove_canceled(state: VisitState, appointment_id: int, now: datetime) -> tuple[Change, ...]:
    """Remove the doctor who waits for a canceled appointment, if there is one."""
    leaving = next((place for place in state.line() if place.appointment_id == appointment_id), None)
    return () if leaving is None else remove_from_line(state, leaving, "canceled", now)

"""The line of doctors who wait for a busy patient: joining it, leaving it, and the offers to those in it."""

from collections.abc import Collection
from datetime import datetime
from typing import Literal

from patient_visit_engine.visit.appointment import Appointment
from patient_visit_engine.visit.appointment_commands import JoinWaitingLine, LeaveWaitingLine
from patient_visit_engine.visit.changes import Change
from patient_visit_engine.visit.decisions import NotInLine, PlaceInLine, Refused, Verdict
from patient_visit_engine.visit.facts import Consultation, Reservation, WaitingDoctor
from patient_visit_engine.visit.freeing import offer_after, offer_to_line
from patient_visit_engine.visit.line_changes import EndReservation, JoinLine, LeaveLine, MoveDown, WithdrawOffer
from patient_visit_engine.visit.refusals import (
    PatientFree,
    PatientInConsultation,
    appointment_refusal,
    inactive_refusal,
)
from patient_visit_engine.visit.state import VisitState

#: Why a doctor leaves the line without a start and before the doctor's offers are used up.
Leaving = Literal["left", "canceled", "checked_out", "moved"]
#: A doctor who has not used so many offers leaves the line.
MAX_UNUSED_OFFERS = 2


def join_waiting_line(command: JoinWaitingLine, state: VisitState, now: datetime) -> Verdict:
    """Give the doctor the last place in the line, or return the place that the doctor has."""
    appointment = command.appointment
    if (refusal := appointment_refusal(appointment, state) or inactive_refusal(appointment)) is not None:
        return Refused(refusal=refusal), ()
    if (position := state.position_of(appointment.doctor_id)) is not None:
        return PlaceInLine(position=position), ()
    if not appointment.exclusive or _is_free_for(appointment.doctor_id, state):
        return Refused(refusal=PatientFree()), ()
    holder = state.holder_for(appointment.doctor_id)
    if holder is not None and holder.doctor_id == appointment.doctor_id:
        return Refused(refusal=PatientInConsultation(holder=holder, is_own=True)), ()
    return PlaceInLine(position=len(state.line()) + 1), (join_change(appointment, state, now),)


def _is_free_for(doctor_id: int, state: VisitState) -> bool:
    """Whether this doctor can start now. A call and a transfer keep the patient for a doctor who has no place in the line."""
    reservation = state.facts.reservation
    return state.exclusive_consultation() is None and (reservation is None or reservation.doctor_id == doctor_id)


def leave_waiting_line(command: LeaveWaitingLine, state: VisitState, now: datetime) -> Verdict:
    """Take the doctor out of the line. An open offer passes to the next doctor."""
    # Compared by doctor: the doctor has one place, for any of the doctor's appointments.
    doctor_id = command.appointment.doctor_id
    leaving = next((place for place in state.line() if place.doctor_id == doctor_id), None)
    return NotInLine(), () if leaving is None else remove_from_line(state, leaving, "left", now)


def join_change(appointment: Appointment, state: VisitState, now: datetime) -> JoinLine:
    """The change that gives the appointment's doctor the last place in the line."""
    turn = 1 + max((place.turn for place in state.line()), default=0)
    place = WaitingDoctor(
        doctor_id=appointment.doctor_id, appointment_id=appointment.id, day=state.day, since=now, turn=turn
    )
    return JoinLine(place=place)


def first_place(state: VisitState, doctor_id: int, appointment_id: int, since: datetime) -> WaitingDoctor:
    """The first place in line, before all others. A doctor has one, also for several appointments."""
    turn = min((place.turn for place in state.line()), default=1) - 1
    present = next((place for place in state.line() if place.doctor_id == doctor_id), None)
    if present is not None:
        return present.model_copy(update={"turn": turn})
    return WaitingDoctor(doctor_id=doctor_id, appointment_id=appointment_id, day=state.day, since=since, turn=turn)


def pass_offer_on(
    state: VisitState, reservation: Reservation, now: datetime, why: Literal["expired", "no_answer"] = "expired"
) -> tuple[Change, ...]:
    """End a reservation that was not used, and offer the patient to the next doctor.

    A doctor in line goes one place down, and leaves the line after the second unused offer.
    A call counts as an offer: otherwise a doctor could keep the patient from the line by calling again and again.
    When offers do not reserve (`limits.offer` is 0), the line has no first one, and all in it can start at the same moment.
    """
    ended = EndReservation(reservation=reservation, why=why)
    line = state.line()
    unused = state.place_for(reservation.appointment_id)
    if unused is None or not state.limits.offer:
        paused = state.consultation_of(reservation.appointment_id)
        ended = ended.model_copy(update={"consultation_id": None if paused is None else paused.id})
        return ended, *offer_after(state, reservation.appointment_id, now)
    number = line.index(unused)
    place = unused.model_copy(update={"unused_offers": unused.unused_offers + 1})
    others = tuple(other for other in line if other.doctor_id != place.doctor_id)
    if place.unused_offers >= MAX_UNUSED_OFFERS:
        return ended, LeaveLine(place=place, why="passed"), *offer_to_line(state, others, now)
    if number + 1 == len(line):
        return ended, MoveDown(place=place), *offer_to_line(state, (*others[:number], place), now)
    next_place = line[number + 1]
    lower = place.model_copy(update={"turn": next_place.turn})
    upper = next_place.model_copy(update={"turn": place.turn})
    reordered = (*others[:number], upper, lower, *others[number + 1 :])
    return ended, MoveDown(place=lower, next_place=upper), *offer_to_line(state, reordered, now)


def update_line_after_start(state: VisitState, started: Consultation, now: datetime) -> tuple[Change, ...]:
    """The effect of a start on the line: the place for its appointment is used, and an exclusive start ends the reservation.

    A place for another appointment of the same doctor stays. When the patient is still free, the next doctor gets the offer.
    """
    changes: list[Change] = []
    reservation = state.facts.reservation
    if reservation is not None and reservation.appointment_id == started.appointment_id:
        changes.append(EndReservation(reservation=reservation, why="started"))
    elif reservation is not None and started.exclusive:
        changes.append(EndReservation(reservation=reservation, why="busy"))
    for place in state.line():
        if place.appointment_id == started.appointment_id:
            changes.append(LeaveLine(place=place, why="started"))
        elif started.exclusive and place.notified_at is not None:
            changes.append(WithdrawOffer(place=place.model_copy(update={"notified_at": None})))
    if not started.exclusive and any(isinstance(change, EndReservation) for change in changes):
        others = tuple(place for place in state.line() if place.appointment_id != started.appointment_id)
        return *changes, *offer_to_line(state, others, now)
    return tuple(changes)


def remove_from_line(state: VisitState, leaving: WaitingDoctor, why: Leaving, now: datetime) -> tuple[Change, ...]:
    """Take one doctor out of the line, with the doctor's reservation. When the patient is free then, the next one gets the offer."""
    reservation = state.facts.reservation
    is_reserved_for_other = reservation is not None and reservation.appointment_id != leaving.appointment_id
    left = LeaveLine(place=leaving, why=why)
    if state.exclusive_consultation() is not None or is_reserved_for_other:
        return (left,)
    ended = () if reservation is None else (EndReservation(reservation=reservation, why="left"),)
    others = tuple(place for place in state.line() if place.doctor_id != leaving.doctor_id)
    return *ended, left, *offer_to_line(state, others, now)


def remove_place_for(state: VisitState, appointment_id: int, why: Leaving, now: datetime) -> tuple[Change, ...]:
    """Remove the doctor who waits for an appointment that will not be started, and the appointment's reservation.

    When the patient is free then, the next doctor in line gets the offer.
    """
    if (leaving := state.place_for(appointment_id)) is not None:
        return remove_from_line(state, leaving, why, now)
    reservation = state.facts.reservation
    if reservation is None or reservation.appointment_id != appointment_id:
        return ()
    is_free = state.exclusive_consultation() is None
    offers = offer_after(state, appointment_id, now) if is_free else ()
    return EndReservation(reservation=reservation, why="left"), *offers


def remove_places_for(
    state: VisitState, appointment_ids: Collection[int], why: Leaving, now: datetime
) -> tuple[Change, ...]:
    """The same for several appointments. Only a doctor who stays in the line can get the offer."""
    leaving = [place for place in state.line() if place.appointment_id in appointment_ids]
    staying = tuple(place for place in state.line() if place.appointment_id not in appointment_ids)
    reservation = state.facts.reservation
    ends = reservation is not None and reservation.appointment_id in appointment_ids
    changes: list[Change] = [LeaveLine(place=place, why=why) for place in leaving]
    if reservation is not None and ends:
        changes.insert(0, EndReservation(reservation=reservation, why="left"))
    is_free = state.exclusive_consultation() is None and (reservation is None or ends)
    offers = offer_to_line(state, staying, now) if changes and is_free else ()
    return *changes, *offers

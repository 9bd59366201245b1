"""The waiting line for a busy patient: who joins it, leaves it, and is offered the patient next; pure, it must not know starts."""

from datetime import datetime
from typing import Literal

from patient_visit_engine.visit.commands import JoinWaitingLine, LeaveWaitingLine
from patient_visit_engine.visit.decisions import (
    Change,
    JoinLine,
    LeaveLine,
    NotInLine,
    OfferPatient,
    PlaceInLine,
    Refused,
    Verdict,
    WithdrawOffer,
)
from patient_visit_engine.visit.refusals import PatientFree, appointment_refusal
from patient_visit_engine.visit.state import Appointment, Consultation, VisitState, WaitingDoctor


def join_waiting_line(command: JoinWaitingLine, state: VisitState, now: datetime) -> Verdict:
    """Give the doctor the last place in the line, or say which one the doctor has."""
    mine = command.appointment
    if (refusal := appointment_refusal(mine, state)) is not None:
        return Refused(refusal=refusal), ()
    if (position := state.place_of(mine.doctor_id)) is not None:
        return PlaceInLine(position=position), ()
    if not mine.exclusive or (state.exclusive_consultation() is None and state.reservation(now) is None):
        return Refused(refusal=PatientFree()), ()
    return PlaceInLine(position=len(state.line()) + 1), (join_change(mine, state, now),)


def leave_waiting_line(command: LeaveWaitingLine, state: VisitState, now: datetime) -> Verdict:
    """Take the doctor out of the line; an offer that was open passes on."""
    # By doctor: the one place is the doctor's, whichever of the doctor's appointments it was taken for.
    mine = next((place for place in state.line() if place.doctor_id == command.appointment.doctor_id), None)
    return NotInLine(), () if mine is None else remove_from_line(state, mine, "left", now)


def join_change(mine: Appointment, state: VisitState, now: datetime) -> JoinLine:
    """The last place in this day's line."""
    return JoinLine(place=WaitingDoctor(doctor_id=mine.doctor_id, appointment_id=mine.id, day=state.day, since=now))


def offer_to_line(state: VisitState, line: tuple[WaitingDoctor, ...], now: datetime) -> tuple[OfferPatient, ...]:
    """The offers due to `line` now that the patient is free: to its head, or to all of it where nothing is reserved."""
    until = now + state.limits.offer
    if until == now:
        untold = tuple(place for place in line if place.offered_until is None)
    else:
        untold = line[:1] if all(place.offered_until is None for place in line) else ()
    return tuple(OfferPatient(place=place.model_copy(update={"offered_until": until})) for place in untold)


def update_line_after_start(state: VisitState, begun: Consultation) -> tuple[Change, ...]:
    """What a start does to the line: its doctor leaves it, and no offer to another outlives an exclusive one."""
    changes: list[Change] = []
    for place in state.facts.waiting:
        if place.doctor_id == begun.doctor_id:
            changes.append(LeaveLine(place=place, why="started"))
        elif begun.exclusive and place.offered_until is not None and state.limits.offer:
            changes.append(LeaveLine(place=place, why="passed"))
        elif begun.exclusive and place.offered_until is not None:
            changes.append(WithdrawOffer(place=place.model_copy(update={"offered_until": None})))
    return tuple(changes)


def remove_from_line(
    state: VisitState, leaving: WaitingDoctor, why: Literal["left", "passed", "canceled"], now: datetime
) -> tuple[Change, ...]:
    """One doctor out of the line; when the patient is free, whoever is then its head is served."""
    left = LeaveLine(place=leaving, why=why)
    if state.exclusive_consultation() is not None:
        return (left,)
    return left, *offer_to_line(state, tuple(place for place in state.line() if place is not leaving), now)


def remove_canceled(state: VisitState, appointment_id: int, now: datetime) -> tuple[Change, ...]:
    """The doctor who waits for the sake of a canceled appointment out of the line, if there is one."""
    leaving = next((place for place in state.line() if place.appointment_id == appointment_id), None)
    return () if leaving is None else remove_from_line(state, leaving, "canceled", now)

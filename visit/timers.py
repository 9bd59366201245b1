"""The decisions at a certain time, without a command: reminders, time limits, expired offers and the day's end."""

from datetime import datetime

from patient_visit_engine.visit.changes import Change, CloseTracking, LeaveLine, RemindHolder
from patient_visit_engine.visit.codes import AppointmentStatus, Outcome
from patient_visit_engine.visit.decisions import Decision
from patient_visit_engine.visit.ending import end_and_offer
from patient_visit_engine.visit.state import Consultation, VisitState
from patient_visit_engine.visit.waiting_line import offer_to_line, remove_from_line


def decide_due(state: VisitState, now: datetime) -> Decision | None:
    """The first decision that is due, or None. Call it again after each decision, until it returns None.

    An offer also becomes due when another day's visit frees the patient.
    """
    changes = _consultation_changes(state, now) or _line_changes(state, now) or _day_end_changes(state, now)
    return Decision(changes=changes, at=now) if changes else None


def next_deadline(state: VisitState) -> datetime | None:
    """When `decide_due` will have a decision, if no message comes first."""
    deadlines = [deadline for c in state.consultations_with_timers_here() for deadline in (c.remind_at, c.abandon_at)]
    if state.limits.offer:
        deadlines += [place.offered_until for place in state.line() if place.offered_until is not None]
    if state.phase == "open":
        deadlines.append(state.day_ends_at)
    return min(deadlines, default=None)


def day_is_over(state: VisitState, now: datetime) -> bool:
    """Whether the visit's local day is over. After that, the visit only finishes consultations that already run."""
    return now >= state.day_ends_at


def _consultation_changes(state: VisitState, now: datetime) -> tuple[Change, ...]:
    for consultation in state.consultations_with_timers_here():
        if now >= consultation.abandon_at:
            return end_and_offer(state, consultation, Outcome.timed_out, now)
        if now >= consultation.remind_at:
            return (RemindHolder(consultation=_with_next_reminder(consultation, state, now)),)
    return ()


def _with_next_reminder(consultation: Consultation, state: VisitState, now: datetime) -> Consultation:
    interval = state.limits.remind_every
    # Skips reminders that were missed, so that a late visit sends one reminder and not many.
    intervals_passed = (now - consultation.overdue_at) // interval
    remind_at = consultation.overdue_at + (intervals_passed + 1) * interval
    return consultation.model_copy(update={"reminders": consultation.reminders + 1, "remind_at": remind_at})


def _line_changes(state: VisitState, now: datetime) -> tuple[Change, ...]:
    if day_is_over(state, now):
        return ()
    for place in state.line() if state.limits.offer else ():
        if place.offered_until is not None and place.offered_until <= now:
            return remove_from_line(state, place, "passed", now)
    return offer_to_line(state, state.line(), now) if state.exclusive_consultation() is None else ()


def _day_end_changes(state: VisitState, now: datetime) -> tuple[Change, ...]:
    if not day_is_over(state, now):
        return ()
    not_seen = tuple(
        CloseTracking(
            appointment_id=tracking.appointment_id, outcome=Outcome.not_seen, status=AppointmentStatus.confirmed
        )
        for tracking in state.facts.pending
        if tracking.day == state.day
    )
    return *not_seen, *(LeaveLine(place=place, why="day_over") for place in state.line())

"""What falls due by itself, and when next; pure, it must not know how time is waited for."""

from datetime import datetime

from patient_visit_engine.visit.codes import AppointmentStatus, Outcome
from patient_visit_engine.visit.decisions import Change, CloseTracking, Decision, LeaveLine, RemindHolder
from patient_visit_engine.visit.ending import end_and_offer
from patient_visit_engine.visit.state import Consultation, VisitState
from patient_visit_engine.visit.waiting_line import offer_to_line, remove_from_line


def decide_due(state: VisitState, now: datetime) -> Decision | None:
    """The first thing that time, or a patient who became free elsewhere, has brought about; ask again until it is None."""
    changes = _ended_or_overdue(state, now) or _line_to_serve(state, now) or _day_to_close(state, now)
    return Decision(changes=changes, at=now) if changes else None


def next_deadline(state: VisitState) -> datetime | None:
    """When `due` has something new to say, should no message come before."""
    moments = [moment for c in state.my_consultations() for moment in (c.remind_at, c.abandon_at)]
    if state.limits.offer:
        moments += [place.offered_until for place in state.line() if place.offered_until is not None]
    if state.phase == "open":
        moments.append(state.day_ends_at)
    return min(moments, default=None)


def day_is_over(state: VisitState, now: datetime) -> bool:
    """Whether the visit's local day has passed: from here on only a consultation that runs already goes on."""
    return now >= state.day_ends_at


def _ended_or_overdue(state: VisitState, now: datetime) -> tuple[Change, ...]:
    for running in state.my_consultations():
        if now >= running.abandon_at:
            return end_and_offer(state, running, Outcome.timed_out, now)
        if now >= running.remind_at:
            return (RemindHolder(consultation=_reminded(running, state, now)),)
    return ()


def _reminded(running: Consultation, state: VisitState, now: datetime) -> Consultation:
    every = state.limits.remind_every
    # Counted from when it was due, past all that was slept through: late reminders come once, not in a burst.
    passed = (now - running.overdue_at) // every
    following = running.overdue_at + (passed + 1) * every
    return running.model_copy(update={"reminders": running.reminders + 1, "remind_at": following})


def _line_to_serve(state: VisitState, now: datetime) -> tuple[Change, ...]:
    if day_is_over(state, now):
        return ()
    for place in state.line() if state.limits.offer else ():
        if place.offered_until is not None and place.offered_until <= now:
            return remove_from_line(state, place, "passed", now)
    return offer_to_line(state, state.line(), now) if state.exclusive_consultation() is None else ()


def _day_to_close(state: VisitState, now: datetime) -> tuple[Change, ...]:
    if not day_is_over(state, now):
        return ()
    unseen = tuple(
        CloseTracking(appointment_id=p.appointment_id, outcome=Outcome.not_seen, status=AppointmentStatus.confirmed)
        for p in state.facts.pending
        if p.day == state.day
    )
    return *unseen, *(LeaveLine(place=place, why="day_over") for place in state.line())

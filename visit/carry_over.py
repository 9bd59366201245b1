"""The start of a day: what is open for the patient from earlier days passes to today's visit, in one decision."""

from datetime import date, datetime, timedelta

from patient_visit_engine.visit.changes import CarryOver, Change, CloseTracking
from patient_visit_engine.visit.codes import AppointmentStatus, Outcome
from patient_visit_engine.visit.facts import Consultation, Facts, PendingTracking, Reservation
from patient_visit_engine.visit.state import VisitState

#: Without a message, what is open passes to the new day within this time, and one round of the sweep. The moment depends on the
#: patient's id, because the visits of all patients end with the same day.
CARRY_OVER_WITHIN = timedelta(minutes=8)
#: A time limit that a visit notices this late gives its grace period first: while nothing ran, no person could act on it.
GRACE_AFTER = timedelta(seconds=60)


def carry_over_delay(patient_id: int) -> timedelta:
    """The patient's moment within `CARRY_OVER_WITHIN`, counted from the start of the day."""
    return timedelta(seconds=patient_id % int(CARRY_OVER_WITHIN.total_seconds()))


def visit_ends_at(state: VisitState) -> datetime:
    """When the visit itself ends, after its day. Until then, its timers serve those who have no visit of the new day yet."""
    return state.day_ends_at + carry_over_delay(state.patient_id)


def carry_over(
    state: VisitState, now: datetime, needed_appointment_id: int | None = None
) -> tuple[tuple[Change, ...], VisitState]:
    """The changes that pass everything open from earlier days to this visit, and the state after them.

    A check-in that has waited long enough when the day starts ends as `not_seen`. The check-in for the needed appointment does
    not: the command that comes with the carry-over is about it. Nor does one whose doctor has the patient reserved, or is in line.
    """
    facts = state.facts
    if not facts.has_earlier_than(state.day):
        return (), state
    not_seen = tuple(
        tracking
        for tracking in facts.pending
        if tracking.appointment_id != needed_appointment_id and _ends_with_its_day(tracking, state, now)
    )
    pending = tuple(_carry(tracking, state, now) for tracking in facts.pending if tracking not in not_seen)
    carried = Facts(
        in_progress=_carry_consultations(facts.in_progress, state.day),
        paused=_carry_consultations(facts.paused, state.day),
        pending=pending,
        waiting=tuple(place.model_copy(update={"day": max(place.day, state.day)}) for place in facts.waiting),
        reservation=_carry_reservation(facts.reservation, state.day),
    )
    carried_pending = tuple(tracking for tracking in pending if tracking not in facts.pending)
    ended = tuple(close_as_not_seen(tracking) for tracking in not_seen)
    changes: tuple[Change, ...] = (*ended, CarryOver(day=state.day, pending=carried_pending))
    return changes, state.model_copy(update={"facts": carried})


def close_as_not_seen(tracking: PendingTracking) -> CloseTracking:
    """The change that ends a check-in because no doctor has started the consultation."""
    return CloseTracking(
        appointment_id=tracking.appointment_id,
        outcome=Outcome.not_seen,
        status=AppointmentStatus.confirmed,
        day=tracking.day,
    )


def _not_seen_at(tracking: PendingTracking, state: VisitState) -> datetime:
    """When the patient has waited long enough, and the appointment's time is past."""
    return max(tracking.check_in_time + state.limits.not_seen_after, tracking.scheduled_at)


def reschedule(tracking: PendingTracking, state: VisitState, now: datetime) -> PendingTracking:
    """A check-in of another day with the time limit that fits its new `scheduled_at`. One that has passed gives the grace period."""
    not_seen_at = _not_seen_at(tracking, state)
    if not_seen_at <= now:
        not_seen_at = now + state.limits.remind_every
    return tracking.model_copy(update={"not_seen_at": not_seen_at})


def _ends_with_its_day(tracking: PendingTracking, state: VisitState, now: datetime) -> bool:
    """Whether the check-in ends now. Before the start of the day and long after it, it gets the grace period instead."""
    if state.is_awaited(tracking.appointment_id):
        return False
    is_morning = state.day_starts_at <= now <= state.day_starts_at + CARRY_OVER_WITHIN + GRACE_AFTER
    return is_morning and tracking.day < state.day and _not_seen_at(tracking, state) <= state.day_starts_at


def _carry(tracking: PendingTracking, state: VisitState, now: datetime) -> PendingTracking:
    if tracking.day >= state.day:
        return tracking
    not_seen_at = _not_seen_at(tracking, state)
    if not_seen_at <= state.day_starts_at:
        not_seen_at = max(now, state.day_starts_at) + state.limits.remind_every
    return tracking.model_copy(update={"day": state.day, "not_seen_at": not_seen_at})


def _carry_consultations(consultations: tuple[Consultation, ...], day: date) -> tuple[Consultation, ...]:
    return tuple(consultation.model_copy(update={"day": max(consultation.day, day)}) for consultation in consultations)


def _carry_reservation(reservation: Reservation | None, day: date) -> Reservation | None:
    return None if reservation is None else reservation.model_copy(update={"day": max(reservation.day, day)})

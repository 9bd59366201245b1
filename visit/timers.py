"""The decisions at a certain time, without a command: reminders, time limits and expired offers."""

from datetime import datetime, timedelta
from typing import NamedTuple

from patient_visit_engine.visit.carry_over import GRACE_AFTER, carry_over, close_as_not_seen, visit_ends_at
from patient_visit_engine.visit.changes import Change, PostponeNotSeen
from patient_visit_engine.visit.codes import Outcome, ReservationKind
from patient_visit_engine.visit.consultation_changes import PostponePauseLimit, RemindHolder
from patient_visit_engine.visit.decisions import Decision
from patient_visit_engine.visit.doctor_call import DoctorCall
from patient_visit_engine.visit.ending import end_and_offer
from patient_visit_engine.visit.facts import Consultation
from patient_visit_engine.visit.freeing import offer_after, offer_to_line, offer_to_paused
from patient_visit_engine.visit.line_changes import EndReservation, OfferPatient, PostponeReservation
from patient_visit_engine.visit.state import VisitState
from patient_visit_engine.visit.waiting_line import pass_offer_on


class VisitTimer(NamedTuple):
    """The moment at which a visit acts without a message, and what happens then, in words with ids."""

    at: datetime
    reason: str


def decide_due(state: VisitState, now: datetime, call: DoctorCall | None = None) -> Decision | None:
    """The first decision that is due, or None. Call it again after each decision, until it returns None.

    `call` is the last call of the doctor for whom the patient is reserved, when the ledger has said that it is another one.
    """
    if day_is_over(state, now) and state.facts.has_later_than(state.day):
        # The visit of a later day has taken over, and runs the timers.
        return None
    carried, state = carry_over(state, now)
    changes = (
        carried
        or _consultation_changes(state, now)
        or _pause_changes(state, now)
        or _pending_changes(state, now)
        or _line_changes(state, now, call)
    )
    return Decision(changes=changes, at=now) if changes else None


def next_deadline(state: VisitState) -> datetime:
    """When `decide_due` will have a decision, or the day or the visit itself ends, if no message comes first."""
    return next_timer(state).at


def next_timer(state: VisitState) -> VisitTimer:
    """The next deadline, with what happens then."""
    is_closing = state.phase == "closing"
    end = VisitTimer(visit_ends_at(state), "end of the visit") if is_closing else _end_of_day(state)
    if is_closing and state.facts.has_later_than(state.day):
        return end
    timers = [timer for consultation in state.facts.in_progress for timer in _timers_of(consultation)]
    timers += [
        VisitTimer(paused.abandon_at, f"time limit of the pause of doctor {paused.doctor_id}")
        for paused in state.facts.paused
    ]
    timers += [
        VisitTimer(tracking.not_seen_at, f"check-in for appointment {tracking.appointment_id} ends as not seen")
        for tracking in state.facts.pending
        if tracking.not_seen_at is not None
    ]
    if (reservation := state.facts.reservation) is not None:
        timers.append(VisitTimer(reservation.until, f"end of the reservation for doctor {reservation.doctor_id}"))
    return min([*timers, end], key=lambda timer: timer.at)


def _end_of_day(state: VisitState) -> VisitTimer:
    return VisitTimer(state.day_ends_at, "end of the hospital day")


def _timers_of(consultation: Consultation) -> tuple[VisitTimer, VisitTimer]:
    doctor = f"doctor {consultation.doctor_id}"
    return (
        VisitTimer(consultation.remind_at, f"reminder to {doctor}"),
        VisitTimer(consultation.abandon_at, f"time limit of the consultation of {doctor}"),
    )


def day_is_over(state: VisitState, now: datetime) -> bool:
    """Whether the visit's day is over. Then the visit of the new day takes the commands."""
    return now >= state.day_ends_at


def _consultation_changes(state: VisitState, now: datetime) -> tuple[Change, ...]:
    for consultation in state.facts.in_progress:
        if (
            now >= consultation.abandon_at
            and _was_reminded(consultation)
            and not _is_late(consultation.abandon_at, now)
        ):
            return end_and_offer(state, consultation, Outcome.timed_out, now)
        if now >= min(consultation.remind_at, consultation.abandon_at):
            return (RemindHolder(consultation=_remind(consultation, state, now)),)
    return ()


def _was_reminded(consultation: Consultation) -> bool:
    """Whether the doctor was reminded of the present expected end."""
    return consultation.remind_at > consultation.overdue_at


def _is_late(deadline: datetime, now: datetime) -> bool:
    """Whether the time limit passed while no visit ran. The grace period that follows gives people the time to act."""
    return now > deadline + GRACE_AFTER


def _remind(consultation: Consultation, state: VisitState, now: datetime) -> Consultation:
    interval = state.limits.remind_every
    # Skips reminders that were missed, so that a late visit sends one reminder and not many.
    intervals_passed = max(now - consultation.overdue_at, timedelta(0)) // interval
    times = {
        "reminders": consultation.reminders + 1,
        "remind_at": consultation.overdue_at + (intervals_passed + 1) * interval,
    }
    if not _was_reminded(consultation) or now >= consultation.abandon_at:
        times["abandon_at"] = max(consultation.abandon_at, now + interval)
    return consultation.model_copy(update=times)


def _pause_changes(state: VisitState, now: datetime) -> tuple[Change, ...]:
    for paused in state.facts.paused:
        if paused.abandon_at > now:
            continue
        if not _is_late(paused.abandon_at, now):
            return end_and_offer(state, paused, Outcome.timed_out, now)
        later = paused.model_copy(update={"abandon_at": now + state.limits.remind_every})
        return (PostponePauseLimit(consultation=later),)
    return ()


def _pending_changes(state: VisitState, now: datetime) -> tuple[Change, ...]:
    for tracking in state.facts.pending:
        if tracking.not_seen_at is None or tracking.not_seen_at > now:
            continue
        if not (_is_late(tracking.not_seen_at, now) or state.is_awaited(tracking.appointment_id)):
            return (close_as_not_seen(tracking),)
        later = tracking.model_copy(update={"not_seen_at": now + state.limits.remind_every})
        return (PostponeNotSeen(tracking=later),)
    return ()


def _line_changes(state: VisitState, now: datetime, call: DoctorCall | None) -> tuple[Change, ...]:
    reservation = state.facts.reservation
    if reservation is None:
        return offer_to_line(state, state.line(), now) if state.exclusive_consultation() is None else ()
    if reservation.until > now:
        return ()
    if _is_late(reservation.until, now):
        if call is not None and call.appointment_id != reservation.appointment_id:
            # The doctor has called another patient since, and has one call at a time. It costs no place: the doctor could not start.
            ended = EndReservation(reservation=reservation, why="expired")
            return ended, *offer_after(state, reservation.appointment_id, now)
        if reservation.kind is not ReservationKind.offered:
            later = reservation.model_copy(update={"until": now + state.limits.call})
            return (PostponeReservation(reservation=later),)
        until = now + state.limits.offer
        if (place := state.place_for(reservation.appointment_id)) is not None:
            return (OfferPatient(place=place, until=until),)
        if (paused := state.consultation_of(reservation.appointment_id)) is not None:
            return (offer_to_paused(paused, state, until, now),)
    return pass_offer_on(state, reservation, now)

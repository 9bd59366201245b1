"""The rule itself: (state, command, now) -> decision; pure, so it must not know Temporal, SQL, HTTP, a clock or chance."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial, singledispatch
from typing import Any
from uuid import UUID

from visit.codes import CLOSED_APPOINTMENT, AppointmentStatus, Outcome
from visit.commands import (
    Adopt,
    CheckIn,
    CheckOut,
    Command,
    CompleteConsultation,
    ExtendConsultation,
    JoinWaitingLine,
    LeaveWaitingLine,
    ReleaseConsultation,
    Request,
    SetAppointmentStatus,
    StartConsultation,
)
from visit.decisions import (
    AdoptConsultation,
    Answer,
    Change,
    CloseTracking,
    ConsultationEndedWith,
    ConsultationStands,
    Decision,
    EndConsultation,
    JoinLine,
    LeaveLine,
    NoteRefusal,
    NotInLine,
    OpenConsultation,
    OpenTracking,
    PlaceInLine,
    PostponeConsultation,
    Refused,
    StatusStands,
    TrackingStands,
    WriteAppointmentStatus,
)
from visit.line import let_go, serve, taken_up
from visit.refusals import (
    AppointmentClosed,
    AppointmentInProgress,
    AppointmentMismatch,
    NotCheckedIn,
    NotInConsultation,
    NotYours,
    PatientFree,
    PatientInConsultation,
    PatientReserved,
    Refusal,
)
from visit.state import Appointment, Consultation, VisitState, WaitingDoctor

Verdict = tuple[Answer | None, tuple[Change, ...]]


def decide(state: VisitState, command: Command | Adopt, now: datetime) -> Decision:
    """What the visit answers to `command` at `now`, and what is to be recorded; nothing has changed yet."""
    answer, changes = _decide(command, state, now)
    return Decision(answer=answer, changes=changes, at=now)


def mismatch(now: datetime) -> Decision:
    """The appointment was given to another patient or doctor after the request was checked."""
    return Decision(answer=Refused(refusal=AppointmentMismatch()), at=now)


@singledispatch
def _decide(command: Any, state: VisitState, now: datetime) -> Verdict:
    raise TypeError(f"no rule for {type(command).__name__}")


@_decide.register
def start_consultation(command: StartConsultation, state: VisitState, now: datetime) -> Verdict:
    """Grant the start unless the appointment is taken or closed, or an exclusive one meets a busy or reserved patient."""
    mine = command.appointment
    running = state.consultation_of(mine.id)
    if running is not None and running.doctor_id == mine.doctor_id:
        return ConsultationStands(consultation=running), ()
    if running is not None:
        return _refuse_start(mine, AppointmentInProgress(holder=running))
    if mine.status in CLOSED_APPOINTMENT:
        return _refuse_start(mine, AppointmentClosed(status=mine.status))
    if mine.exclusive:
        if (holder := state.exclusive_consultation()) is not None:
            return _refuse_or_wait(command, state, now, partial(PatientInConsultation, holder=holder))
        unused, line = _without_unused_offers(state, now)
        offered, offers = _whose_turn(line, now)
        if offered is not None and offered.doctor_id != mine.doctor_id:
            reserved = partial(PatientReserved, doctor_id=offered.doctor_id, until=offered.offered_until)
            answer, changes = _refuse_or_wait(command, line, now, reserved)
            return answer, (*unused, *changes, *offers)
    return _grant(mine, command.request, state, now)


def _without_unused_offers(state: VisitState, now: datetime) -> tuple[tuple[LeaveLine, ...], VisitState]:
    """The doctors whose offer has run out, and the visit without them: a start can come before the timer that says so."""
    unused = tuple(place for place in state.line() if place.offered_until is not None and place.offered_until <= now)
    if not unused or not state.limits.offer:
        return (), state
    waiting = tuple(place for place in state.facts.waiting if place not in unused)
    line = state.model_copy(update={"facts": state.facts.model_copy(update={"waiting": waiting})})
    return tuple(LeaveLine(place=place, why="passed") for place in unused), line


def _whose_turn(state: VisitState, now: datetime) -> tuple[WaitingDoctor | None, tuple[Change, ...]]:
    """For whom the free patient is kept, and the offer that has yet to say so to the head of a line not served."""
    if (offered := state.reservation(now)) is not None:
        return offered, ()
    if not state.limits.offer or not (offers := serve(state, state.line(), now)):
        return None, ()
    # A consultation that another day's visit ended frees the patient before this visit's line has heard of it:
    # without this whoever presses Start in that moment would go before those who waited.
    return offers[0].place, offers


def _grant(mine: Appointment, request: Request, state: VisitState, now: datetime) -> Verdict:
    due = now + timedelta(minutes=mine.expected_minutes)
    begun = Consultation(
        # From the request and not from chance: whatever is run again begins the same consultation.
        id=str(UUID(request.id[:32])),
        patient_id=mine.patient_id,
        doctor_id=mine.doctor_id,
        appointment_id=mine.id,
        prestation_id=mine.prestation_id,
        exclusive=mine.exclusive,
        day=state.day,
        started_at=now,
        overdue_at=due,
        remind_at=due,
        abandon_at=now + state.limits.abandon_after,
    )
    changes = (OpenConsultation(consultation=begun), *taken_up(state, begun))
    return ConsultationStands(consultation=begun, created=True), changes


def _refuse_start(mine: Appointment, refusal: Refusal) -> Verdict:
    return Refused(refusal=refusal), (NoteRefusal(appointment=mine, refusal=refusal),)


def _refuse_or_wait(
    command: StartConsultation,
    state: VisitState,
    now: datetime,
    refusal: Callable[..., PatientInConsultation | PatientReserved],
) -> Verdict:
    mine = command.appointment
    position = state.place_of(mine.doctor_id)
    joined: tuple[Change, ...] = ()
    if command.wait and position is None:
        position, joined = len(state.line()) + 1, (_join(mine, state, now),)
    answer, noted = _refuse_start(mine, refusal(position=position))
    return answer, (*noted, *joined)


def _join(mine: Appointment, state: VisitState, now: datetime) -> JoinLine:
    return JoinLine(place=WaitingDoctor(doctor_id=mine.doctor_id, appointment_id=mine.id, day=state.day, since=now))


@_decide.register
def complete_consultation(command: CompleteConsultation, state: VisitState, now: datetime) -> Verdict:
    """End the holder's own consultation; a second completion changes nothing."""
    return _end(state, command.consultation_id, command.doctor_id, Outcome.done, now)


@_decide.register
def release_consultation(command: ReleaseConsultation, state: VisitState, now: datetime) -> Verdict:
    """End a consultation that its holder forgot."""
    return _end(state, command.consultation_id, None, Outcome.released, now)


def _end(state: VisitState, consultation_id: str, doctor_id: int | None, outcome: Outcome, now: datetime) -> Verdict:
    running = state.consultation(consultation_id)
    ended = ConsultationEndedWith(consultation_id=consultation_id, accepts=outcome)
    if running is None:
        return ended, ()
    if doctor_id is not None and running.doctor_id != doctor_id:
        return Refused(refusal=NotYours()), ()
    return ended, end_and_serve(state, running, outcome, now)


def end_and_serve(state: VisitState, running: Consultation, outcome: Outcome, now: datetime) -> tuple[Change, ...]:
    """The end of a consultation and, when it freed the patient, the offer to the head of the line."""
    # Past midnight the line that waited is over: it is about to be emptied, and its doctors must not be called.
    served = serve(state, state.line(), now) if running.exclusive and now < state.day_ends_at else ()
    return EndConsultation(consultation=running, outcome=outcome), *served


@_decide.register
def extend_consultation(command: ExtendConsultation, state: VisitState, now: datetime) -> Verdict:
    """Move the expected end, counted from now when it has passed; reminders and abandonment move with it."""
    running = state.consultation(command.consultation_id)
    if running is None:
        return ConsultationEndedWith(consultation_id=command.consultation_id, accepts=None), ()
    if running.doctor_id != command.doctor_id:
        return Refused(refusal=NotYours()), ()
    due = max(now, running.overdue_at) + timedelta(minutes=command.minutes)
    moved = running.model_copy(
        update={"overdue_at": due, "remind_at": due, "abandon_at": now + state.limits.abandon_after}
    )
    return ConsultationStands(consultation=moved), (PostponeConsultation(consultation=moved, minutes=command.minutes),)


@_decide.register
def check_in(command: CheckIn, state: VisitState, now: datetime) -> Verdict:
    """Open a pending tracking, once a day."""
    mine = command.appointment
    if (refusal := _taken_or_closed(mine, state)) is not None:
        return Refused(refusal=refusal), ()
    changes = _check_in(mine, state)
    return TrackingStands(appointment_id=mine.id, created=bool(changes)), changes


def _taken_or_closed(mine: Appointment, state: VisitState) -> Refusal | None:
    if (running := state.consultation_of(mine.id)) is not None:
        return AppointmentInProgress(holder=running)
    return AppointmentClosed(status=mine.status) if mine.status in CLOSED_APPOINTMENT else None


def _check_in(mine: Appointment, state: VisitState) -> tuple[Change, ...]:
    open_tracking = state.tracking_of(mine.id)
    if open_tracking is not None and open_tracking.day == state.day:
        return ()
    # Just after midnight yesterday's check-in may not be closed yet: left open, its own visit would close today's.
    stale = _close_tracking(mine, state, Outcome.not_seen, AppointmentStatus.confirmed)
    return *stale, OpenTracking(appointment=mine)


def _close_tracking(
    mine: Appointment, state: VisitState, outcome: Outcome, status: AppointmentStatus
) -> tuple[Change, ...]:
    if state.tracking_of(mine.id) is None:
        return ()
    return (CloseTracking(appointment_id=mine.id, outcome=outcome, status=status),)


@_decide.register
def check_out(command: CheckOut, state: VisitState, now: datetime) -> Verdict:
    """Close the pending tracking of a patient who left; the appointment is confirmed again."""
    mine = command.appointment
    if (running := state.consultation_of(mine.id)) is not None:
        return Refused(refusal=AppointmentInProgress(holder=running)), ()
    closed = _close_tracking(mine, state, Outcome.cancelled, AppointmentStatus.confirmed)
    if not closed:
        return Refused(refusal=NotCheckedIn()), ()
    return TrackingStands(appointment_id=mine.id), closed


@_decide.register
def set_appointment_status(command: SetAppointmentStatus, state: VisitState, now: datetime) -> Verdict:
    """Set the status as a desk does; `done` ends the asker's own consultation and nobody else's."""
    mine, wanted = command.appointment, command.status
    stands = StatusStands(appointment_id=mine.id, status=wanted)
    if wanted is AppointmentStatus.done:
        return _set_done(command, state, now)
    if (running := state.consultation_of(mine.id)) is not None:
        return Refused(refusal=AppointmentInProgress(holder=running)), ()
    if mine.status is AppointmentStatus.done:
        return Refused(refusal=AppointmentClosed(status=mine.status)), ()
    if wanted is AppointmentStatus.pending:
        if mine.status is AppointmentStatus.canceled:
            return Refused(refusal=AppointmentClosed(status=mine.status)), ()
        return stands, _check_in(mine, state)
    written = _close_tracking(mine, state, Outcome.cancelled, wanted)
    if not written and mine.status is not wanted:
        written = (WriteAppointmentStatus(appointment_id=mine.id, status=wanted),)
    if wanted is AppointmentStatus.canceled:
        written = (*written, *let_go(state, mine.id, "canceled", now))
    return stands, written


def _set_done(command: SetAppointmentStatus, state: VisitState, now: datetime) -> Verdict:
    mine = command.appointment
    stands = StatusStands(appointment_id=mine.id, status=AppointmentStatus.done)
    running = state.consultation_of(mine.id)
    if running is None and mine.status is not AppointmentStatus.done:
        return Refused(refusal=NotInConsultation()), ()
    if command.doctor_id != (running or mine).doctor_id:
        return Refused(refusal=NotYours()), ()
    return stands, () if running is None else end_and_serve(state, running, Outcome.done, now)


@_decide.register
def join_waiting_line(command: JoinWaitingLine, state: VisitState, now: datetime) -> Verdict:
    """Give the doctor the last place in the line, or say which one the doctor has."""
    mine = command.appointment
    if (refusal := _taken_or_closed(mine, state)) is not None:
        return Refused(refusal=refusal), ()
    if (position := state.place_of(mine.doctor_id)) is not None:
        return PlaceInLine(position=position), ()
    if not mine.exclusive or (state.exclusive_consultation() is None and state.reservation(now) is None):
        return Refused(refusal=PatientFree()), ()
    return PlaceInLine(position=len(state.line()) + 1), (_join(mine, state, now),)


@_decide.register
def leave_waiting_line(command: LeaveWaitingLine, state: VisitState, now: datetime) -> Verdict:
    """Take the doctor out of the line; an offer that was open passes on."""
    return NotInLine(), let_go(state, command.appointment.id, "left", now)


@_decide.register
def adopt(command: Adopt, state: VisitState, now: datetime) -> Verdict:
    """Keep the timers of consultations that no visit keeps."""
    orphans = (c for c in state.facts.in_progress if c.id in command.consultation_ids and c.day != state.day)
    return None, tuple(AdoptConsultation(consultation=c.model_copy(update={"day": state.day})) for c in orphans)

"""What reception does: check-in, check-out and the appointment's status; pure, it must not know how a start is decided."""

from datetime import datetime

from patient_visit_engine.visit.codes import AppointmentStatus, Outcome
from patient_visit_engine.visit.commands import CheckIn, CheckOut, SetAppointmentStatus
from patient_visit_engine.visit.decisions import (
    Change,
    CloseTracking,
    OpenTracking,
    Refused,
    StatusStands,
    TrackingStands,
    Verdict,
    WriteAppointmentStatus,
)
from patient_visit_engine.visit.ending import end_and_offer
from patient_visit_engine.visit.refusals import (
    AppointmentClosed,
    AppointmentInProgress,
    NotCheckedIn,
    NotInConsultation,
    NotYours,
    appointment_refusal,
)
from patient_visit_engine.visit.state import Appointment, VisitState
from patient_visit_engine.visit.waiting_line import remove_canceled


def check_in(command: CheckIn, state: VisitState, now: datetime) -> Verdict:
    """Open a pending tracking, once a day."""
    mine = command.appointment
    if (refusal := appointment_refusal(mine, state)) is not None:
        return Refused(refusal=refusal), ()
    changes = _check_in(mine, state)
    return TrackingStands(appointment_id=mine.id, created=bool(changes)), changes


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


def check_out(command: CheckOut, state: VisitState, now: datetime) -> Verdict:
    """Close the pending tracking of a patient who left; the appointment is confirmed again."""
    mine = command.appointment
    if (running := state.consultation_of(mine.id)) is not None:
        return Refused(refusal=AppointmentInProgress(holder=running)), ()
    closed = _close_tracking(mine, state, Outcome.cancelled, AppointmentStatus.confirmed)
    if not closed:
        return Refused(refusal=NotCheckedIn()), ()
    return TrackingStands(appointment_id=mine.id), closed


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
        written = (*written, *remove_canceled(state, mine.id, now))
    return stands, written


def _set_done(command: SetAppointmentStatus, state: VisitState, now: datetime) -> Verdict:
    mine = command.appointment
    stands = StatusStands(appointment_id=mine.id, status=AppointmentStatus.done)
    running = state.consultation_of(mine.id)
    if running is None and mine.status is not AppointmentStatus.done:
        return Refused(refusal=NotInConsultation()), ()
    if command.doctor_id != (running or mine).doctor_id:
        return Refused(refusal=NotYours()), ()
    return stands, () if running is None else end_and_offer(state, running, Outcome.done, now)

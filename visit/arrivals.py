"""A patient arrives or leaves: all appointments of the day at once, or none of them."""

from collections.abc import Iterable
from datetime import datetime

from patient_visit_engine.visit.changes import Change, CloseTracking, OpenTracking
from patient_visit_engine.visit.codes import CLOSED_STATUSES, AppointmentStatus, Outcome
from patient_visit_engine.visit.day_appointments import DayAppointment
from patient_visit_engine.visit.decisions import Refused, TrackingsAnswer, Verdict
from patient_visit_engine.visit.patient_commands import (
    CheckInPatient,
    CheckOutPatient,
    UndoCheckInPatient,
    UndoCheckOutPatient,
)
from patient_visit_engine.visit.reception import found_changes
from patient_visit_engine.visit.refusals import (
    AppointmentClosed,
    AppointmentInProgress,
    NotCheckedIn,
    NotCheckedOut,
    NothingOpen,
)
from patient_visit_engine.visit.state import VisitState
from patient_visit_engine.visit.waiting_line import remove_places_for


def check_in_patient(command: CheckInPatient, state: VisitState, now: datetime) -> Verdict:
    """Open a tracking for each appointment of the day that is open and has none. What has one is listed too."""
    day = command.day
    here = {item.id for item in day.items if _has_tracking(item, state)}
    new = tuple(
        item
        for item in day.items
        if item.id not in here
        and item.appointment.status not in CLOSED_STATUSES
        and day.has(item.appointment.scheduled_at)
    )
    listed = here | {item.id for item in new}
    if not listed:
        return Refused(refusal=NothingOpen()), ()
    answer = TrackingsAnswer(
        appointment_ids=tuple(item.id for item in day.items if item.id in listed),
        opened_ids=tuple(item.id for item in new),
    )
    opened = tuple(OpenTracking(appointment=item.appointment) for item in new)
    resets = (change for item in day.items if item.id in listed for change in found_changes(item.appointment))
    return answer, (*opened, *resets)


def check_out_patient(command: CheckOutPatient, state: VisitState, now: datetime) -> Verdict:
    """End all check-ins, because the patient left. Nothing ends while a consultation is open."""
    if (refusal := _in_consultation(state)) is not None:
        return Refused(refusal=refusal), ()
    appointment_ids = tuple(tracking.appointment_id for tracking in state.facts.pending)
    if not appointment_ids:
        return Refused(refusal=NothingOpen()), ()
    closed = tuple(
        CloseTracking(appointment_id=number, outcome=Outcome.left, status=AppointmentStatus.confirmed)
        for number in appointment_ids
    )
    # No doctor waits for a patient who left, also not for an appointment without a check-in.
    awaited = tuple(place.appointment_id for place in state.line())
    reservation = state.facts.reservation
    reserved = () if reservation is None else (reservation.appointment_id,)
    left = remove_places_for(state, (*appointment_ids, *awaited, *reserved), "checked_out", now)
    return _answer(appointment_ids), (*closed, *left)


def undo_check_in_patient(command: UndoCheckInPatient, state: VisitState, now: datetime) -> Verdict:
    """End the check-ins of the day as `mistaken`. The appointments have their earlier statuses again."""
    if (refusal := _in_consultation(state)) is not None:
        return Refused(refusal=refusal), ()
    day = command.day
    arrived = {tracking.appointment_id for tracking in state.facts.pending if day.has(tracking.check_in_time)}
    items = [item for item in day.items if item.id in arrived]
    if items:
        ids = [item.id for item in items]
        closed: list[Change] = [
            CloseTracking(appointment_id=item.id, outcome=Outcome.mistaken, status=item.past.earlier_status)
            for item in items
        ]
        return _answer(ids), (*closed, *remove_places_for(state, ids, "checked_out", now))
    undone = [item for item in day.items if item.ended_as(Outcome.mistaken) and day.has(item.past.ended_at)]
    newest = max((item.past.ended_at for item in undone if item.past.ended_at is not None), default=None)
    if newest is None or state.facts.pending:
        return Refused(refusal=NotCheckedIn()), ()
    return _answer(item.id for item in undone if item.past.ended_at == newest), ()


def undo_check_out_patient(command: UndoCheckOutPatient, state: VisitState, now: datetime) -> Verdict:
    """The patient has not left: what ended with the latest check-out waits again, since its first arrival."""
    day = command.day
    if day.left_at is None:
        return Refused(refusal=NotCheckedOut()), ()
    left = [item for item in day.items if item.ended_as(Outcome.left) and item.past.ended_at == day.left_at]
    here = [item for item in day.items if state.tracking_of(item.id) is not None]
    if not left and here:
        # It was taken back before, or the patient came again.
        return _answer(item.id for item in here), ()
    again = [item for item in left if item.appointment.status not in CLOSED_STATUSES]
    if not again:
        closed = next((item.appointment.status for item in left), None)
        return Refused(refusal=NotCheckedOut() if closed is None else AppointmentClosed(status=closed)), ()
    changes = (OpenTracking(appointment=item.appointment, arrived_at=item.past.check_in_time) for item in again)
    return _answer(item.id for item in again), tuple(changes)


def _answer(appointment_ids: Iterable[int]) -> TrackingsAnswer:
    return TrackingsAnswer(appointment_ids=tuple(appointment_ids))


def _has_tracking(item: DayAppointment, state: VisitState) -> bool:
    return state.tracking_of(item.id) is not None or state.consultation_of(item.id) is not None


def _in_consultation(state: VisitState) -> AppointmentInProgress | None:
    holder = next(iter((*state.facts.in_progress, *state.facts.paused)), None)
    return None if holder is None else AppointmentInProgress(holder=holder)

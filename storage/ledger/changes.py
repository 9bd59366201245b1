"""Writes one change of a decision to its rows, in the caller's transaction."""

from dataclasses import dataclass
from datetime import datetime
from functools import singledispatch

from sqlalchemy import Connection, Update, bindparam, delete, insert, update

from patient_visit_engine.storage.tables import appointments, patient_trackings, reservations, waiting_line
from patient_visit_engine.visit import changes
from patient_visit_engine.visit.codes import AppointmentStatus, Outcome, ReservationKind, TrackingStatus
from patient_visit_engine.visit.record import LedgerEntry
from patient_visit_engine.visit.state import Consultation, PendingTracking, WaitingDoctor

# Built once: building a statement costs more than running it on SQLite.
SET_APPOINTMENT_STATUS = (
    update(appointments).where(appointments.c.id == bindparam("key")).values(status=bindparam("new_status"))
)
INSERT_TRACKING = insert(patient_trackings)
PENDING_OF_APPOINTMENT = (
    update(patient_trackings)
    .where(patient_trackings.c.appointment_id == bindparam("key"))
    .where(patient_trackings.c.status == TrackingStatus.pending.value)
)
RUNNING_CONSULTATION = (
    update(patient_trackings)
    .where(patient_trackings.c.consultation_id == bindparam("key"))
    .where(patient_trackings.c.status == TrackingStatus.in_progress.value)
)
IS_PLACE = (waiting_line.c.person_id == bindparam("person")) & (waiting_line.c.doctor_id == bindparam("doctor"))
INSERT_PLACE = insert(waiting_line)
DELETE_PLACE = delete(waiting_line).where(IS_PLACE)
SET_PLACE = (
    update(waiting_line)
    .where(IS_PLACE)
    .values(
        turn=bindparam("new_turn"),
        unused_offers=bindparam("new_unused_offers"),
        notified_at=bindparam("new_notified_at"),
    )
)
INSERT_RESERVATION = insert(reservations)
DELETE_RESERVATION = delete(reservations).where(reservations.c.person_id == bindparam("person"))

CARRY_TRACKINGS = (
    update(patient_trackings)
    .where(patient_trackings.c.person_id == bindparam("person"))
    .where(patient_trackings.c.status != TrackingStatus.completed.value)
    .where(patient_trackings.c.visit_day < bindparam("day"))
    .values(visit_day=bindparam("day"))
)
CARRY_LINE = (
    update(waiting_line)
    .where(waiting_line.c.person_id == bindparam("person"))
    .where(waiting_line.c.visit_day < bindparam("day"))
    .values(visit_day=bindparam("day"))
)
CARRY_RESERVATION = (
    update(reservations)
    .where(reservations.c.person_id == bindparam("person"))
    .where(reservations.c.visit_day < bindparam("day"))
    .values(visit_day=bindparam("day"))
)


class OvertakenError(Exception):
    """A row to change has changed already: the decision was overtaken, and its transaction is rolled back."""


@dataclass(frozen=True)
class Writer:
    """Writes the rows of one entry, in the caller's transaction."""

    connection: Connection
    entry: LedgerEntry
    person_id: int
    caller_id: int

    @property
    def at(self) -> datetime:
        return self.entry.decision.at

    def update_row(self, statement: Update, key: object, **values: object) -> None:
        """Update the one row that `statement` selects by `key`. Raises `OvertakenError` when it is no longer there."""
        if self.connection.execute(statement, {"key": key, **values}).rowcount != 1:
            raise OvertakenError

    def complete_tracking(self, statement: Update, key: object, outcome: Outcome) -> None:
        """Complete the one tracking that `statement` selects by `key`."""
        completed = TrackingStatus.completed.value
        self.update_row(statement, key, status=completed, outcome=outcome.value, check_out_time=self.at)

    def set_appointment_status(self, appointment_id: int, status: AppointmentStatus) -> None:
        self.update_row(SET_APPOINTMENT_STATUS, appointment_id, new_status=status.value)

    def place_key(self, place: WaitingDoctor) -> dict[str, object]:
        return {"person": self.person_id, "doctor": place.doctor_id}

    def set_place(self, place: WaitingDoctor) -> None:
        """Write the order and the offers of a place. Raises `OvertakenError` when the place is no longer there."""
        values = {
            "new_turn": place.turn,
            "new_unused_offers": place.unused_offers,
            "new_notified_at": place.notified_at,
        }
        if self.connection.execute(SET_PLACE, self.place_key(place) | values).rowcount != 1:
            raise OvertakenError


@singledispatch
def apply(change: changes.Change, writer: Writer) -> None:
    """Write the rows of `change`."""
    raise TypeError(f"no rows are defined for {type(change).__name__}")


@apply.register
def _open_consultation(change: changes.OpenConsultation, writer: Writer) -> None:
    consultation = change.consultation
    values = {
        "status": TrackingStatus.in_progress.value,
        "visit_day": consultation.day,
        "doctor_id": consultation.doctor_id,
        "prestation_id": consultation.prestation_id,
        "exclusive": consultation.exclusive,
        "consultation_id": consultation.id,
        "started_at": consultation.started_at,
        **_timer_columns(consultation),
    }
    if any(pending.appointment_id == consultation.appointment_id for pending in writer.entry.seen.pending):
        # Only the check-in of this appointment becomes the consultation, not the patient's other check-ins.
        writer.update_row(PENDING_OF_APPOINTMENT, consultation.appointment_id, **values)
    else:
        without_check_in = {
            "patient_id": consultation.patient_id,
            "person_id": writer.person_id,
            "appointment_id": consultation.appointment_id,
            "check_in_time": consultation.started_at,
            "checked_in": False,
            "created_by": writer.caller_id,
        }
        writer.connection.execute(INSERT_TRACKING, values | without_check_in)
    writer.set_appointment_status(consultation.appointment_id, AppointmentStatus.in_progress)


@apply.register
def _end_consultation(change: changes.EndConsultation, writer: Writer) -> None:
    writer.complete_tracking(RUNNING_CONSULTATION, change.consultation.id, change.outcome)
    status = AppointmentStatus.done if change.outcome is Outcome.done else AppointmentStatus.confirmed
    writer.set_appointment_status(change.consultation.appointment_id, status)


@apply.register
def _change_times(change: changes.PostponeConsultation | changes.RemindHolder, writer: Writer) -> None:
    writer.update_row(RUNNING_CONSULTATION, change.consultation.id, **_timer_columns(change.consultation))


def _timer_columns(consultation: Consultation) -> dict[str, object]:
    return {
        "overdue_at": consultation.overdue_at,
        "remind_at": consultation.remind_at,
        "reminders": consultation.reminders,
        "abandon_at": consultation.abandon_at,
    }


@apply.register
def _carry_over(change: changes.CarryOver, writer: Writer) -> None:
    for statement in (CARRY_TRACKINGS, CARRY_LINE, CARRY_RESERVATION):
        writer.connection.execute(statement, {"person": writer.person_id, "day": change.day})
    for tracking in change.pending:
        _set_not_seen_at(tracking, writer)


@apply.register
def _postpone_not_seen(change: changes.PostponeNotSeen, writer: Writer) -> None:
    _set_not_seen_at(change.tracking, writer)


def _set_not_seen_at(tracking: PendingTracking, writer: Writer) -> None:
    writer.update_row(PENDING_OF_APPOINTMENT, tracking.appointment_id, not_seen_at=tracking.not_seen_at)


@apply.register
def _open_tracking(change: changes.OpenTracking, writer: Writer) -> None:
    appointment = change.appointment
    values = {
        "patient_id": appointment.patient_id,
        "person_id": writer.person_id,
        "appointment_id": appointment.id,
        "prestation_id": appointment.prestation_id,
        "doctor_id": appointment.doctor_id,
        "exclusive": appointment.exclusive,
        "visit_day": writer.entry.day,
        "status": TrackingStatus.pending.value,
        "check_in_time": writer.at,
        "checked_in": True,
        "created_by": writer.caller_id,
        "reminders": 0,
    }
    writer.connection.execute(INSERT_TRACKING, values)
    writer.set_appointment_status(appointment.id, AppointmentStatus.pending)


@apply.register
def _wait_again(change: changes.WaitAgain, writer: Writer) -> None:
    consultation = change.consultation
    values = {
        "patient_id": consultation.patient_id,
        "person_id": writer.person_id,
        "appointment_id": consultation.appointment_id,
        "prestation_id": consultation.prestation_id,
        "doctor_id": consultation.doctor_id,
        "exclusive": consultation.exclusive,
        "visit_day": writer.entry.day,
        "status": TrackingStatus.pending.value,
        "check_in_time": consultation.checked_in_at,
        "checked_in": True,
        "created_by": writer.caller_id,
        "reminders": 0,
    }
    writer.connection.execute(INSERT_TRACKING, values)
    writer.set_appointment_status(consultation.appointment_id, AppointmentStatus.pending)


@apply.register
def _close_tracking(change: changes.CloseTracking, writer: Writer) -> None:
    writer.complete_tracking(PENDING_OF_APPOINTMENT, change.appointment_id, change.outcome)
    writer.set_appointment_status(change.appointment_id, change.status)


@apply.register
def _write_appointment_status(change: changes.WriteAppointmentStatus, writer: Writer) -> None:
    writer.set_appointment_status(change.appointment_id, change.status)


@apply.register
def _join_line(change: changes.JoinLine, writer: Writer) -> None:
    place = change.place
    values = {
        "patient_id": writer.entry.patient_id,
        "doctor_id": place.doctor_id,
        "appointment_id": place.appointment_id,
        "visit_day": place.day,
        "since": place.since,
        "person_id": writer.person_id,
        "turn": place.turn,
        "unused_offers": place.unused_offers,
    }
    writer.connection.execute(INSERT_PLACE, values)


@apply.register
def _leave_line(change: changes.LeaveLine, writer: Writer) -> None:
    writer.connection.execute(DELETE_PLACE, writer.place_key(change.place))


@apply.register
def _offer_patient(change: changes.OfferPatient, writer: Writer) -> None:
    if change.until is None:
        writer.set_place(change.place)
        return
    # An offer that is made again replaces the one before it.
    writer.connection.execute(DELETE_RESERVATION, {"person": writer.person_id})
    values = {
        "person_id": writer.person_id,
        "patient_id": writer.entry.patient_id,
        "kind": ReservationKind.offered.value,
        "doctor_id": change.place.doctor_id,
        "appointment_id": change.place.appointment_id,
        "visit_day": writer.entry.day,
        "since": writer.at,
        "until": change.until,
    }
    writer.connection.execute(INSERT_RESERVATION, values)


@apply.register
def _end_reservation(change: changes.EndReservation, writer: Writer) -> None:
    if writer.connection.execute(DELETE_RESERVATION, {"person": writer.person_id}).rowcount != 1:
        raise OvertakenError


@apply.register
def _move_down(change: changes.MoveDown, writer: Writer) -> None:
    writer.set_place(change.place)
    if change.next_place is not None:
        writer.set_place(change.next_place)


@apply.register
def _withdraw_offer(change: changes.WithdrawOffer, writer: Writer) -> None:
    writer.set_place(change.place)


@apply.register
def _note_refusal(change: changes.NoteRefusal, writer: Writer) -> None:
    """A refused start changes no row. It has a timeline row and an answer, and an event if the patient is in consultation."""


@apply.register
def _note_rescue(change: changes.NoteRescue, writer: Writer) -> None:
    """A rescue changes no row. It has a timeline row."""

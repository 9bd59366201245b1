"""The statements on a patient's rows, and the writer that runs them for one decision."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, Insert, Update, bindparam, delete, insert, update

from patient_visit_engine.storage.tables import appointments, patient_trackings, reservations, waiting_line
from patient_visit_engine.visit.codes import AppointmentStatus, Outcome, TrackingStatus
from patient_visit_engine.visit.record import LedgerEntry
from patient_visit_engine.visit.state import WaitingDoctor

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

    def carry_over(self, day: date) -> None:
        """Give everything that is open from earlier days to this day's visit."""
        for statement in (CARRY_TRACKINGS, CARRY_LINE, CARRY_RESERVATION):
            self.connection.execute(statement, {"person": self.person_id, "day": day})

    def set_appointment_status(self, appointment_id: int, status: AppointmentStatus) -> None:
        self.update_row(SET_APPOINTMENT_STATUS, appointment_id, new_status=status.value)

    def set_place(self, place: WaitingDoctor) -> None:
        """Write the order and the offers of a place. Raises `OvertakenError` when the place is no longer there."""
        values = {
            "new_turn": place.turn,
            "new_unused_offers": place.unused_offers,
            "new_notified_at": place.notified_at,
        }
        if self.connection.execute(SET_PLACE, self._place_key(place) | values).rowcount != 1:
            raise OvertakenError

    def delete_place(self, place: WaitingDoctor) -> None:
        self.connection.execute(DELETE_PLACE, self._place_key(place))

    def delete_reservation(self) -> bool:
        """Delete the patient's reservation. Returns whether there was one."""
        return self.connection.execute(DELETE_RESERVATION, {"person": self.person_id}).rowcount == 1

    def insert_row(self, statement: Insert, values: Mapping[str, object]) -> None:
        """Insert a row about the patient."""
        about = {"patient_id": self.entry.patient_id, "person_id": self.person_id}
        self.connection.execute(statement, {**values, **about})

    def _place_key(self, place: WaitingDoctor) -> dict[str, object]:
        return {"person": self.person_id, "doctor": place.doctor_id}

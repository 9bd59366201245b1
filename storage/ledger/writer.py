"""Writes the rows of one decision to the database, and to the rows in memory that the ledger has read."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    SmallInteger,
    String,
    Table,
    Update,
    and_,
    bindparam,
    case,
    delete,
    insert,
    literal_column,
    update,
)

from patient_visit_engine.storage.call_ends import columns_of_ended_call
from patient_visit_engine.storage.facts import OPEN_ROWS
from patient_visit_engine.storage.ledger.errors import OvertakenError
from patient_visit_engine.storage.ledger.stored_state import StoredState
from patient_visit_engine.storage.ledger.ticketing import Ticket
from patient_visit_engine.storage.open_rows import OpenRows
from patient_visit_engine.storage.prepared_statements import PreparedWrite
from patient_visit_engine.storage.row_unions import Columns, fetch_parts
from patient_visit_engine.storage.tables import appointments, patient_trackings, reservations, waiting_line
from patient_visit_engine.storage.tables.columns import Timestamp
from patient_visit_engine.storage.tracking_conditions import IS_OPEN, has_outcome, has_status
from patient_visit_engine.visit.appointment import Appointment
from patient_visit_engine.visit.calendar import to_millisecond
from patient_visit_engine.visit.codes import BEFORE_ARRIVAL, AppointmentStatus, CancelReason, Outcome, TrackingStatus
from patient_visit_engine.visit.facts import Consultation, Reservation, WaitingDoctor
from patient_visit_engine.visit.record import LedgerEntry


class OpenTrackingKey(NamedTuple):
    """Selects one open tracking by a column, and updates it."""

    status: TrackingStatus
    column: str
    update: PreparedWrite

    @classmethod
    def of(cls, status: TrackingStatus, column: str) -> "OpenTrackingKey":
        """The key of the tracking with this status."""
        is_tracking = patient_trackings.c[column] == bindparam("key")
        return cls(status, column, PreparedWrite(update(patient_trackings).where(is_tracking, has_status(status))))


NEW_STATUS = bindparam("new_status", type_=SmallInteger())
STATUSES_BEFORE: list[ColumnElement[int]] = [literal_column(str(status.value)) for status in sorted(BEFORE_ARRIVAL)]
IS_ARRIVAL = and_(appointments.c.status.in_(STATUSES_BEFORE), NEW_STATUS.not_in(STATUSES_BEFORE))
CANCELED_AT: BindParameter[datetime] = bindparam("canceled_at", type_=Timestamp())
# Built once: building a statement costs more than running it on SQLite.
SET_APPOINTMENT_STATUS = (
    update(appointments)
    .where(appointments.c.id == bindparam("key"))
    .values(
        status=NEW_STATUS,
        earlier_status=case((IS_ARRIVAL, appointments.c.status), else_=appointments.c.earlier_status),
        canceled_at=CANCELED_AT,
        cancel_reason=bindparam("cancel_reason", type_=String()),
        version=appointments.c.version + 1,
    )
)
DECIDED_AT = bindparam("decided_at", type_=Timestamp())
#: A decision made here is newer than what other systems sent before, so that an older message does not undo it.
NEWEST_AS_OF = case((appointments.c.as_of > DECIDED_AT, appointments.c.as_of), else_=DECIDED_AT)
#: A call that reserves nothing must not go on when the cancellation is undone.
CANCEL_APPOINTMENT = SET_APPOINTMENT_STATUS.values(columns_of_ended_call(CANCELED_AT))
DECIDE_STATUS = PreparedWrite(SET_APPOINTMENT_STATUS.values(as_of=NEWEST_AS_OF))
WRITE_STATUS = PreparedWrite(SET_APPOINTMENT_STATUS)
#: The patient has not left after all, so the status before the arrival stays.
DECIDE_RETURN = PreparedWrite(
    SET_APPOINTMENT_STATUS.values(as_of=NEWEST_AS_OF, earlier_status=appointments.c.earlier_status)
)
DECIDE_CANCELLATION = PreparedWrite(CANCEL_APPOINTMENT.values(as_of=NEWEST_AS_OF))
WRITE_CANCELLATION = PreparedWrite(CANCEL_APPOINTMENT)
SET_PRIORITY = PreparedWrite(
    update(appointments)
    .where(appointments.c.id == bindparam("key"))
    .values(priority=bindparam("new_priority", type_=SmallInteger()))
)
INSERT_TRACKING = PreparedWrite(insert(patient_trackings))
PENDING_OF_APPOINTMENT = OpenTrackingKey.of(TrackingStatus.pending, "appointment_id")
RUNNING_CONSULTATION = OpenTrackingKey.of(TrackingStatus.in_progress, "consultation_id")
PAUSED_CONSULTATION = OpenTrackingKey.of(TrackingStatus.paused, "consultation_id")
IS_PLACE = (waiting_line.c.person_id == bindparam("person")) & (waiting_line.c.doctor_id == bindparam("doctor"))
REOPEN_TRACKING = (
    update(patient_trackings)
    .where(
        patient_trackings.c.consultation_id == bindparam("key"),
        patient_trackings.c.person_id == bindparam("person"),
        has_outcome(Outcome.done),
    )
    .values(paused_seconds=patient_trackings.c.paused_seconds + bindparam("ended_seconds"))
)
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


def _carry(table: Table) -> Update:
    """Gives the person's rows of earlier days to the day."""
    is_earlier = (table.c.person_id == bindparam("person")) & (table.c.visit_day < bindparam("day"))
    return update(table).where(is_earlier).values(visit_day=bindparam("day"))


CARRY_TRACKINGS = _carry(patient_trackings).where(IS_OPEN)
CARRY_PLACES = _carry(waiting_line)
CARRY_RESERVATION = _carry(reservations)
#: The columns of a tracking that a new row does not have.
NO_VALUES: Columns = dict.fromkeys(patient_trackings.c.keys())


@dataclass(frozen=True)
class Writer:
    """Writes the rows of one entry, in the caller's transaction. Each row is changed in `stored.rows` as in the database."""

    connection: Connection
    entry: LedgerEntry
    stored: StoredState

    @property
    def at(self) -> datetime:
        return self.entry.decision.at

    @property
    def asking_time(self) -> datetime | None:
        """The database's time, because requests have it too. None when a timer decided."""
        request = self.stored.request_row
        return None if request is None else request.now

    @property
    def _person(self) -> dict[str, object]:
        return {"person": self.stored.person_id}

    def _about_patient(self, columns: Columns) -> dict[str, object]:
        # The record of the appointment. A separation finds by it what was recorded under a retired record.
        record_id = self.stored.rows.record_ids[columns["appointment_id"]]
        return {"patient_id": record_id, "person_id": self.stored.person_id}

    def insert_tracking(self, values: Mapping[str, object]) -> None:
        """Insert an open tracking of the patient. The caller of the entry is its creator."""
        columns = {**_stored(values), "created_by": self.stored.caller_id}
        columns |= self._about_patient(columns)
        ticket = self.stored.ticket
        if ticket is not None and ticket.has_text:
            columns |= ticket.columns
        tracking_id = INSERT_TRACKING.insert_row(self.connection, columns)
        if ticket is not None:
            # The answer needs the placeholder, and the database writes the text when the log's head is advanced.
            columns |= ticket.columns
            if not ticket.has_text:
                ticket.tracking_ids.append(tracking_id)
        appointment = {"scheduled_at": self.stored.rows.scheduled_at[columns["appointment_id"]]}
        caller = {"created_by_text": self.stored.created_by_text}
        self.stored.rows.trackings.append({**NO_VALUES, **columns, **appointment, **caller, "id": tracking_id})

    def insert_pending(
        self, source: Appointment | Consultation, appointment_id: int, doctor_id: int, arrived_at: datetime | None
    ) -> None:
        """The patient waits for this doctor since `arrived_at`. `source` has the prestation."""
        values = {
            "appointment_id": appointment_id,
            "prestation_id": source.prestation_id,
            "doctor_id": doctor_id,
            "exclusive": source.exclusive,
            "visit_day": self.entry.day,
            "status": TrackingStatus.pending.value,
            "check_in_time": arrived_at,
            "checked_in": True,
            "reminders": 0,
        }
        self.insert_tracking(values)

    def update_tracking(self, tracking: OpenTrackingKey, key: object, **values: object) -> None:
        """Update the one tracking that has this key. Raises `OvertakenError` when it is no longer there."""
        row = self.stored.rows.find_tracking(tracking.status, tracking.column, key)
        columns = _stored(values)
        if row is None or tracking.update.execute(self.connection, {"key": key, **columns}).rowcount != 1:
            raise OvertakenError
        row.update(columns)

    def reopen_tracking(self, consultation_id: str, ended_at: datetime, **values: object) -> None:
        """Continue the tracking of this consultation, which was completed at `ended_at`. The time in between counts as a pause.

        Raises `OvertakenError` when it is not completed as done.
        """
        columns = {
            "status": TrackingStatus.in_progress.value,
            "outcome": None,
            "check_out_time": None,
            "merged": False,
            "changed_at": self.asking_time,
            **values,
        }
        # Not less than nothing: the clocks of two servers differ.
        seconds = max(0, round((self.at - ended_at).total_seconds()))
        key = self._person | {"key": consultation_id, "ended_seconds": seconds}
        if self.connection.execute(REOPEN_TRACKING, key | _stored(columns)).rowcount != 1:
            raise OvertakenError
        # The row was not among the open ones that were read.
        self.read_again()

    def complete_tracking(self, tracking: OpenTrackingKey, key: object, outcome: Outcome, **values: object) -> None:
        """Complete the one tracking that has this key, and write these values."""
        completed = TrackingStatus.completed.value
        if outcome is Outcome.transferred:
            values["changed_at"] = self.asking_time
        self.update_tracking(tracking, key, status=completed, outcome=outcome.value, check_out_time=self.at, **values)

    def write_appointment_status(
        self,
        appointment_id: int,
        status: AppointmentStatus,
        *,
        sent_by_feed: bool = False,
        is_return: bool = False,
        cancel_reason: CancelReason | None = None,
    ) -> None:
        """Write the status, with the time when staff have decided it. Raises `OvertakenError` when the appointment is no longer there.

        A time limit and another system of the hospital leave `as_of` as it is. Otherwise a later message of that system, which has
        the time of its export, would change nothing. `is_return`: the patient waits again since an earlier arrival.
        """
        request = self.entry.request
        is_canceled = status is AppointmentStatus.canceled
        values: dict[str, object] = {
            "key": appointment_id,
            "new_status": status.value,
            "canceled_at": self.at if is_canceled else None,
            "cancel_reason": cancel_reason,
        }
        statement = WRITE_CANCELLATION if is_canceled else WRITE_STATUS
        if request is not None and not request.sent_by_feed and not sent_by_feed:
            statement = DECIDE_CANCELLATION if is_canceled else DECIDE_RETURN if is_return else DECIDE_STATUS
            values["decided_at"] = self.at
        if statement.execute(self.connection, values).rowcount != 1:
            raise OvertakenError

    def write_priority(self, appointment_id: int, priority: int | None) -> None:
        """Write the priority. Raises `OvertakenError` when the appointment is no longer there.

        `version` and `as_of` stay: no other system sends a priority, or reads one in the record.
        """
        values = {"key": appointment_id, "new_priority": priority}
        if SET_PRIORITY.execute(self.connection, values).rowcount != 1:
            raise OvertakenError

    def carry_over(self, day: date) -> None:
        """Give everything that is open from earlier days to this day's visit. The trackings get the ticket of the day."""
        rows = self.stored.rows
        earlier_trackings = [row for row in rows.open_trackings if row["visit_day"] < day]
        for statement, open_rows in (
            (CARRY_TRACKINGS, rows.open_trackings),
            (CARRY_PLACES, rows.places),
            (CARRY_RESERVATION, rows.reservations),
        ):
            if earlier := [row for row in open_rows if row["visit_day"] < day]:
                self.connection.execute(statement, self._person | {"day": day})
                for row in earlier:
                    row["visit_day"] = day
        if (ticket := self.stored.ticket) is not None and earlier_trackings:
            self._give_ticket(ticket, earlier_trackings)

    def _give_ticket(self, ticket: Ticket, trackings: list[Columns]) -> None:
        for row in trackings:
            row.update(ticket.columns)
        tracking_ids = [row["id"] for row in trackings]
        if ticket.has_text:
            of_trackings = update(patient_trackings).where(patient_trackings.c.id.in_(tracking_ids))
            self.connection.execute(of_trackings.values(ticket.columns))
        else:
            ticket.tracking_ids.extend(tracking_ids)

    def read_again(self) -> None:
        """Read what is open for the patient. Only a merge and a reopening need it: they give the patient rows that were not read before."""
        parts = fetch_parts(self.connection, OPEN_ROWS, {"patient_id": self.entry.patient_id})
        self.stored.rows.replace(OpenRows.from_parts(parts))
        self.stored.names.add(parts)

    def insert_place(self, place: WaitingDoctor) -> None:
        """Insert a place in the line."""
        columns = _stored({**place.model_dump(exclude={"day", "notified_at"}), "visit_day": place.day})
        columns |= self._about_patient(columns)
        key = self.connection.execute(INSERT_PLACE, columns).inserted_primary_key
        assert key is not None
        self.stored.rows.places.append({**columns, "notified_at": None, "id": key.id})

    def write_place(self, place: WaitingDoctor) -> None:
        """Insert a place in the line, or write the one that the doctor has."""
        if self.stored.rows.find_place(place.doctor_id) is None:
            self.insert_place(place)
        else:
            self.set_place(place)

    def set_place(self, place: WaitingDoctor) -> None:
        """Write the order and the offers of a place. Raises `OvertakenError` when the place is no longer there."""
        row = self.stored.rows.find_place(place.doctor_id)
        columns = _stored({"turn": place.turn, "unused_offers": place.unused_offers, "notified_at": place.notified_at})
        values = self._place_key(place) | {f"new_{name}": value for name, value in columns.items()}
        if row is None or self.connection.execute(SET_PLACE, values).rowcount != 1:
            raise OvertakenError
        row.update(columns)

    def delete_place(self, place: WaitingDoctor) -> None:
        self.connection.execute(DELETE_PLACE, self._place_key(place))
        row = self.stored.rows.find_place(place.doctor_id)
        if row is not None:
            self.stored.rows.places.remove(row)

    def _place_key(self, place: WaitingDoctor) -> dict[str, object]:
        return self._person | {"doctor": place.doctor_id}

    def reserve(self, reservation: Reservation) -> None:
        """Insert the reservation of the patient."""
        columns = _stored({**reservation.model_dump(exclude={"day"}), "visit_day": reservation.day})
        columns["kind"] = reservation.kind.value
        columns |= self._about_patient(columns)
        self.connection.execute(INSERT_RESERVATION, columns)
        self.stored.rows.reservations.append(columns)

    def delete_reservation(self) -> bool:
        """Delete the patient's reservation. Returns whether there was one."""
        if not self.stored.rows.reservations:
            return False
        self.stored.rows.reservations.clear()
        return self.connection.execute(DELETE_RESERVATION, self._person).rowcount == 1


def _stored(values: Mapping[str, object]) -> Columns:
    """The values as the database returns them: times in UTC, with milliseconds."""
    return {name: to_millisecond(value) if isinstance(value, datetime) else value for name, value in values.items()}

"""The open rows of one patient in memory, and the facts that they stand for."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from patient_visit_engine.storage.row_unions import Columns
from patient_visit_engine.storage.trackings import tracking_row
from patient_visit_engine.visit.appointment import Appointment
from patient_visit_engine.visit.codes import ReservationKind, TrackingStatus
from patient_visit_engine.visit.facts import Consultation, Facts, PendingTracking, Reservation, WaitingDoctor
from patient_visit_engine.wire.trackings import TrackingRow


@dataclass(frozen=True)
class OpenRows:
    """The rows that were open when they were read.

    The ledger changes them whenever it writes to the database, so it needs no second query for the facts and the answer after a
    decision. A tracking that is completed stays in `trackings`.
    """

    #: In order of id. A new row comes last, as it does in the database.
    trackings: list[Columns]
    places: list[Columns]
    #: One row at most.
    reservations: list[Columns]
    #: The time of each appointment that was read.
    scheduled_at: dict[int, datetime]
    #: The patient's record that has each of these appointments. It can be a retired one.
    record_ids: dict[int, int]

    @classmethod
    def from_parts(cls, parts: dict[str, list[Columns]]) -> "OpenRows":
        """The rows of the queries `tracking`, `place`, `reservation` and `appointment`, as `fetch_parts` returns them."""
        trackings = sorted(parts.get("tracking", ()), key=lambda row: row["id"])
        scheduled_at = {row["appointment_id"]: row["scheduled_at"] for row in trackings}
        scheduled_at |= {row["id"]: row["scheduled_at"] for row in parts.get("appointment", ())}
        places, reserved = parts.get("place", []), parts.get("reservation", [])
        record_ids = {row["appointment_id"]: row["patient_id"] for row in (*trackings, *places, *reserved)}
        record_ids |= {row["id"]: row["record_id"] for row in parts.get("appointment", ())}
        return cls(trackings, places, reserved, scheduled_at, record_ids)

    @property
    def facts(self) -> Facts:
        """Everything that is open now."""
        line = sorted(self.places, key=lambda row: (row["turn"], row["id"]))
        return Facts(
            in_progress=tuple(map(_consultation, self.running)),
            paused=tuple(map(_consultation, self._with_status(TrackingStatus.paused))),
            pending=tuple(map(_pending_tracking, self._with_status(TrackingStatus.pending))),
            waiting=tuple(map(_place, line)),
            reservation=next(map(_reservation, self.reservations), None),
        )

    @property
    def open_trackings(self) -> list[Columns]:
        """The trackings that are not completed."""
        return [row for row in self.trackings if row["status"] != TrackingStatus.completed.value]

    @property
    def running(self) -> list[Columns]:
        """The consultations in progress."""
        return self._with_status(TrackingStatus.in_progress)

    def _with_status(self, status: TrackingStatus) -> list[Columns]:
        return [row for row in self.trackings if row["status"] == status.value]

    def find_tracking(self, status: TrackingStatus, column: str, key: object) -> Columns | None:
        """The tracking with this status, and this key in that column."""
        return next((row for row in self._with_status(status) if row[column] == key), None)

    def add_appointments(self, appointments: Iterable[Appointment]) -> None:
        """Add what a new tracking of these appointments needs."""
        for appointment in appointments:
            # Only the messages of older programs have no time.
            assert appointment.scheduled_at is not None
            self.scheduled_at[appointment.id] = appointment.scheduled_at
            self.record_ids[appointment.id] = appointment.record

    def reschedule(self, appointment_id: int, scheduled_at: datetime) -> None:
        """Give the appointment another time, also in its trackings."""
        self.scheduled_at[appointment_id] = scheduled_at
        for row in self.trackings:
            if row["appointment_id"] == appointment_id:
                row["scheduled_at"] = scheduled_at

    def replace(self, newer: "OpenRows") -> None:
        """Take over the rows that were read again."""
        self.trackings[:], self.places[:], self.reservations[:] = newer.trackings, newer.places, newer.reservations
        self.scheduled_at.update(newer.scheduled_at)
        self.record_ids.update(newer.record_ids)

    def find_place(self, doctor_id: int) -> Columns | None:
        """The doctor's place in the line."""
        return next((row for row in self.places if row["doctor_id"] == doctor_id), None)

    def tracking_of_consultation(self, consultation_id: str) -> TrackingRow | None:
        """The tracking of this consultation, if it was open when the rows were read."""
        return _latest(row for row in self.trackings if row["consultation_id"] == consultation_id)

    def latest_tracking(self, appointment_id: int) -> TrackingRow | None:
        """The latest tracking of this appointment, if it was open when the rows were read, or is new."""
        return _latest(row for row in self.trackings if row["appointment_id"] == appointment_id)


def _latest(rows: Iterable[Columns]) -> TrackingRow | None:
    row = max(rows, key=lambda row: row["id"], default=None)
    return None if row is None else tracking_row(row)


def _pending_tracking(row: Columns) -> PendingTracking:
    return PendingTracking(
        appointment_id=row["appointment_id"],
        day=row["visit_day"],
        check_in_time=row["check_in_time"],
        scheduled_at=row["scheduled_at"],
        not_seen_at=row["not_seen_at"],
    )


def _consultation(row: Columns) -> Consultation:
    return Consultation(
        id=row["consultation_id"],
        patient_id=row["person_id"],
        doctor_id=row["doctor_id"],
        appointment_id=row["appointment_id"],
        prestation_id=row["prestation_id"],
        exclusive=row["exclusive"],
        day=row["visit_day"],
        started_at=row["started_at"],
        overdue_at=row["overdue_at"],
        remind_at=row["remind_at"],
        reminders=row["reminders"],
        abandon_at=row["abandon_at"],
        checked_in_at=row["check_in_time"] if row["checked_in"] else None,
        changed_at=row["changed_at"],
        paused_at=row["paused_at"],
    )


def _place(row: Columns) -> WaitingDoctor:
    return WaitingDoctor(
        doctor_id=row["doctor_id"],
        appointment_id=row["appointment_id"],
        day=row["visit_day"],
        since=row["since"],
        turn=row["turn"],
        unused_offers=row["unused_offers"],
        notified_at=row["notified_at"],
    )


def _reservation(row: Columns) -> Reservation:
    return Reservation(
        kind=ReservationKind(row["kind"]),
        doctor_id=row["doctor_id"],
        appointment_id=row["appointment_id"],
        day=row["visit_day"],
        until=row["until"],
        since=row["since"],
    )

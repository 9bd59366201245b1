"""Doctors: their records from the hospital's own system, and the rooms in which they sit today."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, select, update

from patient_visit_engine.storage import event_log
from patient_visit_engine.storage.master_data.identifiers import RecordKind
from patient_visit_engine.storage.master_data.records import PutContext, PutResult, find_locked, put_record
from patient_visit_engine.storage.rooms import shown_room
from patient_visit_engine.storage.tables import doctors
from patient_visit_engine.visit.calendar import to_rfc3339
from patient_visit_engine.wire.event_bodies import DoctorUpdated
from patient_visit_engine.wire.event_context import CONSULTATIONS, Event
from patient_visit_engine.wire.event_names import DOCTOR_UPDATED


@dataclass(frozen=True)
class DoctorPut:
    """The new content of a doctor. `room` is where the doctor usually works. An inactive doctor starts nothing new."""

    name: str
    specialization: str | None = None
    room: str | None = None
    active: bool = True


@dataclass(frozen=True)
class RoomPut:
    """The room in which a doctor sits on the day `today`. Without a room, it is the usual one again. `cause` is unique to the request."""

    doctor_id: int
    room: str | None
    today: date
    cause: str
    at: datetime


def put_doctor(connection: Connection, put: PutContext, doctor: DoctorPut, today: date) -> PutResult:
    """Create or change a doctor. A change is published. Raises like `put_record`."""
    publish_change = partial(_publish_change, today=today)
    return put_record(connection, put, RecordKind.doctor, asdict(doctor), on_write=publish_change)


def _publish_change(
    connection: Connection, put: PutContext, stored: Row[Any] | None, _changed: Mapping[str, Any], *, today: date
) -> None:
    # No screen shows a new doctor.
    if stored is not None:
        _publish(connection, put.id, today, put.cause, put.at)


def put_room(connection: Connection, put: RoomPut) -> str | None:
    """Set the room for the day, and return the room that screens show then. A change is published. Raises LookupError."""
    stored = find_locked(connection, doctors, put.doctor_id)
    if stored is None:
        raise LookupError
    room_of_today: str | None = stored.day_room if stored.day_room_on == put.today else None
    if put.room == room_of_today:
        usual_room: str | None = stored.room
        return room_of_today or usual_room
    values = {"day_room": put.room, "day_room_on": put.today}
    connection.execute(update(doctors).where(doctors.c.id == put.doctor_id).values(**values))
    return _publish(connection, put.doctor_id, put.today, put.cause, put.at)


def _publish(connection: Connection, doctor_id: int, today: date, cause: str, at: datetime) -> str | None:
    """Publish how a changed doctor is shown now, and return the shown room."""
    shown = select(doctors, shown_room(today).label("shown_room")).where(doctors.c.id == doctor_id)
    doctor = connection.execute(shown).one()
    data: DoctorUpdated = {
        "doctor_id": doctor_id,
        "doctor_name": doctor.name,
        "specialization": doctor.specialization,
        "room": doctor.shown_room,
        "active": doctor.active,
        "message": f"{doctor.name} has new details",
        "timestamp": to_rfc3339(at),
    }
    # Last, because its events lock the head of the log until the commit.
    event_log.append(connection, [Event(DOCTOR_UPDATED, CONSULTATIONS, f"{DOCTOR_UPDATED}/{cause}", data, None)], at)
    room: str | None = doctor.shown_room
    return room

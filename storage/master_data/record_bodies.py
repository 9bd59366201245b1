"""Reads a record as clients see it: its fields, version and identifiers."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import Any

from sqlalchemy import Connection, Row, select

from patient_visit_engine.storage.master_data.identifiers import TABLES, Identifier, RecordKind, read_shown_identifiers
from patient_visit_engine.storage.rooms import shown_room
from patient_visit_engine.storage.shown_records import SHOWN_NUMBER
from patient_visit_engine.storage.tables import appointments, patients
from patient_visit_engine.visit.calendar import to_rfc3339
from patient_visit_engine.visit.codes import AppointmentStatus
from patient_visit_engine.wire import master_data_bodies
from patient_visit_engine.wire.field_types import status_name

RecordBody = (
    master_data_bodies.StoredPatient
    | master_data_bodies.StoredDoctor
    | master_data_bodies.StoredPrestation
    | master_data_bodies.StoredAppointment
)


def read_body(connection: Connection, kind: RecordKind, record_id: int, today: date) -> RecordBody | None:
    """Return the record as the body of an answer, or None when it does not exist."""
    return next(iter(read_bodies(connection, kind, [record_id], today)), None)


def read_bodies(
    connection: Connection, kind: RecordKind, record_ids: Sequence[int], today: date | None = None
) -> list[RecordBody]:
    """Return the records as the bodies of an answer, in this order. A record that does not exist is left out.

    Doctors need `today`, for the rooms in which they sit.
    """
    table = TABLES[kind]
    query = select(table).where(table.c.id.in_(record_ids))
    if kind is RecordKind.patient:
        query = query.add_columns(SHOWN_NUMBER.label("shown_number"))
    if kind is RecordKind.doctor:
        assert today is not None, "doctors are shown with today's rooms"
        query = query.add_columns(shown_room(today).label("shown_room"))
    if kind is RecordKind.appointment:
        # A retired record stands for its survivor.
        query = query.add_columns(patients.c.person_id).join(patients, patients.c.id == appointments.c.patient_id)
    rows = {row.id: row for row in connection.execute(query)}
    identifiers = read_shown_identifiers(connection, kind, rows)
    return [_body(kind, rows[number], identifiers[number]) for number in record_ids if number in rows]


def _body(kind: RecordKind, row: Row[Any], identifiers: Iterable[Identifier]) -> RecordBody:
    names: list[master_data_bodies.Identifier] = [
        {"system": identifier.system, "value": identifier.value} for identifier in identifiers
    ]
    return BODIES[kind](row, {"version": row.version, "identifiers": names})


def _patient(row: Row[Any], record: master_data_bodies.StoredRecord) -> master_data_bodies.StoredPatient:
    return {
        "id": row.id,
        "first_name": row.first_name,
        "last_name": row.last_name,
        "birth_date": row.birth_date,
        "sex": row.sex,
        "record_number": row.shown_number,
        **record,
    }


def _doctor(row: Row[Any], record: master_data_bodies.StoredRecord) -> master_data_bodies.StoredDoctor:
    return {
        "id": row.id,
        "name": row.name,
        "specialization": row.specialization,
        "room": row.room,
        "room_today": row.shown_room,
        "active": row.active,
        **record,
    }


def _prestation(row: Row[Any], record: master_data_bodies.StoredRecord) -> master_data_bodies.StoredPrestation:
    return {
        "id": row.id,
        "name": row.name,
        "exclusive": row.exclusive,
        "expected_minutes": row.expected_minutes,
        "active": row.active,
        **record,
    }


def _appointment(row: Row[Any], record: master_data_bodies.StoredRecord) -> master_data_bodies.StoredAppointment:
    return {
        "id": row.id,
        "patient_id": row.person_id,
        "doctor_id": row.doctor_id,
        "prestation_id": row.prestation_id,
        "scheduled_at": to_rfc3339(row.scheduled_at),
        "status": status_name(AppointmentStatus(row.status)),
        "expected_minutes": row.expected_minutes,
        **record,
    }


BODIES: dict[RecordKind, Callable[[Row[Any], master_data_bodies.StoredRecord], RecordBody]] = {
    RecordKind.patient: _patient,
    RecordKind.doctor: _doctor,
    RecordKind.prestation: _prestation,
    RecordKind.appointment: _appointment,
}

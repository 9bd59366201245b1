"""Appointments from the hospital's own system.

An appointment that a visit uses can be changed only in a limited way: see `_check_replaceable`.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Row, or_, select

from patient_visit_engine.storage import event_log
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.inserting import insert_if_new
from patient_visit_engine.storage.master_data.records import PutContext, read_locked, update_if_different
from patient_visit_engine.storage.tables import (
    appointments,
    doctors,
    patient_trackings,
    patients,
    prestations,
    waiting_line,
)
from patient_visit_engine.visit.changes import WriteAppointmentStatus
from patient_visit_engine.visit.codes import AppointmentStatus, TrackingStatus
from patient_visit_engine.wire.event_context import EventContext
from patient_visit_engine.wire.events import events_of
from patient_visit_engine.wire.person_names import full_name


class UnknownReferenceError(Exception):
    """An appointment refers to a record that does not exist. `field` is the name of the reference."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field


class NotReplaceableError(Exception):
    """The appointment cannot be replaced in this way, because a visit uses it or it is done. `code` is the reason."""

    def __init__(self, code: Literal["tracking_open", "appointment_closed", "doctor_waiting"]) -> None:
        super().__init__(code)
        self.code = code


class AppointmentMovedError(Exception):
    """The appointment has got another patient, who is not locked. Roll back and put it again."""


@dataclass(frozen=True)
class AppointmentPut:
    """The new content of an appointment. Without a status it keeps its status, or gets `scheduled` when it is new."""

    patient_id: int
    doctor_id: int
    prestation_id: int
    scheduled_at: datetime
    status: AppointmentStatus | None


async def write_appointment(
    database: Database, put: PutContext, appointment: AppointmentPut
) -> tuple[bool, AppointmentStatus]:
    """Run `put_appointment` in a transaction. Another move of the appointment can come first. Then run it again."""
    while True:
        try:
            return await database.write(put_appointment, put, appointment)
        except AppointmentMovedError:
            # Each repetition follows another commit, so it ends.
            continue


def put_appointment(
    connection: Connection, put: PutContext, appointment: AppointmentPut
) -> tuple[bool, AppointmentStatus]:
    """Create or replace an appointment. Returns whether it was created, and its status.

    Raises UnknownReferenceError, NotReplaceableError or AppointmentMovedError. The caller must roll back.
    """
    names = _lock_patients(connection, put.id, appointment.patient_id)
    _check_references(connection, appointment)
    status = AppointmentStatus.scheduled if appointment.status is None else appointment.status
    values: dict[str, Any] = {
        "patient_id": appointment.patient_id,
        "doctor_id": appointment.doctor_id,
        "prestation_id": appointment.prestation_id,
        "scheduled_at": appointment.scheduled_at,
    }
    created = insert_if_new(connection, appointments, id=put.id, status=status.value, **values)
    if not created:
        stored = read_locked(connection, appointments, put.id)
        if stored.patient_id not in names:
            raise AppointmentMovedError
        status = AppointmentStatus(stored.status) if appointment.status is None else appointment.status
        _check_replaceable(connection, stored, appointment, status)
        if not update_if_different(connection, appointments, stored, values | {"status": status.value}):
            return False, status
        if stored.patient_id != appointment.patient_id:
            _publish(connection, put, stored.patient_id, names[stored.patient_id], status, "/moved")
    _publish(
        connection, put, appointment.patient_id, names[appointment.patient_id], status, doctor=appointment.doctor_id
    )
    return created, status


def _lock_patients(connection: Connection, appointment_id: int, patient_id: int) -> dict[int, str]:
    """Lock the new patient and the present patient of the appointment. Returns their names by id."""
    present = select(appointments.c.patient_id).where(appointments.c.id == appointment_id).scalar_subquery()
    query = select(patients.c.id, patients.c.first_name, patients.c.last_name).where(
        or_(patients.c.id == patient_id, patients.c.id == present)
    )
    # In order of id. Otherwise two moves in opposite directions would lock the patients in opposite order.
    rows = connection.execute(query.order_by(patients.c.id).with_for_update(key_share=True))
    names = {row.id: full_name(row.first_name, row.last_name) for row in rows}
    if patient_id not in names:
        raise UnknownReferenceError("patient_id")
    return names


def _check_references(connection: Connection, appointment: AppointmentPut) -> None:
    for field, table, record_id in (
        ("doctor_id", doctors, appointment.doctor_id),
        ("prestation_id", prestations, appointment.prestation_id),
    ):
        if connection.scalar(select(table.c.id).where(table.c.id == record_id)) is None:
            raise UnknownReferenceError(field)


def _check_replaceable(
    connection: Connection, stored: Row[Any], appointment: AppointmentPut, status: AppointmentStatus
) -> None:
    """Raise NotReplaceableError for an appointment that is done or has an open tracking.

    While a doctor waits for it, the appointment keeps its patient and doctor and cannot be canceled. Its time and prestation may
    change.
    """
    of_appointment = patient_trackings.c.appointment_id == stored.id
    is_open = patient_trackings.c.status != TrackingStatus.completed.value
    if connection.scalar(select(patient_trackings.c.id).where(of_appointment, is_open)) is not None:
        raise NotReplaceableError("tracking_open")
    if stored.status == AppointmentStatus.done:
        raise NotReplaceableError("appointment_closed")
    moved = (stored.patient_id, stored.doctor_id) != (appointment.patient_id, appointment.doctor_id)
    if moved or status is AppointmentStatus.canceled:
        place = select(waiting_line.c.id).where(waiting_line.c.appointment_id == stored.id)
        # Only a visit changes the waiting line. A place for an appointment that is gone would get a useless offer.
        if connection.scalar(place) is not None:
            raise NotReplaceableError("doctor_waiting")


def _publish(
    connection: Connection,
    put: PutContext,
    patient_id: int,
    patient: str,
    status: AppointmentStatus,
    step: str = "",
    doctor: int | None = None,
) -> None:
    doctors_of_appointments = {} if doctor is None else {put.id: doctor}
    context = EventContext(patient_id, patient, {}, {}, put.at, put.cause + step, doctors_of_appointments)
    new_events = list(events_of(WriteAppointmentStatus(appointment_id=put.id, status=status), context))
    event_log.append(connection, new_events, put.at)

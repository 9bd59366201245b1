"""Appointments from the hospital's own system.

An appointment for which nothing is open is written directly, under the lock of its patient. So a feed of many appointments opens no
visits. When something is open for it (a tracking, a place in line, a reservation), the change is a command of the patient's visit.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, exists, or_, select

from patient_visit_engine.storage import event_log
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.facts import IDENTITY_COLUMNS, read_appointment
from patient_visit_engine.storage.inserting import insert_if_new
from patient_visit_engine.storage.master_data.records import PutContext, read_locked, update_if_different
from patient_visit_engine.storage.tables import (
    appointments,
    doctors,
    patient_trackings,
    patients,
    prestations,
    reservations,
    waiting_line,
)
from patient_visit_engine.visit.appointment_changes import change_refusal, effective_fields
from patient_visit_engine.visit.changes import Change, RewriteAppointment, WriteAppointmentStatus
from patient_visit_engine.visit.codes import AppointmentStatus, TrackingStatus
from patient_visit_engine.visit.state import Appointment, AppointmentFields
from patient_visit_engine.wire.event_context import EventContext
from patient_visit_engine.wire.events import events_of
from patient_visit_engine.wire.patient_identity import PatientIdentity


class UnknownReferenceError(Exception):
    """An appointment refers to a record that does not exist. `field` is the name of the reference."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field


class InactiveReferenceError(Exception):
    """A new or moved appointment refers to an inactive doctor or prestation. `field` is the name of the reference."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field


class NotReplaceableError(Exception):
    """The appointment cannot be changed in this way. `code` is the reason."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class OpenInVisitError(Exception):
    """Something is open for the appointment, so its patient's visit decides on the change. Roll back."""


class AppointmentMovedError(Exception):
    """The appointment has got another patient, who is not locked. Roll back and put it again."""


@dataclass(frozen=True)
class AppointmentPut:
    """The fields to change. None: the field stays as it is.

    A new appointment needs all of them except `status` (then it is `scheduled`) and `expected_minutes` (those of its prestation).
    """

    patient_id: int | None = None
    doctor_id: int | None = None
    prestation_id: int | None = None
    scheduled_at: datetime | None = None
    status: AppointmentStatus | None = None
    expected_minutes: int | None = None

    @property
    def fields(self) -> AppointmentFields:
        """The same fields, as the rules of a visit use them."""
        return AppointmentFields(**vars(self))


@dataclass(frozen=True)
class StoredAppointment:
    """The appointment after a PUT. `created`: this PUT has created it."""

    created: bool
    appointment: Appointment


async def write_appointment(database: Database, put: PutContext, appointment: AppointmentPut) -> StoredAppointment:
    """Run `put_appointment` in a transaction. Another move of the appointment can come first. Then run it again."""
    while True:
        try:
            return await database.write(put_appointment, put, appointment)
        except AppointmentMovedError:
            # Each repetition follows another commit, so it ends.
            continue


def put_appointment(connection: Connection, put: PutContext, appointment: AppointmentPut) -> StoredAppointment:
    """Create or change an appointment.

    Raises UnknownReferenceError, InactiveReferenceError, NotReplaceableError, OpenInVisitError or AppointmentMovedError. The caller
    must roll back.
    """
    locked = _lock_patients(connection, put.id, appointment.patient_id)
    inactive = _check_references(connection, appointment)
    if _create(connection, put.id, appointment):
        _refuse_inactive(inactive, appointment.fields)
        present = _read(connection, put.id)
        _publish(connection, put, present, locked, WriteAppointmentStatus(appointment_id=put.id, status=present.status))
        return StoredAppointment(created=True, appointment=present)
    stored = read_locked(connection, appointments, put.id)
    if stored.patient_id not in locked:
        raise AppointmentMovedError
    present = _read(connection, put.id)
    _refuse_inactive(inactive, effective_fields(appointment.fields, present))
    fields = _fields_to_write(connection, appointment.fields, present)
    if not fields.names:
        return StoredAppointment(created=False, appointment=present)
    update_if_different(connection, appointments, stored, _columns(fields))
    _publish(connection, put, present, locked, RewriteAppointment(appointment=present, new_fields=fields))
    return StoredAppointment(created=False, appointment=present.changed(fields))


def _create(connection: Connection, appointment_id: int, put: AppointmentPut) -> bool:
    """Create the appointment. Returns False when it exists already, or when not all fields that it needs are sent."""
    if None in (put.patient_id, put.doctor_id, put.prestation_id, put.scheduled_at):
        return False
    status = AppointmentStatus.scheduled.value
    return insert_if_new(connection, appointments, id=appointment_id, **{"status": status, **_columns(put.fields)})


def _read(connection: Connection, appointment_id: int) -> Appointment:
    appointment = read_appointment(connection, appointment_id)
    assert appointment is not None, "no program deletes appointments"
    return appointment


def _fields_to_write(connection: Connection, sent: AppointmentFields, present: Appointment) -> AppointmentFields:
    """The fields that change. Raises OpenInVisitError when a visit must decide on them, and NotReplaceableError."""
    if not effective_fields(sent, present).names:
        return AppointmentFields()
    is_tracked, is_awaited = _read_open(connection, present.id)
    fields = effective_fields(sent, present, is_tracked=is_tracked)
    if fields.names and (is_tracked or is_awaited):
        raise OpenInVisitError
    if (refusal := change_refusal(fields, present.status)) is not None:
        raise NotReplaceableError(refusal.code)
    return fields


def _lock_patients(connection: Connection, appointment_id: int, patient_id: int | None) -> dict[int, PatientIdentity]:
    """Lock the new patient and the present patient of the appointment. Returns them by id."""
    present = select(appointments.c.patient_id).where(appointments.c.id == appointment_id).scalar_subquery()
    is_locked = patients.c.id == present
    if patient_id is not None:
        is_locked = or_(patients.c.id == patient_id, is_locked)
    query = select(patients.c.id, *IDENTITY_COLUMNS).where(is_locked)
    # In order of id. Otherwise two moves in opposite directions would lock the patients in opposite order.
    rows = connection.execute(query.order_by(patients.c.id).with_for_update(key_share=True))
    locked = {row.id: PatientIdentity.of(row._mapping) for row in rows}
    if patient_id is not None and patient_id not in locked:
        raise UnknownReferenceError("patient_id")
    return locked


def _check_references(connection: Connection, appointment: AppointmentPut) -> frozenset[str]:
    """The names of the references to inactive records. Raises UnknownReferenceError."""
    inactive = set()
    for field, table, record_id in (
        ("doctor_id", doctors, appointment.doctor_id),
        ("prestation_id", prestations, appointment.prestation_id),
    ):
        if record_id is None:
            continue
        is_active = connection.scalar(select(table.c.active).where(table.c.id == record_id))
        if is_active is None:
            raise UnknownReferenceError(field)
        if not is_active:
            inactive.add(field)
    return frozenset(inactive)


def _refuse_inactive(inactive: frozenset[str], fields: AppointmentFields) -> None:
    """An appointment that keeps its inactive doctor or prestation may change. It may not get one."""
    if given := sorted(inactive & fields.names):
        raise InactiveReferenceError(given[0])


def _of_appointment(column: ColumnElement[int], *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(column == bindparam("appointment_id"), *conditions)


IS_OPEN = select(
    _of_appointment(
        patient_trackings.c.appointment_id, patient_trackings.c.status != TrackingStatus.completed.value
    ).label("is_tracked"),
    or_(_of_appointment(waiting_line.c.appointment_id), _of_appointment(reservations.c.appointment_id)).label(
        "is_awaited"
    ),
)


def _read_open(connection: Connection, appointment_id: int) -> tuple[bool, bool]:
    """Whether a tracking is open for the appointment, and whether it has a place in line or a reservation."""
    row = connection.execute(IS_OPEN, {"appointment_id": appointment_id}).one()
    return row.is_tracked, row.is_awaited


def _columns(fields: AppointmentFields) -> dict[str, Any]:
    columns = {name: getattr(fields, name) for name in fields.names}
    return columns if fields.status is None else columns | {"status": fields.status.value}


def _publish(
    connection: Connection, put: PutContext, before: Appointment, locked: dict[int, PatientIdentity], change: Change
) -> None:
    """Write the events of the change. `locked` are the patients that are locked."""
    context = EventContext(
        before.patient_id,
        locked[before.patient_id],
        {},
        {},
        put.at,
        put.cause,
        other_patients=locked,
        doctor_of={put.id: before.doctor_id},
    )
    event_log.append(connection, list(events_of(change, context)), put.at)

"""Appointments from the hospital's own system.

An appointment for which nothing is open is written directly, under the lock of its patient. So a feed of many appointments opens no
visits. When something is open for it (a tracking, a place in line, a reservation), the change is a command of the patient's visit.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from patient_visit_engine.storage import event_log
from patient_visit_engine.storage.call_ends import columns_of_ended_call
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.facts import read_appointment
from patient_visit_engine.storage.master_data.appointment_checks import (
    check_references,
    find_reference,
    lock_patients,
    of_survivor,
    read_open,
    refuse_inactive,
)
from patient_visit_engine.storage.master_data.identifiers import Identifier, RecordKind
from patient_visit_engine.storage.master_data.put_requests import PutRequest, run_put
from patient_visit_engine.storage.master_data.records import (
    PutContext,
    PutOvertakenError,
    accept_fields,
    find_locked,
    insert_record,
    is_outdated,
    open_record,
    update_record,
)
from patient_visit_engine.storage.status_columns import columns_of_status
from patient_visit_engine.storage.tables import appointments, patients
from patient_visit_engine.visit.appointment import Appointment, AppointmentFields
from patient_visit_engine.visit.appointment_changes import change_refusal, effective_fields, ends_call
from patient_visit_engine.visit.calendar import to_rfc3339
from patient_visit_engine.visit.changes import Change, RewriteAppointment, WriteAppointmentStatus
from patient_visit_engine.visit.codes import AppointmentStatus
from patient_visit_engine.wire.event_context import EventContext
from patient_visit_engine.wire.events import events_of
from patient_visit_engine.wire.patient_identity import PatientIdentity


class NotReplaceableError(Exception):
    """The appointment cannot be changed in this way. `code` is the reason."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class AppointmentPut:
    """The fields to change. None: the field stays as it is. With `clears_minutes` the minutes are those of the prestation again.

    A new appointment needs all of them except `status` (then it is `scheduled`) and `expected_minutes` (those of its prestation).
    """

    patient_id: int | None = None
    doctor_id: int | None = None
    prestation_id: int | None = None
    scheduled_at: datetime | None = None
    status: AppointmentStatus | None = None
    expected_minutes: int | None = None
    clears_minutes: bool = False

    @property
    def fields(self) -> AppointmentFields:
        """The same fields, as the rules of a visit use them."""
        return AppointmentFields(**{name: getattr(self, name) for name in AppointmentFields.model_fields})

    def as_sent(self) -> dict[str, Any]:
        """The fields that were sent, as values of JSON."""
        sent = _columns(self.fields)
        if self.scheduled_at is not None:
            sent["scheduled_at"] = to_rfc3339(self.scheduled_at)
        return sent | ({"expected_minutes": None} if self.clears_minutes else {})


class OpenInVisitError(Exception):
    """Something is open for the appointment, so its patient's visit decides on these `fields`. Roll back.

    `put` and `appointment` are the PUT with the ids that were found for its identifiers. `version` is that of the appointment, if
    `If-Match` or `as_of` was compared with it.
    """

    def __init__(
        self, put: PutContext, appointment: AppointmentPut, fields: AppointmentFields, version: int | None
    ) -> None:
        super().__init__("something is open for the appointment")
        self.put = put
        self.appointment = appointment
        self.fields = fields
        self.version = version


@dataclass(frozen=True)
class StoredAppointment:
    """The appointment after a PUT. `created`: this PUT has created it. Not `applied`: a newer state was stored already."""

    created: bool
    appointment: Appointment
    applied: bool = True


async def write_appointment(
    database: Database,
    put: PutContext | PutRequest,
    appointment: AppointmentPut,
    references: Mapping[RecordKind, Identifier] | None = None,
) -> StoredAppointment:
    """Run `put_appointment` in a transaction. `references` are the records that are known by an identifier only."""

    def put_in_transaction(connection: Connection) -> StoredAppointment:
        ids: dict[str, Any] = {
            f"{kind}_id": find_reference(connection, kind, identifier)
            for kind, identifier in (references or {}).items()
        }
        context = put.locate(connection) if isinstance(put, PutRequest) else put
        return put_appointment(connection, context, replace(appointment, **ids))

    return await run_put(database, put_in_transaction)


def put_appointment(connection: Connection, put: PutContext, appointment: AppointmentPut) -> StoredAppointment:
    """Create or change an appointment.

    Raises UnknownReferenceError, InactiveReferenceError, NotReplaceableError, OpenInVisitError, and what `open_record` and
    `accept_fields` raise. The caller must roll back.
    """
    locked = lock_patients(connection, put.id, appointment.patient_id)
    fields_of_survivor = of_survivor(connection, appointment.fields, locked)
    inactive = check_references(connection, appointment.fields)
    stored = open_record(connection, RecordKind.appointment, put)
    if stored is None:
        refuse_inactive(inactive, appointment.fields)
        return _create(connection, put, appointment, fields_of_survivor, locked)
    present = _read(connection, put.id)
    if present.patient_id not in locked:
        # Another PUT has given the appointment to another patient, who is not locked.
        raise PutOvertakenError
    if is_outdated(put.envelope, stored):
        return StoredAppointment(created=False, appointment=present, applied=False)
    if appointment.patient_id != stored.patient_id and fields_of_survivor.patient_id == present.patient_id:
        # Either id means the person, so it changes nothing. Noted as sent, it would change nothing after a separation either.
        appointment = replace(appointment, patient_id=None)
    names, has_changed = _accept(connection, put, appointment)
    sent = fields_of_survivor.without(*(AppointmentFields.model_fields.keys() - names))
    refuse_inactive(inactive, effective_fields(sent, present))
    fields = _fields_to_write(connection, put, appointment, sent, present, stored.version)
    columns = _written_columns(fields, present, put)
    if fields.patient_id is not None:
        # The record that was sent, and not its survivor. So a separation gives the appointment back to this record.
        columns["patient_id"] = appointment.patient_id
    if appointment.clears_minutes and "expected_minutes" in names and stored.expected_minutes is not None:
        if present.status is AppointmentStatus.done:
            raise NotReplaceableError("appointment_closed")
        # No visit decides on this. A start reads the minutes again, and what runs keeps its expected end.
        columns["expected_minutes"] = None
    update_record(connection, RecordKind.appointment, put, stored, columns, has_changed=has_changed)
    if columns:
        _publish(connection, put, present, locked, RewriteAppointment(appointment=present, new_fields=fields))
    return StoredAppointment(created=False, appointment=present.changed(fields))


def note_decided(
    connection: Connection, put: PutContext, appointment: AppointmentPut, written_patient_id: int | None = None
) -> None:
    """Note what was sent, after the visit has decided on the fields and written them. It may have written `written_patient_id`.

    Without this note, the same PUT again finds that nothing differs, and notes it then. Raises what `accept_fields` raises, and
    PutOvertakenError when the appointment must move again, because the record that was sent is another person since a separation.
    """
    lock_patients(connection, put.id, appointment.patient_id)
    stored = find_locked(connection, appointments, put.id)
    assert stored is not None, "no program deletes appointments"
    columns: dict[str, Any] = {}
    if _is_other_record_of_person(connection, appointment.patient_id, stored.patient_id):
        # The visit has written the survivor. A check-in since then is recorded for the survivor, and then the appointment stays so.
        is_tracked, _ = read_open(connection, put.id)
        if is_tracked:
            appointment = replace(appointment, patient_id=None)
        else:
            columns["patient_id"] = appointment.patient_id
    elif written_patient_id == stored.patient_id != appointment.patient_id:
        # Noted as sent, the record would change nothing in the next message, and the appointment would stay with the wrong person.
        raise PutOvertakenError
    names, has_changed = _accept(connection, put, appointment)
    if appointment.clears_minutes and "expected_minutes" in names and stored.expected_minutes is not None:
        columns["expected_minutes"] = None
    if is_outdated(put.envelope, stored):
        # A decision made here since then is newer.
        put = replace(put, envelope=replace(put.envelope, as_of=None))
    update_record(connection, RecordKind.appointment, put, stored, columns, has_changed=has_changed)


def _is_other_record_of_person(connection: Connection, sent_id: int | None, stored_id: int) -> bool:
    """Whether the record that was sent is another one than the stored one, and a merge has made both one person."""
    if sent_id in (None, stored_id):
        return False
    persons = connection.scalars(select(patients.c.person_id).where(patients.c.id.in_((sent_id, stored_id)))).all()
    return len(set(persons)) == 1


def _accept(connection: Connection, put: PutContext, appointment: AppointmentPut) -> tuple[frozenset[str], bool]:
    """The names of the fields that count, and whether the identifiers have changed."""
    sent = appointment.as_sent()
    accepted = accept_fields(connection, RecordKind.appointment, put, sent)
    names = accepted.names
    if "prestation_id" in names and "expected_minutes" in sent:
        # The minutes belong to the new prestation, even if the same number was sent before.
        names |= {"expected_minutes"}
    return names, accepted.identifiers is not None


def _create(
    connection: Connection,
    put: PutContext,
    appointment: AppointmentPut,
    fields: AppointmentFields,
    locked: dict[int, PatientIdentity],
) -> StoredAppointment:
    scheduled = AppointmentStatus.scheduled
    status = columns_of_status(scheduled, fields.status or scheduled, put.at)
    columns = {**_columns(fields), **status, "patient_id": appointment.patient_id}
    insert_record(connection, RecordKind.appointment, put, columns)
    accept_fields(connection, RecordKind.appointment, put, appointment.as_sent())
    present = _read(connection, put.id)
    _publish(connection, put, present, locked, WriteAppointmentStatus(appointment_id=put.id, status=present.status))
    return StoredAppointment(created=True, appointment=present)


def _read(connection: Connection, appointment_id: int) -> Appointment:
    appointment = read_appointment(connection, appointment_id)
    assert appointment is not None, "no program deletes appointments"
    return appointment


def _fields_to_write(
    connection: Connection,
    put: PutContext,
    appointment: AppointmentPut,
    sent: AppointmentFields,
    present: Appointment,
    version: int,
) -> AppointmentFields:
    """The fields that change. Raises OpenInVisitError when a visit must decide on them, and NotReplaceableError."""
    if not effective_fields(sent, present).names:
        return AppointmentFields()
    is_tracked, is_awaited = read_open(connection, present.id)
    fields = effective_fields(sent, present, is_tracked=is_tracked)
    if fields.names and (is_tracked or is_awaited):
        raise OpenInVisitError(put, appointment, sent, put.envelope.required_version(version))
    if (refusal := change_refusal(fields, present.status)) is not None:
        raise NotReplaceableError(refusal.code)
    return fields


def _columns(fields: AppointmentFields) -> dict[str, Any]:
    columns = {name: getattr(fields, name) for name in fields.names}
    return columns if fields.status is None else columns | {"status": fields.status.value}


def _written_columns(fields: AppointmentFields, present: Appointment, put: PutContext) -> dict[str, Any]:
    columns = _columns(fields)
    if fields.status is not None:
        columns |= columns_of_status(present.status, fields.status, put.at)
    if ends_call(fields):
        # No patient is reserved for it: otherwise the visit decides.
        columns |= columns_of_ended_call(put.at)
    return columns


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

"""Patients from the hospital's own system."""

from dataclasses import asdict, dataclass, replace

from sqlalchemy import Connection, update

from patient_visit_engine.storage import event_log
from patient_visit_engine.storage.inserting import insert_if_new
from patient_visit_engine.storage.master_data.records import PutContext, read_locked, update_if_different
from patient_visit_engine.storage.patient_words import add_patient_words, replace_patient_words
from patient_visit_engine.storage.tables import patients
from patient_visit_engine.wire.event_context import CONSULTATIONS, EventContext
from patient_visit_engine.wire.events import PATIENT_UPDATED
from patient_visit_engine.wire.patient_identity import PatientIdentity
from patient_visit_engine.wire.shapes import Sex


@dataclass(frozen=True)
class PatientPut:
    """The new content of a patient. At least one name is not None. The record number follows from the identifiers."""

    first_name: str | None
    last_name: str | None
    birth_date: str | None = None
    sex: Sex | None = None


def put_patient(connection: Connection, put: PutContext, patient: PatientPut) -> bool:
    """Create or replace a patient. A new name or birth date is published. Returns whether the patient was created."""
    values = asdict(patient)
    identity = PatientIdentity(patient.first_name, patient.last_name, patient.birth_date, None)
    if insert_if_new(connection, patients, id=put.id, **values):
        add_patient_words(connection, {put.id: identity})
        return True
    stored = read_locked(connection, patients, put.id)
    if update_if_different(connection, patients, stored, values):
        before = PatientIdentity.of(stored._mapping)
        change_identity(connection, put, before, replace(identity, record_number=before.record_number))
    return False


def set_record_number(connection: Connection, put: PutContext, record_number: str | None) -> None:
    """Store the number by which staff know the record, and publish it. The version stays: that of the identifiers counts."""
    before = PatientIdentity.of(read_locked(connection, patients, put.id)._mapping)
    connection.execute(update(patients).where(patients.c.id == put.id).values(record_number=record_number))
    change_identity(connection, put, before, replace(before, record_number=record_number))


def change_identity(connection: Connection, put: PutContext, before: PatientIdentity, after: PatientIdentity) -> None:
    """Replace the search words of a changed patient, and publish how the patient is shown now. The row is locked."""
    replace_patient_words(connection, put.id, before, after)
    if (changed := _what_changed(before, after)) is None:
        return
    context = EventContext(put.id, after, {}, {}, put.at, put.cause)
    data = context.about_patient(f"Patient {after.name} has a new {changed}")
    event = context.new_event(PATIENT_UPDATED, CONSULTATIONS, f"{put.cause}/identity", data)
    event_log.append(connection, [event], put.at)


def _what_changed(before: PatientIdentity, after: PatientIdentity) -> str | None:
    if before.name != after.name:
        return "name"
    if before.birth_date != after.birth_date:
        return "birth date"
    return "record number" if before.record_number != after.record_number else None

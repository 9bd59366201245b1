"""Patients from the hospital's own system."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, select

from patient_visit_engine.storage import event_log
from patient_visit_engine.storage.master_data.identifiers import Identifier, RecordKind
from patient_visit_engine.storage.master_data.records import PutContext, PutResult, RetiredRecordError, put_record
from patient_visit_engine.storage.patient_words import add_patient_words, replace_patient_words
from patient_visit_engine.storage.shown_records import SHOWN_NUMBER
from patient_visit_engine.storage.tables import patients
from patient_visit_engine.wire.event_context import CONSULTATIONS, EventContext
from patient_visit_engine.wire.event_names import PATIENT_UPDATED
from patient_visit_engine.wire.field_types import Sex
from patient_visit_engine.wire.patient_identity import PatientIdentity

#: A person's names change together. Half of a new name with half of the old one is the name of no one.
NAMES = frozenset({"first_name", "last_name"})


@dataclass(frozen=True)
class PatientPut:
    """The new content of a patient. At least one name is not None. The record number follows from the identifiers."""

    first_name: str | None
    last_name: str | None
    birth_date: str | None = None
    sex: Sex | None = None


def put_patient(
    connection: Connection, put: PutContext, patient: PatientPut, record_number_system: str = ""
) -> PutResult:
    """Create or change a patient. A new name, birth date or record number is published. Raises like `put_record`.

    `record_number_system` is the system of which the identifier is the record number. Empty: the first identifier is.
    A record that was merged into another one stays as it is.
    """
    try:
        return put_record(
            connection,
            put,
            RecordKind.patient,
            asdict(patient),
            derive=partial(_derive_number, record_number_system),
            together=NAMES,
            on_write=_publish_identity,
        )
    except RetiredRecordError as retired:
        return PutResult(retired.survivor_id, created=False, applied=False)


def record_number_of(identifiers: tuple[Identifier, ...], system: str) -> str | None:
    """The number by which staff know the record: the value of the first identifier (of this system, unless it is empty)."""
    return next((identifier.value for identifier in identifiers if system in ("", identifier.system)), None)


def _derive_number(system: str, identifiers: tuple[Identifier, ...]) -> Mapping[str, Any]:
    return {"record_number": record_number_of(identifiers, system)}


def _publish_identity(
    connection: Connection, put: PutContext, stored: Row[Any] | None, values: Mapping[str, Any]
) -> None:
    """Write the search words, and publish how a changed patient is shown now. The row is locked."""
    if stored is None:
        add_patient_words(connection, {put.id: PatientIdentity.of(values)})
        return
    before, after = PatientIdentity.of(stored._mapping), PatientIdentity.of({**stored._mapping, **values})
    replace_patient_words(connection, put.id, before, after)
    number = connection.scalar(select(SHOWN_NUMBER).where(patients.c.id == put.id))
    shown = replace(after, record_number=number)
    if (changed := _what_changed(before, after)) is None:
        return
    context = EventContext(put.id, shown, {}, {}, put.at, put.cause)
    data = context.about_patient(f"Patient {shown.name} has a new {changed}")
    event = context.new_event(PATIENT_UPDATED, CONSULTATIONS, f"{put.cause}/identity", data)
    event_log.append(connection, [event], put.at)


def _what_changed(before: PatientIdentity, after: PatientIdentity) -> str | None:
    if (before.name, before.family_name) != (after.name, after.family_name):
        return "name"
    if before.birth_date != after.birth_date:
        return "birth date"
    return "record number" if before.record_number != after.record_number else None

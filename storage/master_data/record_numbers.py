"""Derives the record numbers of all patients from their identifiers, after the setting that names their system has changed."""

from functools import partial

from sqlalchemy import Connection, select, update

from patient_visit_engine.storage.master_data.identifiers import RecordKind
from patient_visit_engine.storage.patient_words import replace_patient_words
from patient_visit_engine.storage.schema_version import run_in_transaction
from patient_visit_engine.storage.tables import identifiers, patients
from patient_visit_engine.wire.patient_identity import PatientIdentity

#: Patients in one transaction. Other writers can write between two of them, and the memory that is needed stays small.
BATCH = 1_000


def derive_all(url: str, system: str) -> None:
    """Derive the numbers of all patients again, batch by batch. Blocks."""
    after: int | None = 0
    while after is not None:
        after = run_in_transaction(url, partial(derive_numbers, system=system, after=after, limit=BATCH))


def derive_numbers(connection: Connection, system: str, after: int, limit: int) -> int | None:
    """Correct the numbers of the next patients after the id `after`. Only rows with another number are written.

    Returns the last id, or None when no patient with another number is left. Screens are not notified: they show the new number when they
    read the next time.
    """
    columns = identifiers.c
    of_patient = select(columns.value).where(
        columns.kind == RecordKind.patient.value, columns.record_id == patients.c.id
    )
    if system:
        of_patient = of_patient.where(columns.system == system)
    number = of_patient.order_by(columns.position).limit(1).scalar_subquery()
    differing = select(patients, number.label("number")).where(
        patients.c.id > after, patients.c.record_number.is_distinct_from(number)
    )
    # In order of id, as every transaction locks patients.
    query = differing.order_by(patients.c.id).limit(limit).with_for_update(key_share=True, of=patients)
    rows = connection.execute(query).all()
    for row in rows:
        before = PatientIdentity.of(row._mapping)
        after_change = PatientIdentity(before.first_name, before.last_name, before.birth_date, row.number)
        replace_patient_words(connection, row.id, before, after_change)
        values = {"record_number": row.number, "version": patients.c.version + 1}
        connection.execute(update(patients).where(patients.c.id == row.id).values(**values))
    return rows[-1].id if len(rows) == limit else None

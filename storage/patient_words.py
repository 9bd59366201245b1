"""Writes the words by which patients are found, in the transaction that changes the patient."""

from collections.abc import Mapping

from sqlalchemy import Connection, delete
from sqlalchemy.dialects import postgresql, sqlite

from patient_visit_engine.storage.tables import patient_search_words
from patient_visit_engine.wire.patient_identity import PatientIdentity


def add_patient_words(connection: Connection, patients: Mapping[int, PatientIdentity]) -> None:
    """Add the words of these patients, by their ids. Existing words stay."""
    rows = [
        {"word": word, "patient_id": patient_id}
        for patient_id, patient in sorted(patients.items())
        for word in sorted(patient.search_words())
    ]
    _add(connection, rows)


def replace_patient_words(
    connection: Connection, patient_id: int, before: PatientIdentity, after: PatientIdentity
) -> None:
    """Replace the words of a patient, whose row is locked."""
    old, new = before.search_words(), after.search_words()
    if gone := sorted(old - new):
        words = patient_search_words.c
        connection.execute(delete(patient_search_words).where(words.patient_id == patient_id, words.word.in_(gone)))
    _add(connection, [{"word": word, "patient_id": patient_id} for word in sorted(new - old)])


def _add(connection: Connection, rows: list[dict[str, object]]) -> None:
    if rows:
        insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
        connection.execute(insert(patient_search_words).on_conflict_do_nothing(), rows)

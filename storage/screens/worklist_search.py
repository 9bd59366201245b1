"""The search of the worklist: a paper may have the name of any record of the patient."""

from collections import defaultdict
from collections.abc import Iterable, Sequence, Set
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, select

from patient_visit_engine.storage.tables import appointments, patients
from patient_visit_engine.wire.search_words import matches, name_words, patient_words


def read_retired_records(
    connection: Connection, conditions: Sequence[ColumnElement[bool]]
) -> dict[int, list[Row[Any]]]:
    """The retired records of each person who has an appointment with these conditions."""
    retired = patients.alias("retired")
    query = (
        select(retired)
        .select_from(appointments)
        .join(patients, patients.c.id == appointments.c.patient_id)
        .join(retired, (retired.c.person_id == patients.c.person_id) & (retired.c.id != retired.c.person_id))
        .where(*conditions)
    )
    by_person = defaultdict[int, list[Row[Any]]](list)
    for row in connection.execute(query):
        by_person[row.person_id].append(row)
    return by_person


def is_found(typed: tuple[str, ...], row: Row[Any], retired: Iterable[Row[Any]], tickets: Set[str]) -> bool:
    """Whether one record of the patient, with the doctor, the prestation and these tickets, has all the words."""
    shared = name_words(row.doctor) | name_words(row.prestation) | tickets
    return any(matches(typed, shared | _words_of(record)) for record in (row, *retired))


def _words_of(record: Row[Any]) -> frozenset[str]:
    return patient_words(record.first_name, record.last_name, record.birth_date, record.record_number)

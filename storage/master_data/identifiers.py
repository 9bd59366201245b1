"""Reads the identifiers of records: their names in other systems, such as a patient's number in the hospital's own system."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, Table, select

from patient_visit_engine.storage.shown_records import in_order_of_merges, with_merges
from patient_visit_engine.storage.tables import appointments, doctors, identifiers, patients, prestations


class RecordKind(StrEnum):
    """The kinds of master data, as `identifiers` and `sent_records` store them."""

    patient = "patient"
    doctor = "doctor"
    prestation = "prestation"
    appointment = "appointment"


#: The records of each kind.
TABLES: dict[RecordKind, Table] = {
    RecordKind.patient: patients,
    RecordKind.doctor: doctors,
    RecordKind.prestation: prestations,
    RecordKind.appointment: appointments,
}


@dataclass(frozen=True, order=True)
class Identifier:
    """The name of a record in another system. Both texts are kept as they were sent: `007` and `7` are two values."""

    system: str
    value: str


def find_record(connection: Connection, kind: RecordKind, identifier: Identifier) -> int | None:
    """Return the id of the record that has this identifier, or None."""
    columns = identifiers.c
    record_id: int | None = connection.scalar(
        select(columns.record_id).where(
            columns.kind == kind.value, columns.system == identifier.system, columns.value == identifier.value
        )
    )
    return record_id


def read_identifiers(
    connection: Connection, kind: RecordKind, record_ids: Iterable[int]
) -> dict[int, tuple[Identifier, ...]]:
    """Return the identifiers of these records in the order in which they were sent. Each of the ids is a key."""
    ids = list(record_ids)
    columns = identifiers.c
    query = select(columns.record_id, columns.system, columns.value).where(
        columns.kind == kind.value, columns.record_id.in_(ids)
    )
    by_record = defaultdict[int, list[Identifier]](list)
    for row in connection.execute(query.order_by(columns.record_id, columns.position)):
        by_record[row.record_id].append(Identifier(row.system, row.value))
    return {record_id: tuple(by_record[record_id]) for record_id in ids}


def read_shown_identifiers(
    connection: Connection, kind: RecordKind, record_ids: Iterable[int]
) -> dict[int, tuple[Identifier, ...]]:
    """Like `read_identifiers`. A patient has, after its own, those of the records that were merged into it."""
    if kind is not RecordKind.patient:
        return read_identifiers(connection, kind, record_ids)
    ids = list(record_ids)
    records = select(patients.c.id, patients.c.person_id).select_from(with_merges(patients))
    of_persons = records.where(patients.c.person_id.in_(ids)).order_by(*in_order_of_merges(patients))
    survivors = {row.id: row.person_id for row in connection.execute(of_persons)}
    by_record = read_identifiers(connection, kind, {*ids, *survivors})
    shown = {record_id: by_record[record_id] for record_id in ids}
    for record_id, survivor_id in survivors.items():
        if record_id != survivor_id:
            shown[survivor_id] += by_record[record_id]
    return shown

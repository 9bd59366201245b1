"""Adds many rows of master data in one transaction. It changes no existing row and appends no event.

An existing row may have consultations and be shown on screens. Only the API changes it, and appends the event for the change.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from operator import itemgetter
from typing import Any, NotRequired, TypedDict

from sqlalchemy import Connection, Table, select
from sqlalchemy.dialects import postgresql, sqlite

from patient_visit_engine.storage.patient_words import add_patient_words
from patient_visit_engine.storage.tables import patients
from patient_visit_engine.wire.patient_identity import PatientIdentity

#: Rows in one transaction. SQLite takes 32,766 parameters in a statement, and other writers can write between batches.
BATCH = 2_000


class Row(TypedDict):
    """The part that the rows of all master data tables have."""

    id: int


class PatientRow(Row):
    first_name: str | None
    last_name: str | None
    birth_date: NotRequired[str]
    record_number: NotRequired[str]


class DoctorRow(Row):
    name: str
    specialization: str | None


class PrestationRow(Row):
    name: str
    exclusive: bool
    expected_minutes: int


class AppointmentRow(Row):
    patient_id: int
    doctor_id: int
    prestation_id: int
    scheduled_at: datetime
    status: int


@dataclass(frozen=True)
class BatchResult:
    """The result of a batch: added rows, existing equal rows, and in `different` the ids of existing rows that differ."""

    added: int
    unchanged: int
    different: tuple[int, ...]


def add_missing(connection: Connection, table: Table, rows: Sequence[Row], compare: Sequence[str]) -> BatchResult:
    """Insert the rows with a new id, at most `BATCH`. Compare the others in the columns `compare`, and leave them unchanged.

    The rows are inserted in order of id. Two imports of the same new rows in different orders would wait for each other.
    """
    if len(rows) > BATCH:
        raise ValueError(f"{len(rows)} rows are too many for one batch, the limit is {BATCH}")
    existing = _read_existing(connection, table, rows, compare)
    new = sorted((dict(row) for row in rows if row["id"] not in existing), key=itemgetter("id"))
    if new:
        insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
        # Another writer may have inserted a row since the query. Its row stays.
        statement = insert(table).on_conflict_do_nothing()
        # SQLAlchemy writes the columns of the first row only.
        columns = dict.fromkeys(chain.from_iterable(new))
        new = [{column: row.get(column) for column in columns} for row in new]
        if table is patients:
            ids = set(connection.scalars(statement.returning(patients.c.id), new))
            identities = {patient_id: _identity(row) for row in new if (patient_id := int(str(row["id"]))) in ids}
            add_patient_words(connection, identities)
        else:
            connection.execute(statement, new)
    different = tuple(
        row["id"] for row in rows if row["id"] in existing and existing[row["id"]] != _values(row, compare)
    )
    return BatchResult(len(new), len(existing) - len(different), different)


def _identity(row: Mapping[str, Any]) -> PatientIdentity:
    return PatientIdentity(row["first_name"], row["last_name"], row.get("birth_date"), row.get("record_number"))


def _read_existing(
    connection: Connection, table: Table, rows: Sequence[Row], compare: Sequence[str]
) -> dict[int, tuple[object, ...]]:
    columns = [table.c[name] for name in compare]
    ids = [row["id"] for row in rows]
    return {
        row.id: tuple(row)[1:] for row in connection.execute(select(table.c.id, *columns).where(table.c.id.in_(ids)))
    }


def _values(row: Mapping[str, object], compare: Sequence[str]) -> tuple[object, ...]:
    return tuple(row[name] for name in compare)

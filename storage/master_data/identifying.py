"""Gives records their identifiers, and an id to a record of which only an identifier is known."""

import hashlib
import json
from collections.abc import Sequence, Set
from itertools import count

from sqlalchemy import ColumnElement, Connection, delete, select, update

from patient_visit_engine.storage.inserting import insert_if_new
from patient_visit_engine.storage.master_data.identifiers import (
    TABLES,
    Identifier,
    RecordKind,
    find_record,
    read_identifiers,
)
from patient_visit_engine.storage.tables import identifiers, patients
from patient_visit_engine.wire.field_types import LOWEST_MINTED_ID, MAX_ID, MAX_IDENTIFIERS


class IdentifierConflictError(Exception):
    """The identifier belongs to another record. Roll back."""

    def __init__(self, identifier: Identifier) -> None:
        super().__init__("an identifier of another record")
        self.identifier = identifier


class TooManyIdentifiersError(Exception):
    """The record would have more than MAX_IDENTIFIERS. Roll back."""


def find_or_mint(connection: Connection, kind: RecordKind, identifier: Identifier) -> int:
    """Return the id of the record that has this identifier, or else an id for a new record.

    The new id follows from the identifier. So of many transactions that create its record at one moment, one succeeds, and the others
    find this record.
    """
    record_id = find_record(connection, kind, identifier)
    if record_id is not None:
        return record_id
    table = TABLES[kind]
    return next(
        minted
        for minted in (minted_id(kind, identifier, attempt) for attempt in count())
        if connection.scalar(select(table.c.id).where(table.c.id == minted)) is None
    )


def minted_id(kind: RecordKind, identifier: Identifier, attempt: int = 0) -> int:
    """An id that follows from the identifier. Another `attempt` gives another id, when that of the first one is in use."""
    text = json.dumps([kind.value, identifier.system, identifier.value, attempt])
    digest = hashlib.sha256(text.encode()).digest()
    return LOWEST_MINTED_ID + int.from_bytes(digest) % (MAX_ID + 1 - LOWEST_MINTED_ID)


def store_identifiers(
    connection: Connection, kind: RecordKind, record_id: int, sent: Sequence[Identifier], *, only_check: bool = False
) -> tuple[Identifier, ...] | None:
    """Give the record these identifiers. They replace those of the same systems. The record must be locked.

    A patient keeps the identifiers of records that were merged into it, so these stay where they are.
    Returns all that the record has then, or None when nothing has changed. With `only_check` nothing is written.
    Raises IdentifierConflictError and TooManyIdentifiersError.
    """
    if not sent:
        return None
    present = read_identifiers(connection, kind, [record_id])[record_id]
    of_retired_records = set[Identifier]()
    # In one order. Otherwise two transactions that give two records the same identifiers would wait for each other.
    for identifier in sorted(set(sent) - set(present)):
        owner = find_record(connection, kind, identifier)
        if kind is RecordKind.patient and owner is not None and _is_retired_into(connection, owner, record_id):
            of_retired_records.add(identifier)
        elif owner not in (None, record_id) or not (only_check or _insert(connection, kind, record_id, identifier)):
            raise IdentifierConflictError(identifier)
    merged = merged_identifiers(present, sent, of_retired_records)
    if only_check or merged == present:
        return None
    if len(merged) > MAX_IDENTIFIERS:
        raise TooManyIdentifiersError
    for identifier in set(present) - set(merged):
        connection.execute(delete(identifiers).where(*_is(kind, identifier)))
    for position, identifier in enumerate(merged):
        if position >= len(present) or present[position] != identifier:
            connection.execute(update(identifiers).where(*_is(kind, identifier)).values(position=position))
    return merged


def merged_identifiers(
    present: Sequence[Identifier], sent: Sequence[Identifier], of_retired_records: Set[Identifier]
) -> tuple[Identifier, ...]:
    """The identifiers of a record after these were sent. Those of systems that were not sent keep their places.

    A system is also sent when only an identifier of a retired record was sent of it. Otherwise an old number would stay next to it.
    """
    systems = {identifier.system for identifier in sent}
    waiting = [identifier for identifier in dict.fromkeys(sent) if identifier not in of_retired_records]
    merged: list[Identifier] = []
    for identifier in present:
        if identifier.system not in systems:
            merged.append(identifier)
        elif waiting:
            merged.append(waiting.pop(0))
    return *merged, *waiting


def _is_retired_into(connection: Connection, record_id: int, survivor_id: int) -> bool:
    is_retired = patients.c.id == record_id, patients.c.person_id == survivor_id, patients.c.id != patients.c.person_id
    return connection.scalar(select(patients.c.id).where(*is_retired)) is not None


def _insert(connection: Connection, kind: RecordKind, record_id: int, identifier: Identifier) -> bool:
    return insert_if_new(
        connection,
        identifiers,
        kind=kind.value,
        system=identifier.system,
        value=identifier.value,
        record_id=record_id,
        position=0,
    )


def _is(kind: RecordKind, identifier: Identifier) -> tuple[ColumnElement[bool], ...]:
    columns = identifiers.c
    return columns.kind == kind.value, columns.system == identifier.system, columns.value == identifier.value

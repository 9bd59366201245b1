"""What a PUT does with a record of any kind: whether it counts, which fields it changes, and the statements that write them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Table, select, update

from patient_visit_engine.storage.inserting import insert_if_new
from patient_visit_engine.storage.master_data.identifiers import TABLES, Identifier, RecordKind, read_identifiers
from patient_visit_engine.storage.master_data.identifying import IdentifierConflictError, store_identifiers
from patient_visit_engine.storage.master_data.sent_fields import changed_since, note_sent, read_sent


class StaleVersionError(Exception):
    """The record does not have a version that `If-Match` names, or it does not exist. Roll back."""


class RetiredRecordError(Exception):
    """The patient's record was merged into the one with `survivor_id`, so nothing is written to it. Roll back."""

    def __init__(self, survivor_id: int) -> None:
        super().__init__(survivor_id)
        self.survivor_id = survivor_id


class PutOvertakenError(Exception):
    """Another transaction has changed what this one has read. Roll back and put again."""


@dataclass(frozen=True)
class IfMatch:
    """The versions that the header `If-Match` names. With `any_version` the record must only exist."""

    versions: frozenset[int] = frozenset()
    any_version: bool = False

    def accepts(self, version: int) -> bool:
        return self.any_version or version in self.versions


@dataclass(frozen=True)
class Envelope:
    """What a PUT carries in addition to the fields of its record.

    `target` is the identifier by which the record was found or is created. It is one of `identifiers`. `as_of` is the time at which
    the sender knew this content. Without a `caller_id`, nothing is remembered of what was sent.
    """

    caller_id: int | None = None
    target: Identifier | None = None
    identifiers: tuple[Identifier, ...] = ()
    as_of: datetime | None = None
    if_match: IfMatch | None = None

    def required_version(self, version: int) -> int | None:
        """This version, if `If-Match` or `as_of` was compared with the record as it is in this version."""
        names_versions = self.if_match is not None and not self.if_match.any_version
        return version if names_versions or self.as_of is not None else None


@dataclass(frozen=True)
class PutContext:
    """The record's id, with the cause and the time of the PUT. `cause` is unique to the request."""

    id: int
    cause: str
    at: datetime
    envelope: Envelope = field(default_factory=Envelope)


@dataclass(frozen=True)
class PutResult:
    """The record that was put. `applied` is false when a newer state was stored already. Then nothing was changed."""

    id: int
    created: bool
    applied: bool = True


@dataclass(frozen=True)
class AcceptedFields:
    """The fields of a PUT that count: those that differ from what the caller sent before.

    `identifiers` are those that the record has now, or None when they have not changed.
    """

    names: frozenset[str]
    identifiers: tuple[Identifier, ...] | None


#: Called after the values were written, with the row as it was before, or with None when the record is new.
OnWrite = Callable[[Connection, PutContext, Row[Any] | None, Mapping[str, Any]], None]
#: The values that follow from the identifiers of a record.
Derive = Callable[[tuple[Identifier, ...]], Mapping[str, Any]]


def put_record(
    connection: Connection,
    put: PutContext,
    kind: RecordKind,
    values: Mapping[str, Any],
    *,
    derive: Derive | None = None,
    together: frozenset[str] = frozenset(),
    on_write: OnWrite | None = None,
) -> PutResult:
    """Create the record, or change the fields that count. Those of `together` change as one.

    Raises what `open_record` and `accept_fields` raise. The caller must roll back.
    """
    stored = open_record(connection, kind, put)
    if stored is not None and is_outdated(put.envelope, stored):
        return PutResult(put.id, created=False, applied=False)
    if stored is None:
        changed = {**values, **(derive(put.envelope.identifiers) if derive else {})}
        insert_record(connection, kind, put, changed)
        accept_fields(connection, kind, put, values)
    else:
        accepted = accept_fields(connection, kind, put, values, together)
        changed = {name: values[name] for name in accepted.names}
        if derive is not None and accepted.identifiers is not None:
            changed |= derive(accepted.identifiers)
        changed = {name: value for name, value in changed.items() if getattr(stored, name) != value}
        update_record(connection, kind, put, stored, changed, has_changed=accepted.identifiers is not None)
    if changed and on_write is not None:
        # Last, because its events lock the head of the log until the commit.
        on_write(connection, put, stored, changed)
    return PutResult(put.id, created=stored is None)


def open_record(connection: Connection, kind: RecordKind, put: PutContext) -> Row[Any] | None:
    """Lock the record until the end of the transaction, and return it, or None when it does not exist.

    Raises StaleVersionError, RetiredRecordError, and PutOvertakenError when the record has lost the identifier by which it was found.
    """
    stored = find_locked(connection, TABLES[kind], put.id)
    if kind is RecordKind.patient and stored is not None and stored.person_id != stored.id:
        raise RetiredRecordError(stored.person_id)
    envelope = put.envelope
    if envelope.if_match is not None and (stored is None or not envelope.if_match.accepts(stored.version)):
        raise StaleVersionError
    if stored is None or envelope.target is None:
        return stored
    if envelope.target not in read_identifiers(connection, kind, [put.id])[put.id]:
        # Another PUT has taken the identifier from this record while this one waited for the lock.
        raise PutOvertakenError
    return stored


def is_outdated(envelope: Envelope, stored: Row[Any]) -> bool:
    """Whether the record has a newer state than the one that was sent."""
    return envelope.as_of is not None and stored.as_of is not None and envelope.as_of < stored.as_of


def accept_fields(
    connection: Connection,
    kind: RecordKind,
    put: PutContext,
    fields: Mapping[str, Any],
    together: frozenset[str] = frozenset(),
) -> AcceptedFields:
    """Find the fields that count, store the identifiers, and note what was sent. `fields` are values of JSON.

    Raises IdentifierConflictError, TooManyIdentifiersError and PutOvertakenError.
    """
    envelope = put.envelope
    sent: dict[str, Any] = dict(fields)
    if envelope.identifiers:
        sent["identifiers"] = [[identifier.system, identifier.value] for identifier in envelope.identifiers]
    before = read_sent(connection, kind, put.id, envelope.caller_id)
    names = changed_since(before, sent, together)
    try:
        identifiers = store_identifiers(
            connection, kind, put.id, envelope.identifiers, only_check="identifiers" not in names
        )
    except IdentifierConflictError as conflict:
        if conflict.identifier == envelope.target:
            # Another PUT has taken the identifier after this one looked for its record.
            raise PutOvertakenError from None
        raise
    note_sent(connection, kind, put.id, envelope.caller_id, before, sent)
    return AcceptedFields(names - {"identifiers"}, identifiers)


def find_locked(connection: Connection, table: Table, record_id: int) -> Row[Any] | None:
    """Lock the record until the end of the transaction, and return it, or None."""
    query = select(table).where(table.c.id == record_id).with_for_update(key_share=True)
    return connection.execute(query).one_or_none()


def insert_record(connection: Connection, kind: RecordKind, put: PutContext, values: Mapping[str, Any]) -> None:
    """Insert the new record. Raises PutOvertakenError when another transaction has inserted it first."""
    if not insert_if_new(connection, TABLES[kind], id=put.id, as_of=put.envelope.as_of, **values):
        raise PutOvertakenError


def update_record(
    connection: Connection,
    kind: RecordKind,
    put: PutContext,
    stored: Row[Any],
    values: Mapping[str, Any],
    *,
    has_changed: bool,
) -> None:
    """Write the values to the locked row, and the time at which its source knew them.

    The version counts each change: of a value, or of something else that belongs to the record (`has_changed`).
    """
    columns = dict(values)
    if values or has_changed:
        columns["version"] = stored.version + 1
    if put.envelope.as_of not in (None, stored.as_of):
        columns["as_of"] = put.envelope.as_of
    if columns:
        table = TABLES[kind]
        connection.execute(update(table).where(table.c.id == put.id).values(**columns))

"""What each caller has sent for a record, so that a feed that repeats itself changes nothing that was decided here."""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from patient_visit_engine.storage.master_data.identifiers import RecordKind
from patient_visit_engine.storage.tables import sent_records


def read_sent(connection: Connection, kind: RecordKind, record_id: int, caller_id: int | None) -> dict[str, Any]:
    """Return what the caller has sent for the record, by field. It is empty when the caller has sent nothing."""
    if caller_id is None:
        return {}
    columns = sent_records.c
    text = connection.scalar(
        select(columns.fields).where(
            columns.kind == kind.value, columns.record_id == record_id, columns.caller_id == caller_id
        )
    )
    return {} if text is None else dict(json.loads(text))


def changed_since(before: Mapping[str, Any], sent: Mapping[str, Any], together: frozenset[str]) -> frozenset[str]:
    """The fields that were not sent before, or with another value. If one of `together` is among them, all are."""
    names = frozenset(name for name, value in sent.items() if name not in before or before[name] != value)
    return names | together if names & together else names


def note_sent(
    connection: Connection,
    kind: RecordKind,
    record_id: int,
    caller_id: int | None,
    before: Mapping[str, Any],
    sent: Mapping[str, Any],
) -> None:
    """Store what the caller sends now. A field that is not sent keeps the value that was sent before."""
    fields = {**before, **sent}
    if caller_id is None or fields == before:
        return
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    text = json.dumps(fields, ensure_ascii=False, sort_keys=True)
    statement = insert(sent_records).values(kind=kind.value, record_id=record_id, caller_id=caller_id, fields=text)
    connection.execute(
        statement.on_conflict_do_update(index_elements=list(sent_records.primary_key), set_={"fields": text})
    )

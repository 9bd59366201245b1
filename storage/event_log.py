"""Appends events to the event log, in the transaction of the change that they report."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Connection, Text, bindparam, func, insert, select, true, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import NoResultFound
from sqlalchemy.types import TypeEngine

from patient_visit_engine.storage.hint_sender import request_hint
from patient_visit_engine.storage.prepared_statements import PreparedWrite
from patient_visit_engine.storage.tables import events, log_head
from patient_visit_engine.storage.tables.columns import Timestamp
from patient_visit_engine.wire.event_context import Event

ADVANCE = (
    update(log_head).where(log_head.c.id == 1).values(seq=log_head.c.seq + bindparam("by")).returning(log_head.c.seq)
)
INSERT = PreparedWrite(insert(events))
#: The columns with a value for each event. They are arrays in the statement for PostgreSQL.
EVENT_COLUMNS: dict[str, TypeEngine[Any]] = {
    "dedup_key": Text(),
    "channel": Text(),
    "name": Text(),
    "data": Text(),
    "patient_id": BigInteger(),
    "consultation_id": Text(),
}
_HEAD = ADVANCE.cte("head")
_NEW = func.unnest(*(bindparam(name, type_=ARRAY(kind)) for name, kind in EVENT_COLUMNS.items()))
_NEW_ROWS = _NEW.table_valued(*EVENT_COLUMNS, with_ordinality="number").render_derived()
#: PostgreSQL advances the head and inserts the events in one statement. The head is locked for one round trip less.
ADVANCE_AND_INSERT = insert(events).from_select(
    ["seq", "at", *EVENT_COLUMNS],
    select(
        _HEAD.c.seq - bindparam("by") + _NEW_ROWS.c.number,
        bindparam("at", type_=Timestamp()),
        *(_NEW_ROWS.c[name] for name in EVENT_COLUMNS),
    ).join_from(_HEAD, _NEW_ROWS, true()),
)


def append(connection: Connection, new_events: Sequence[Event], at: datetime) -> None:
    """Append the events at the log's head. Call this last in the transaction, because it locks the head until the commit.

    The lock makes positions visible in order. Otherwise a higher position could be visible first, and readers of the log would
    skip the lower one forever. If the log already has the `dedup_key` of an event, the insert fails and the transaction is rolled
    back. The counter is rolled back too, so there is no gap.
    """
    if not new_events:
        return
    rows = [
        {
            "dedup_key": event.dedup_key,
            "channel": event.channel,
            "name": event.name,
            "data": json.dumps(event.data, ensure_ascii=False, separators=(",", ":")),
            "patient_id": event.patient_id,
            "consultation_id": event.consultation_id,
        }
        for event in new_events
    ]
    if connection.dialect.name == "sqlite":
        last: int = connection.execute(ADVANCE, {"by": len(rows)}).scalar_one()
        first = last - len(rows) + 1
        INSERT.execute_each(connection, [{"seq": seq, "at": at, **row} for seq, row in enumerate(rows, first)])
    else:
        arrays = {name: [row[name] for row in rows] for name in EVENT_COLUMNS}
        if connection.execute(ADVANCE_AND_INSERT, {"by": len(rows), "at": at, **arrays}).rowcount != len(rows):
            raise NoResultFound("the event log has no head")
    # For PostgreSQL. On SQLite, API processes read `PRAGMA data_version` at short intervals instead.
    request_hint(connection)

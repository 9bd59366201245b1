"""Appends events to the event log, in the transaction of the change that they report."""

import json
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, insert, update

from patient_visit_engine.storage.hint_sender import request_hint
from patient_visit_engine.storage.tables import events, log_head
from patient_visit_engine.wire.event_context import Event

ADVANCE = (
    update(log_head).where(log_head.c.id == 1).values(seq=log_head.c.seq + bindparam("by")).returning(log_head.c.seq)
)
INSERT = insert(events)


def append(connection: Connection, new_events: Sequence[Event], at: datetime) -> None:
    """Append the events at the log's head. Call this last in the transaction, because it locks the head until the commit.

    The lock makes positions visible in order. Otherwise a higher position could be visible first, and readers of the log would
    skip the lower one forever. If the log already has the `dedup_key` of an event, the insert fails and the transaction is rolled
    back. The counter is rolled back too, so there is no gap.
    """
    if not new_events:
        return
    last: int = connection.execute(ADVANCE, {"by": len(new_events)}).scalar_one()
    rows = [
        {
            "seq": seq,
            "dedup_key": event.dedup_key,
            "at": at,
            "channel": event.channel,
            "name": event.name,
            "data": json.dumps(event.data, ensure_ascii=False, separators=(",", ":")),
            "patient_id": event.patient_id,
            "consultation_id": event.consultation_id,
        }
        for seq, event in enumerate(new_events, last - len(new_events) + 1)
    ]
    connection.execute(INSERT, rows)
    # For PostgreSQL. On SQLite, API processes read `PRAGMA data_version` at short intervals instead.
    request_hint(connection)

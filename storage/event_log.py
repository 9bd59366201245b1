"""Appending to the event log, in the transaction of the change that the events tell of; it must not know who reads it."""

import json
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, insert, text, update

from patient_visit_engine.storage.tables import events, log_head
from patient_visit_engine.wire.events import Event

ADVANCE = (
    update(log_head).where(log_head.c.id == 1).values(seq=log_head.c.seq + bindparam("by")).returning(log_head.c.seq)
)
INSERT = insert(events)
#: The channel on which PostgreSQL tells readers that there is something new; what it is they read in the log.
NOTIFICATION = "visit_events"
NOTIFY = text(f"NOTIFY {NOTIFICATION}")


def append(connection: Connection, told: Sequence[Event], at: datetime) -> None:
    """Write the events behind all others. Call it last in the transaction: the head stays locked until the commit.

    A position taken earlier would be seen later than a higher one, and a reader that had passed would never go back. What was
    told before, by its `dedup_key`, breaks the unique key and the transaction with it, so that no position is spent on it.
    """
    if not told:
        return
    last: int = connection.execute(ADVANCE, {"by": len(told)}).scalar_one()
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
        for seq, event in enumerate(told, last - len(told) + 1)
    ]
    connection.execute(INSERT, rows)
    if connection.dialect.name == "postgresql":
        # Sent with the commit and not before. SQLite's readers watch the file instead.
        connection.execute(NOTIFY)

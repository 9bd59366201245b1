"""Appends events to the event log, in the transaction of the change that they report."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Connection,
    Insert,
    String,
    Text,
    any_,
    bindparam,
    func,
    insert,
    literal,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import NoResultFound
from sqlalchemy.types import TypeEngine

from patient_visit_engine.storage.hint_sender import request_hint
from patient_visit_engine.storage.prepared_statements import PreparedWrite
from patient_visit_engine.storage.tables import events, log_head, patient_trackings, requests
from patient_visit_engine.storage.tables.columns import Timestamp
from patient_visit_engine.storage.tickets import NEXT_DAY, NEXT_NUMBER, PLACEHOLDER, TicketOrder, ticket_text
from patient_visit_engine.wire.event_context import Event

ADVANCE = (
    update(log_head).where(log_head.c.id == 1).values(seq=log_head.c.seq + bindparam("by")).returning(log_head.c.seq)
)
#: It also takes a ticket.
ADVANCE_WITH_TICKET = ADVANCE.values(ticket_day=NEXT_DAY, ticket_number=NEXT_NUMBER)
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


def _array(column: str) -> str:
    """The parameter with the values of a column. SQLAlchemy would write one with a column's name to the trackings too."""
    return f"new_{column}"


_NEW = func.unnest(*(bindparam(_array(name), type_=ARRAY(kind)) for name, kind in EVENT_COLUMNS.items()))
_NEW_ROWS = _NEW.table_valued(*EVENT_COLUMNS, with_ordinality="number").render_derived()


def _insert_after(head: CTE, **values: ColumnElement[Any]) -> Insert:
    """Inserts the events at the positions that `head` has taken. `values` are those of columns that are not inserted as they are."""
    rows = select(
        head.c.seq - bindparam("by") + _NEW_ROWS.c.number,
        bindparam("at", type_=Timestamp()),
        *(values.get(name, _NEW_ROWS.c[name]) for name in EVENT_COLUMNS),
    )
    return insert(events).from_select(["seq", "at", *EVENT_COLUMNS], rows.join_from(head, _NEW_ROWS, true()))


def _with_ticket(text: ColumnElement[str]) -> ColumnElement[str]:
    """The text with the ticket instead of its placeholder."""
    return func.replace(text, literal(PLACEHOLDER, Text()), _TICKET)


#: PostgreSQL advances the head and inserts the events in one statement. The head is locked for one round trip less.
ADVANCE_AND_INSERT = _insert_after(ADVANCE.cte("head"))
_TICKETED = ADVANCE_WITH_TICKET.returning(
    ticket_text(log_head.c.ticket_number).label("ticket"), log_head.c.ticket_day
).cte("head")
_TICKET = select(_TICKETED.c.ticket).scalar_subquery()
_TICKET_OF_TRACKINGS = (
    update(patient_trackings)
    .where(patient_trackings.c.id == any_(bindparam("tracking_ids", type_=ARRAY(BigInteger()))))
    .values(ticket=_TICKET, ticket_day=select(_TICKETED.c.ticket_day).scalar_subquery())
    .cte("ticketed_trackings")
)
_TICKET_OF_ANSWER = (
    update(requests)
    .where(requests.c.request_id == bindparam("answered_id", type_=String()))
    .values(body=_with_ticket(requests.c.body))
    .cte("ticketed_answer")
)
_INSERT_WITH_TICKET = _insert_after(_TICKETED, data=_with_ticket(_NEW_ROWS.c.data))
#: The same with a ticket. It is written to the rows of the decision, which are locked already.
ADVANCE_WITH_TICKET_AND_INSERT = _INSERT_WITH_TICKET.add_cte(_TICKET_OF_TRACKINGS, _TICKET_OF_ANSWER)


def append(
    connection: Connection, new_events: Sequence[Event], at: datetime, ticket: TicketOrder | None = None
) -> None:
    """Append the events at the log's head. Call this last in the transaction, because it locks the head until the commit.

    The lock makes positions visible in order. Otherwise a higher position could be visible first, and readers of the log would
    skip the lower one forever. If the log already has the `dedup_key` of an event, the insert fails and the transaction is rolled
    back. The counter is rolled back too, so there is no gap.

    `ticket`: the decision takes the day's next ticket. Such a decision always has an event.
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
        last = _advance(connection, len(rows), ticket)
        first = last - len(rows) + 1
        INSERT.execute_each(connection, [{"seq": seq, "at": at, **row} for seq, row in enumerate(rows, first)])
    else:
        arrays = {_array(name): [row[name] for row in rows] for name in EVENT_COLUMNS}
        if _advance_and_insert(connection, {"by": len(rows), "at": at, **arrays}, ticket) != len(rows):
            raise NoResultFound("the event log has no head")
    # For PostgreSQL. On SQLite, API processes read `PRAGMA data_version` at short intervals instead.
    request_hint(connection)


def _advance(connection: Connection, by: int, ticket: TicketOrder | None) -> int:
    """Advance the head on SQLite. The ticket is the one that the transaction has read before it wrote the tracking."""
    if ticket is None:
        seq: int = connection.execute(ADVANCE, {"by": by}).scalar_one()
    else:
        seq = connection.execute(ADVANCE_WITH_TICKET, {"by": by, "ticket_for": ticket.day}).scalar_one()
    return seq


def _advance_and_insert(connection: Connection, values: dict[str, Any], ticket: TicketOrder | None) -> int:
    """Advance the head on PostgreSQL, and insert the events. Returns the number of events."""
    if ticket is None:
        return connection.execute(ADVANCE_AND_INSERT, values).rowcount
    values |= {
        "ticket_for": ticket.day,
        "tracking_ids": list(ticket.tracking_ids),
        "answered_id": ticket.request_id,
    }
    return connection.execute(ADVANCE_WITH_TICKET_AND_INSERT, values).rowcount

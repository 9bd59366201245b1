"""Tickets: short numbers such as `A12` by which patients are called. A person gets one at the first check-in of the hospital day,
or when a day begins with the person in the house.

The row of the log's head counts them. A decision that gives a ticket advances that row anyway, and no other row is locked by every
check-in. docs/architecture.md explains how the ticket gets into the tracking and into the answer.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Date,
    Integer,
    Select,
    String,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    select,
)

from patient_visit_engine.storage.tables import log_head, patient_trackings

#: The letters of a ticket. I and O look like digits.
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
#: The tickets with the same letters: 01 to 99.
PER_LETTER = 99
#: The last number with letters in its ticket, `ZZ99`. Later tickets of the day are plain numbers.
LAST_WITH_LETTERS = (len(LETTERS) + len(LETTERS) ** 2) * PER_LETTER
#: A folded word that may be a ticket. Any other word of a search needs no look at the tickets.
TICKET_WORD = re.compile(r"[a-z]{0,2}\d{2,}", re.ASCII)
#: The text of a ticket in memory until the statement that advances the log gives it. No text of a client has a control character,
#: and JSON writes this one as it is.
PLACEHOLDER = "\x80ticket"


def _constant(number: int) -> ColumnElement[int]:
    """A number in the text of a statement. A parameter would have no type on PostgreSQL."""
    return literal_column(str(number), Integer())


_DAY = bindparam("ticket_for", type_=Date())
#: The day of the next ticket. A late decision of yesterday's visit takes a ticket of today, because today's count has begun.
NEXT_DAY: ColumnElement[date] = case((log_head.c.ticket_day > _DAY, log_head.c.ticket_day), else_=_DAY)
NEXT_NUMBER: ColumnElement[int] = case(
    (log_head.c.ticket_day >= _DAY, log_head.c.ticket_number + _constant(1)), else_=_constant(1)
)


def ticket_text(number: ColumnElement[int]) -> ColumnElement[str]:
    """The text of the day's ticket with this number, counted from 1: `A01` to `A99`, `B01`, ... `Z99`, `AA01`, ..."""
    letters: ColumnElement[str] = literal_column(f"'{LETTERS}'")
    step, count, per_letter = _constant(1), _constant(len(LETTERS)), _constant(PER_LETTER)
    group = (number - step) // per_letter
    first = case(
        (group < count, literal_column("''")), else_=func.substr(letters, (group - count) // count + step, step)
    )
    last = func.substr(letters, group % count + step, step)
    digits = func.substr(cast(_constant(101) + (number - step) % per_letter, String()), _constant(2))
    return case(
        (number > _constant(LAST_WITH_LETTERS), cast(number, String())),
        else_=first.concat(last).concat(digits),
    )


@dataclass(frozen=True)
class TicketOrder:
    """A new ticket that the statement for the log's head must take.

    On PostgreSQL the same statement writes it to these trackings, to the events, and to the answer of this request.
    """

    day: date
    tracking_ids: tuple[int, ...] = ()
    request_id: str | None = None


def shown_ticket(row: Any) -> str | None:
    """The ticket of a tracking. That of an earlier day does not count: another patient may have its text."""
    if row["ticket_day"] is None or row["ticket_day"] < row["visit_day"]:
        return None
    ticket: str | None = row["ticket"]
    return ticket


def read_tickets(connection: Connection, day: date, person_ids: Collection[int] | None = None) -> dict[int, str]:
    """The ticket of each of these persons on the day, or of all persons. After a merge, a person shows the earlier one."""
    row = patient_trackings.c
    query = select(row.person_id, row.ticket).where(row.ticket_day == day)
    if person_ids is not None:
        query = query.where(row.person_id.in_(person_ids))
    tickets: dict[int, str] = {}
    for person_id, ticket in connection.execute(query.order_by(row.check_in_time, row.id)):
        tickets.setdefault(person_id, ticket)
    return tickets


def find_ticket_holders(connection: Connection, day: date, typed: Iterable[str]) -> dict[int, set[str]]:
    """The words of a search that are tickets of this day, by the person. Only a whole ticket counts: "A1" is no part of "A12".

    After a merge, a person is found by both tickets.
    """
    tickets = [word.upper() for word in typed if TICKET_WORD.fullmatch(word)]
    if not tickets:
        return {}
    holders = defaultdict[int, set[str]](set)
    for person_id, ticket in connection.execute(holders_of(day, tickets)):
        holders[person_id].add(ticket.lower())
    return holders


def holders_of(day: date, tickets: Sequence[str]) -> Select[Any]:
    """The persons who have one of these tickets on the day, with the ticket."""
    row = patient_trackings.c
    return select(row.person_id, row.ticket).where(row.ticket_day == day, row.ticket.in_(tickets)).distinct()

"""Reads the event log: pages and bounds."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from heapq import merge

from sqlalchemy import Connection, bindparam, func, select, true

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.tables import events, log_head

OLDEST = select(func.min(events.c.seq)).scalar_subquery()
BOUNDS = select(log_head.c.seq.label("head"), log_head.c.epoch, OLDEST.label("oldest")).where(log_head.c.id == 1)
PAGE_OF_ALL = (
    select(events.c.seq, events.c.at, events.c.channel, events.c.name, events.c.data)
    .where(events.c.seq > bindparam("position"))
    .order_by(events.c.seq)
    .limit(bindparam("limit"))
)
PAGE_OF_CHANNEL = PAGE_OF_ALL.where(events.c.channel == bindparam("channel"))
_bounds, _page = BOUNDS.subquery(), PAGE_OF_ALL.subquery()
#: One statement, so that it needs no transaction for one snapshot. The row of an empty page has bounds only.
BOUNDS_AND_PAGE_OF_ALL = select(_bounds, _page).select_from(_bounds.outerjoin(_page, true())).order_by(_page.c.seq)


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """One event as stored. `at` is the time of its decision, `data` is JSON text."""

    seq: int
    at: datetime
    channel: str
    name: str
    data: str


@dataclass(frozen=True, slots=True)
class LogBounds:
    """The log has the positions `oldest` to `head`. In an empty log `oldest` is `head + 1`."""

    epoch: str
    oldest: int
    head: int


@dataclass(frozen=True, slots=True)
class LogPage:
    """Events in order, with the bounds of the same snapshot.

    `entries` has every event of the requested channels up to `reached`.
    """

    entries: list[LoggedEvent]
    reached: int
    bounds: LogBounds


class LogReader:
    """Reads pages and bounds. Each read is one snapshot of the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read_after(self, position: int, limit: int, channels: Collection[str] | None) -> LogPage:
        """Read at most `limit` events after `position`, of these channels or (None) of all channels."""
        if channels is None:
            # Only the tailer reads all channels. It reads a few new rows, so the change to a reading thread would cost more.
            return await self._database.read_inline(read_page_of_all, position, limit)
        return await self._database.read(read_page, position, limit, channels)

    async def bounds(self) -> LogBounds:
        """Read the current bounds."""
        return await self._database.read_inline(read_bounds)


def read_bounds(connection: Connection) -> LogBounds:
    """Read epoch, oldest position and head in one statement."""
    head, epoch, oldest = connection.execute(BOUNDS).one()
    return _bounds_of(head, epoch, oldest)


def _bounds_of(head: int, epoch: str, oldest: int | None) -> LogBounds:
    return LogBounds(epoch=epoch, oldest=head + 1 if oldest is None else oldest, head=head)


def read_page_of_all(connection: Connection, position: int, limit: int) -> LogPage:
    """Read one page of all channels in one statement."""
    rows = connection.execute(BOUNDS_AND_PAGE_OF_ALL, {"position": position, "limit": limit}).all()
    bounds = _bounds_of(*rows[0][:3])
    entries = [LoggedEvent(*event) for _head, _epoch, _oldest, *event in rows if event[0] is not None]
    return _page_of(entries, limit, bounds, position)


def read_page(connection: Connection, position: int, limit: int, channels: Collection[str]) -> LogPage:
    """Read one page of these channels within the caller's snapshot."""
    bounds = read_bounds(connection)
    # One statement per channel: each follows the index (channel, seq) and stops at its limit. With `channel IN (...)` the
    # database would read every foreign event in between, or sort a busy channel completely before the first row.
    pages = [_read_events(connection, position, limit, channel) for channel in sorted(channels)]
    entries = list(merge(*pages, key=lambda event: event.seq))[:limit]
    return _page_of(entries, limit, bounds, position)


def _page_of(entries: list[LoggedEvent], limit: int, bounds: LogBounds, position: int) -> LogPage:
    reached = entries[-1].seq if len(entries) == limit else max(bounds.head, position)
    return LogPage(entries, reached, bounds)


def _read_events(connection: Connection, position: int, limit: int, channel: str) -> list[LoggedEvent]:
    values = {"position": position, "limit": limit, "channel": channel}
    return [LoggedEvent(*row) for row in connection.execute(PAGE_OF_CHANNEL, values)]

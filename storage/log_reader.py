"""Reads the event log: pages and bounds."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from heapq import merge

from sqlalchemy import Connection, Select, bindparam, func, select

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.tables import events, log_head

BOUNDS = select(log_head.c.seq, log_head.c.epoch, select(func.min(events.c.seq)).scalar_subquery()).where(
    log_head.c.id == 1
)
PAGE_OF_ALL = (
    select(events.c.seq, events.c.at, events.c.channel, events.c.name, events.c.data)
    .where(events.c.seq > bindparam("position"))
    .order_by(events.c.seq)
    .limit(bindparam("limit"))
)
PAGE_OF_CHANNEL = PAGE_OF_ALL.where(events.c.channel == bindparam("channel"))


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
            return await self._database.read_inline(read_page, position, limit, channels)
        return await self._database.read(read_page, position, limit, channels)

    async def bounds(self) -> LogBounds:
        """Read the current bounds."""
        return await self._database.read(read_bounds)


def read_bounds(connection: Connection) -> LogBounds:
    """Read epoch, oldest position and head within the caller's snapshot."""
    head, epoch, oldest = connection.execute(BOUNDS).one()
    return LogBounds(epoch=epoch, oldest=head + 1 if oldest is None else oldest, head=head)


def read_page(connection: Connection, position: int, limit: int, channels: Collection[str] | None) -> LogPage:
    """Read one page within the caller's snapshot."""
    bounds = read_bounds(connection)
    if channels is None:
        entries = _read_events(connection, PAGE_OF_ALL, position, limit)
    else:
        # One statement per channel: each follows the index (channel, seq) and stops at its limit. With `channel IN (...)` the
        # database would read every foreign event in between, or sort a busy channel completely before the first row.
        pages = [_read_events(connection, PAGE_OF_CHANNEL, position, limit, channel) for channel in sorted(channels)]
        entries = list(merge(*pages, key=lambda event: event.seq))[:limit]
    reached = entries[-1].seq if len(entries) == limit else max(bounds.head, position)
    return LogPage(entries, reached, bounds)


def _read_events(
    connection: Connection,
    page: Select[int, datetime, str, str, str],
    position: int,
    limit: int,
    channel: str | None = None,
) -> list[LoggedEvent]:
    values = {"position": position, "limit": limit} | ({} if channel is None else {"channel": channel})
    return [LoggedEvent(*row) for row in connection.execute(page, values)]

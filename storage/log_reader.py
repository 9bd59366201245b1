"""Reading the event log: pages, bounds, and word that it has grown; it must not know who reads it or what an event means."""

import asyncio
import logging
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy import URL, Connection, Select, bindparam, func, select

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.event_log import NOTIFICATION
from patient_visit_engine.storage.tables import events, log_head

logger = logging.getLogger(__name__)

#: Seconds between two looks at the change counter: 1 ms of delay on average, for under three percent of a core. It must be asked
#: for: SQLite tells nobody of a commit, and a watch on the file fires before the commit can be seen.
LOOK_EVERY = 0.002
#: Seconds without a word after which a session that listens on PostgreSQL has to show that it is still there.
PROVED_EVERY = 15.0
NOT_THE_DRIVERS = ("prepared_statement_cache_size", "prepared_statement_name_func")


BOUNDS = select(log_head.c.seq, log_head.c.epoch, select(func.min(events.c.seq)).scalar_subquery()).where(
    log_head.c.id == 1
)
BEHIND = (
    select(events.c.seq, events.c.at, events.c.channel, events.c.name, events.c.data)
    .where(events.c.seq > bindparam("position"))
    .order_by(events.c.seq)
    .limit(bindparam("limit"))
)
BEHIND_IN_CHANNEL = BEHIND.where(events.c.channel == bindparam("channel"))


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """One event as it is kept: `at` is its decision's moment, `data` JSON text."""

    seq: int
    at: datetime
    channel: str
    name: str
    data: str


@dataclass(frozen=True, slots=True)
class LogBounds:
    """The log holds `oldest` to `head`; when it holds nothing, `oldest` is `head + 1`."""

    epoch: str
    oldest: int
    head: int


@dataclass(frozen=True, slots=True)
class LogPage:
    """Events in order and the bounds of the same snapshot; up to `reached` nothing that was asked for is missing."""

    entries: list[LoggedEvent]
    reached: int
    bounds: LogBounds


class LogReader:
    """Reads on the database's own snapshots."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read_after(self, position: int, limit: int, channels: Collection[str] | None) -> LogPage:
        """At most `limit` events behind `position`, of these channels or (None) of all."""
        if channels is None:
            # What came since the last look, which is little.
            return await self._database.glance(read_page, position, limit, channels)
        return await self._database.read(read_page, position, limit, channels)

    async def bounds(self) -> LogBounds:
        """What the log holds now."""
        return await self._database.read(read_bounds)


def read_bounds(connection: Connection) -> LogBounds:
    """Epoch, oldest kept position and head; in a transaction, those of its snapshot."""
    head, epoch, oldest = connection.execute(BOUNDS).one()
    return LogBounds(epoch=epoch, oldest=head + 1 if oldest is None else oldest, head=head)


def read_page(connection: Connection, position: int, limit: int, channels: Collection[str] | None) -> LogPage:
    """One page, within the caller's snapshot."""
    bounds = read_bounds(connection)
    if channels is None:
        found = _read(connection, BEHIND, position, limit)
    else:
        # One statement a channel, each a walk along (channel, seq) that stops at its limit. With `channel IN (...)` a quiet
        # channel is found by reading all that lies between, or a busy one is sorted whole before its first row.
        each = [_read(connection, BEHIND_IN_CHANNEL, position, limit, channel) for channel in sorted(channels)]
        found = list(merge(*each, key=lambda event: event.seq))[:limit]
    reached = found[-1].seq if len(found) == limit else max(bounds.head, position)
    return LogPage(found, reached, bounds)


def _read(
    connection: Connection,
    page: Select[int, datetime, str, str, str],
    position: int,
    limit: int,
    channel: str | None = None,
) -> list[LoggedEvent]:
    values = {"position": position, "limit": limit} | ({} if channel is None else {"channel": channel})
    return [LoggedEvent(*row) for row in connection.execute(page, values)]


class SqliteChanges:
    """Word of commits by any other connection, in this process or another, from SQLite's own counter of them."""

    def __init__(self, path: Path, look_every: float = LOOK_EVERY) -> None:
        # A connection of its own, which never writes: the counter does not move for what its own connection commits.
        self._connection = sqlite3.connect(path, timeout=0, isolation_level=None)
        self._look_every = look_every
        self._seen = -1

    async def changed(self, within: float) -> bool:
        """Wait for a commit since the last call, `within` seconds at most; whether there was one."""
        loop = asyncio.get_running_loop()
        until = loop.time() + within
        while not self._moved():
            left = until - loop.time()
            if left <= 0:
                return False
            await asyncio.sleep(min(self._look_every, left))
        return True

    def _moved(self) -> bool:
        try:
            (now,) = self._connection.execute("PRAGMA data_version").fetchone()
        except sqlite3.OperationalError:
            # Busy for a moment while the write-ahead log is reset; the counter will differ from what was seen at the next look too.
            return False
        moved = now != self._seen
        self._seen = now
        return bool(moved)

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()


class PostgresChanges:
    """Word of commits by NOTIFY, on a session of its own: one from a pool would lose its LISTEN with the next borrower.

    A session that is lost is opened again by the next call. Without one, or before a writer that sends no NOTIFY, there are no
    hints, and whoever waits here has to look unasked.
    """

    def __init__(self, url: URL, proved_every: float = PROVED_EVERY) -> None:
        found = url.get_dialect()().create_connect_args(url)[1]
        # What of an address is meant for SQLAlchemy's own way with the driver, and not known to that.
        self._arguments = {name: value for name, value in found.items() if name not in NOT_THE_DRIVERS}
        self._proved_every = proved_every
        self._session: Any = None
        self._hint = asyncio.Event()
        #: When, by the loop's time, the session was last heard.
        self._heard_at = 0.0

    async def changed(self, within: float) -> bool:
        """Wait for a notification, `within` seconds at most; whether there was one, or may have been."""
        try:
            async with asyncio.timeout(within):
                if self._session is None or self._session.is_closed():
                    await self._listen()
                elif self._time() - self._heard_at > self._proved_every:
                    await self._prove()
                await self._hint.wait()
        except TimeoutError:
            return False
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            logger.warning("no session to listen on", extra={"error": type(error).__name__})
            await asyncio.sleep(within)
            return False
        self._hint.clear()
        return True

    async def _prove(self) -> None:
        """Have the session answer, or give it up: one that a firewall has forgotten would bring no hint for good."""
        session = self._session
        try:
            await session.execute("SELECT 1")
        except BaseException:
            session.terminate()
            raise
        self._heard_at = self._time()

    @staticmethod
    def _time() -> float:
        return asyncio.get_running_loop().time()

    async def _listen(self) -> None:
        session = await asyncpg.connect(**self._arguments)
        try:
            await session.add_listener(NOTIFICATION, self._notified)
        except BaseException:
            session.terminate()
            raise
        session.add_termination_listener(self._notified)
        self._session = session
        self._heard_at = self._time()
        # What was committed before the LISTEN has notified nobody here: read again.
        self._hint.set()

    def _notified(self, *_particulars: object) -> None:
        self._heard_at = self._time()
        self._hint.set()

    def close(self) -> None:
        """Give the session back."""
        if self._session is not None:
            self._session.remove_termination_listener(self._notified)
            self._session.terminate()


def changes_of(database: Database) -> "SqliteChanges | PostgresChanges":
    """The watcher that fits this database."""
    return sqlite_changes(database) if database.is_sqlite else PostgresChanges(database.url)


def sqlite_changes(database: Database) -> SqliteChanges:
    """The watcher for this database's file, which must exist."""
    if not database.is_sqlite or database.url.database is None:
        raise ValueError("changes are looked for in a file only where the database is one")
    return SqliteChanges(Path(database.url.database))

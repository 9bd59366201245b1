"""Whether the database can store something now, found out by storing something. A full disk can still be read.

The probe runs when someone asks, at most once in an interval, and all who ask share its result. So load balancers that ask often cost
no writes.
"""

import asyncio
import errno
import logging
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from time import monotonic

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from patient_visit_engine.storage.database import Database

logger = logging.getLogger(__name__)

#: Seconds for which a result is used again.
INTERVAL_SECONDS = 5.0
#: SQLite: with less free space than this the disk counts as full. The next decisions need it, and so does Temporal on the same disk.
MIN_FREE_BYTES = 1_000_000
#: SQLite's `user_version` has 32 bits with a sign.
MAX_USER_VERSION = 2**31
#: PostgreSQL: the rows that the probe sorts. They need 1 MB, more than the memory that it may use, so the server writes them to disk.
SPILLED_ROWS = 2_000
DISK_IS_FULL = "the disk of the database is full: free some space"
#: PostgreSQL's code of a full disk, and of an error of the disk.
POSTGRES_DISK_FULL, POSTGRES_IO_ERROR = "53100", "58030"


class WriteProbe:
    """The newest result of the probe. `clock` returns seconds that only grow."""

    def __init__(self, database: Database, clock: Callable[[], float] = monotonic) -> None:
        self._database = database
        self._clock = clock
        self._problem: str | None = None
        self._probed_at: float | None = None
        self._running: asyncio.Task[None] | None = None

    async def find_problem(self) -> str | None:
        """Why the database stores nothing, or None.

        A database that is only busy keeps the last result: a long write of another process is no fault.
        """
        if self._probed_at is None or self._clock() - self._probed_at >= INTERVAL_SECONDS:
            if self._running is None or self._running.done():
                self._running = asyncio.create_task(self._probe())
            # Who gives up waiting must not end the probe of the others.
            await asyncio.shield(self._running)
        return self._problem

    async def _probe(self) -> None:
        try:
            problem = await self._find_problem_now()
        except Exception:  # noqa: BLE001 - another check reports a database that cannot be reached
            return
        self._probed_at = self._clock()
        if problem is not None and problem != self._problem:
            logger.error("write probe failed: %s", problem)
        self._problem = problem

    async def _find_problem_now(self) -> str | None:
        try:
            if not self._database.is_sqlite:
                await self._database.read(_spill_to_disk)
                return None
            if _free_bytes(Path(self._database.url.database or "")) < MIN_FREE_BYTES:
                return DISK_IS_FULL
            await self._database.write(_count_up)
        except DBAPIError as error:
            problem = _describe(error)
            if problem is None:
                raise
            return problem
        return None


def _free_bytes(path: Path) -> int:
    disk = os.statvfs(path.parent)
    return disk.f_bavail * disk.f_frsize


def _count_up(connection: Connection) -> None:
    """Count in a number that SQLite keeps for programs and that this one does not use. SQLite does not store a row without a change."""
    count = connection.scalar(text("PRAGMA user_version")) or 0
    connection.execute(text(f"PRAGMA user_version = {(count + 1) % MAX_USER_VERSION}"))


def _spill_to_disk(connection: Connection) -> None:
    """Make the server write a temporary file. No row, no lock and no catalog changes, and a standby can do it too."""
    connection.execute(text("SET LOCAL work_mem = '64kB'"))
    rows = f"SELECT repeat(md5(n::text), 16) AS row FROM generate_series(1, {SPILLED_ROWS}) AS n"  # noqa: S608
    connection.execute(text(f"SELECT count(*) FROM ({rows} ORDER BY row OFFSET 0) AS sorted"))  # noqa: S608


def _describe(error: DBAPIError) -> str | None:
    """The problem in words. None for an error that says nothing about the disk."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        # The low byte is the kind of the error.
        kind = code & 0xFF
        if kind == sqlite3.SQLITE_FULL:
            return DISK_IS_FULL
        if kind in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
            return f"the database cannot be written ({error.orig})"
        return None
    state = getattr(error.orig, "sqlstate", None)
    if state == POSTGRES_DISK_FULL:
        return DISK_IS_FULL
    return f"the disk of the database fails ({os.strerror(errno.EIO)})" if state == POSTGRES_IO_ERROR else None

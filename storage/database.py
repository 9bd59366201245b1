"""Database connections. A unit of work is one plain function, and runs on SQLite and on PostgreSQL.

On SQLite the whole unit runs in one call to a thread. An asynchronous driver would change threads at each statement, about forty
times in one recorded start, and that costs more than the statements. On PostgreSQL the same function runs with SQLAlchemy's
`run_sync` on asyncpg (`storage.postgres`).
"""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import QueuePool, StaticPool

from patient_visit_engine.storage.postgres import STATEMENT_TIMEOUT_SECONDS, PostgresUnits

P = ParamSpec("P")
T = TypeVar("T")

BUSY_TIMEOUT_MS = 10_000
# Very short, because this wait blocks the event loop.
INLINE_TIMEOUT_MS = 20
READING_THREADS = 4
# PostgreSQL's classes of errors that may disappear later, or after an operator acts: connection, unknown login, unknown database,
# rollback for a deadlock, resources, object in use, operator intervention.
TRANSIENT_CLASSES = ("08", "28", "3D", "40", "53", "55", "57")
# A write reached a standby during a failover.
READ_ONLY = "25006"


class Database:
    """`read` and `write` run a function of a `Connection` in one transaction.

    On PostgreSQL a unit runs a second time when its connection was lost before the COMMIT. So a unit changes nothing outside the
    database. After any other error only the caller knows whether a second run is safe.
    """

    def __init__(
        self,
        url: str,
        statement_within: float | None = STATEMENT_TIMEOUT_SECONDS,
        *,
        enforce_foreign_keys: bool = True,
    ) -> None:
        """On PostgreSQL a statement fails after `statement_within` seconds. None means no limit.

        A timeout of the caller cannot replace this limit, because it does not replace the pool's other silent connections.

        With `enforce_foreign_keys=False`, SQLite does not check foreign keys: only a migration, which builds a table again, works
        without the checks.
        """
        self.url: URL = make_url(url)
        self._sqlite = _Sqlite(self.url, enforce_foreign_keys) if self.url.get_backend_name() == "sqlite" else None
        self._postgres = None if self._sqlite else PostgresUnits(self.url, statement_within)

    @property
    def is_sqlite(self) -> bool:
        return self._sqlite is not None

    async def write(self, unit: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `unit` in one write transaction. An exception rolls back the whole transaction."""
        if self._sqlite is not None:
            return await self._sqlite.run(self._sqlite.writer, unit, *args, **kwargs)
        assert self._postgres is not None
        return await self._postgres.write(unit, *args, **kwargs)

    async def read(self, unit: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `unit` on one snapshot, so that all its queries see the same state."""
        if self._sqlite is not None:
            return await self._sqlite.run(self._sqlite.reader, unit, *args, **kwargs)
        assert self._postgres is not None
        return await self._postgres.read(unit, *args, **kwargs)

    async def read_inline(self, unit: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a unit that reads a few rows by their keys. Two statements may see two different states.

        There is no transaction, so on PostgreSQL a unit with one statement takes one round trip. On SQLite the unit runs on the event
        loop. A change of threads would take ten times longer than the unit, and with a write-ahead log a reader does not wait for
        writers. A unit that scans a table would block the event loop.
        """
        if self._sqlite is not None:
            try:
                return self._sqlite.read_inline(unit, *args, **kwargs)
            except OperationalError:
                # Another process is recovering the file after a crash. Wait for that in a thread.
                return await self.read(unit, *args, **kwargs)
        assert self._postgres is not None
        return await self._postgres.read_single(unit, *args, **kwargs)

    async def close(self) -> None:
        if self._sqlite is not None:
            self._sqlite.close()
        if self._postgres is not None:
            await self._postgres.close()


class _Sqlite:
    def __init__(self, url: URL, enforce_foreign_keys: bool) -> None:
        path = url.set(drivername="sqlite")
        foreign_keys: Literal["ON", "OFF"] = "ON" if enforce_foreign_keys else "OFF"
        # One thread and one connection write, so that threads of one process do not poll for the lock of the file.
        self.writer = _SqliteThreads(_sqlite_engine(path, 1, BUSY_TIMEOUT_MS, foreign_keys), 1, "BEGIN IMMEDIATE")
        self.reader = _SqliteThreads(_sqlite_engine(path, READING_THREADS, BUSY_TIMEOUT_MS), READING_THREADS, "BEGIN")
        # Without a transaction: its two statements cost as much as the query.
        self.inline_engine = _sqlite_engine(path, 1, INLINE_TIMEOUT_MS)
        self._inline_connection: Connection | None = None

    async def run(
        self,
        threads: "_SqliteThreads",
        unit: Callable[Concatenate[Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        def run_unit() -> T:
            with threads.engine.begin() as connection:
                connection.exec_driver_sql(threads.begin)
                return unit(connection, *args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(threads.executor, run_unit)

    def read_inline(self, unit: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._inline_connection is None:
            # This connection stays open. To take one from the pool each time costs as much as the query.
            self._inline_connection = self.inline_engine.connect()
        with self._inline_connection.begin():
            return unit(self._inline_connection, *args, **kwargs)

    def close(self) -> None:
        if self._inline_connection is not None:
            self._inline_connection.close()
        self.inline_engine.dispose()
        for threads in (self.writer, self.reader):
            threads.executor.shutdown(wait=True)
            threads.engine.dispose()


class _SqliteThreads:
    def __init__(self, engine: Engine, threads: int, begin: Literal["BEGIN", "BEGIN IMMEDIATE"]) -> None:
        self.engine = engine
        self.begin = begin
        self.executor = ThreadPoolExecutor(threads, thread_name_prefix="sqlite")


def _sqlite_engine(
    url: URL, connections: int, busy_timeout_ms: int, foreign_keys: Literal["ON", "OFF"] = "ON"
) -> Engine:
    if url.database in (None, "", ":memory:"):
        raise ValueError("VISIT_DATABASE_URL must name a file, because processes cannot share a database in memory")
    pool: dict[str, Any] = {"poolclass": StaticPool if connections == 1 else QueuePool}
    if connections > 1:
        pool |= {"pool_size": connections, "max_overflow": 0}
    arguments = {"check_same_thread": False, "timeout": busy_timeout_ms / 1000}
    # Errors must not quote parameters, because these contain names, and errors reach logs and workflow histories.
    engine = create_engine(url, connect_args=arguments, hide_parameters=True, **pool)

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        # The driver must not start transactions itself, or BEGIN IMMEDIATE comes too late.
        connection.isolation_level = None
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            f"busy_timeout={busy_timeout_ms}",
            f"foreign_keys={foreign_keys}",
        ):
            connection.execute(f"PRAGMA {pragma}")

    return engine


def is_unavailable(error: BaseException) -> bool:
    """Whether the error is transient: the database is unreachable, locked or overloaded. A wrong statement is not transient."""
    if isinstance(error, OSError | TimeoutError | PoolTimeoutError):
        return True
    if isinstance(error, OperationalError):
        # SQLite raises this class both for a locked file and for a missing table.
        return getattr(error.orig, "sqlite_errorcode", None) != sqlite3.SQLITE_ERROR
    if not isinstance(error, DBAPIError):
        return False
    state = getattr(error.orig, "sqlstate", None) or ""
    return error.connection_invalidated or state.startswith(TRANSIENT_CLASSES) or state == READ_ONLY

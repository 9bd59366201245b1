"""The one way to a connection: a unit of work written once, as plain calls, runs on SQLite and PostgreSQL; it must not know any table.

On SQLite the unit runs whole in a thread of its own. An asynchronous driver would cross threads at each statement, some forty
times in one recorded start, and that costs more than the statements. On PostgreSQL the same function runs under SQLAlchemy's
`run_sync` on asyncpg.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Concatenate, ParamSpec, TypeVar
from weakref import WeakSet

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import QueuePool, StaticPool

P = ParamSpec("P")
T = TypeVar("T")

BUSY_TIMEOUT_MS = 10_000
# Waited for on the event loop, so next to nothing.
GLANCE_TIMEOUT_MS = 20
READERS = 4
#: Seconds after which a statement on PostgreSQL has failed: a connection can fall silent without an end, and whoever waits with it.
STATEMENT_WITHIN = 10.0
#: Seconds that a unit of work waits for one of the pool's connections, all of which may be waiting for a silent server.
CONNECTION_WITHIN = 5.0
#: Seconds for taking leave of PostgreSQL; then the connections are dropped. A process that stops has few of them.
CLOSED_WITHIN = 2.0
# PostgreSQL's classes of errors that time, or whoever runs it, mends: connection, a login or a database that it does not know
# (yet), rollback for a deadlock, resources, object in use, operator.
PASSING_CLASSES = ("08", "28", "3D", "40", "53", "55", "57")
# A standby that was written to in the middle of a failover.
READ_ONLY = "25006"


class Database:
    """`read` and `write` run a function of a `Connection` in one transaction; a write is retried by nobody but its caller."""

    def __init__(self, url: str, statement_within: float | None = STATEMENT_WITHIN) -> None:
        """On PostgreSQL a statement that takes longer than `statement_within` seconds fails; None: none does.

        Without it a wait is not ended by its caller's own timeout either: what SQLAlchemy's ping does after a
        cancellation waits for the silent connection too.
        """
        self.url: URL = make_url(url)
        self._sqlite = _Sqlite(self.url) if self.url.get_backend_name() == "sqlite" else None
        self._postgres = None if self._sqlite else _Postgres(self.url, statement_within)

    @property
    def is_sqlite(self) -> bool:
        return self._sqlite is not None

    async def write(self, unit: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `unit` in one writing transaction; an exception rolls all of it back."""
        if self._sqlite is not None:
            return await self._sqlite.run(self._sqlite.writer, unit, *args, **kwargs)
        assert self._postgres is not None
        async with self._postgres.engine.begin() as connection:
            return await connection.run_sync(unit, *args, **kwargs)

    async def read(self, unit: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `unit` on one snapshot: all that it reads was true at the same moment."""
        if self._sqlite is not None:
            return await self._sqlite.run(self._sqlite.reader, unit, *args, **kwargs)
        assert self._postgres is not None
        async with self._postgres.engine.connect() as connection:
            await connection.execution_options(isolation_level="REPEATABLE READ")
            async with connection.begin():
                return await connection.run_sync(unit, *args, **kwargs)

    async def glance(self, unit: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """`read` for a unit that finds a few rows by their keys.

        On SQLite it runs where it is called: crossing to a thread and back costs ten times such a unit, and a reader of
        a write-ahead log waits for no writer. A unit that walks a table would stop the event loop for as long.
        """
        if self._sqlite is not None:
            try:
                return self._sqlite.glance(unit, *args, **kwargs)
            except OperationalError:
                # Somebody recovers the file after a crash: that is waited for in a thread.
                return await self.read(unit, *args, **kwargs)
        return await self.read(unit, *args, **kwargs)

    async def close(self) -> None:
        if self._sqlite is not None:
            self._sqlite.close()
        if self._postgres is not None:
            await self._postgres.close()


class _Sqlite:
    def __init__(self, url: URL) -> None:
        path = url.set(drivername="sqlite")
        # One thread and one connection write: within a process nobody waits on a lock by polling for it.
        self.writer = _SqliteSide(_sqlite_engine(path, "BEGIN IMMEDIATE", 1, BUSY_TIMEOUT_MS), 1)
        self.reader = _SqliteSide(_sqlite_engine(path, "BEGIN", READERS, BUSY_TIMEOUT_MS), READERS)
        self.glancer = _sqlite_engine(path, "BEGIN", 1, GLANCE_TIMEOUT_MS)
        self._glancing: Connection | None = None

    async def run(
        self, side: "_SqliteSide", unit: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        def whole() -> T:
            with side.engine.begin() as connection:
                return unit(connection, *args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(side.threads, whole)

    def glance(self, unit: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._glancing is None:
            # One connection for good: to borrow one and give it back costs as much as the reading.
            self._glancing = self.glancer.connect()
        with self._glancing.begin():
            return unit(self._glancing, *args, **kwargs)

    def close(self) -> None:
        if self._glancing is not None:
            self._glancing.close()
        self.glancer.dispose()
        for side in (self.writer, self.reader):
            side.threads.shutdown(wait=True)
            side.engine.dispose()


class _SqliteSide:
    def __init__(self, engine: Engine, threads: int) -> None:
        self.engine = engine
        self.threads = ThreadPoolExecutor(threads, thread_name_prefix="sqlite")


def _sqlite_engine(url: URL, begin: str, connections: int, busy_timeout_ms: int) -> Engine:
    in_memory = url.database in (None, "", ":memory:")
    if in_memory:
        raise ValueError("a database in memory cannot be shared by processes: name a file")
    pool: dict[str, Any] = {"poolclass": StaticPool if connections == 1 else QueuePool}
    if connections > 1:
        pool |= {"pool_size": connections, "max_overflow": 0}
    waits = {"check_same_thread": False, "timeout": busy_timeout_ms / 1000}
    # An error must not quote its parameters: they hold names, and errors reach logs and workflow histories.
    engine = create_engine(url, connect_args=waits, hide_parameters=True, **pool)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        # The driver must not open transactions on its own, or BEGIN IMMEDIATE comes too late.
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={busy_timeout_ms}", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


class _Postgres:
    def __init__(self, url: URL, statement_within: float | None) -> None:
        self.engine: AsyncEngine = create_async_engine(
            url,
            pool_size=10,
            max_overflow=10,
            pool_timeout=CONNECTION_WITHIN,
            pool_pre_ping=True,
            hide_parameters=True,
            connect_args={"command_timeout": statement_within, "timeout": STATEMENT_WITHIN},
        )
        self._connections: WeakSet[Any] = WeakSet()
        event.listen(self.engine.sync_engine, "connect", self._connected)

    def _connected(self, connection: Any, _record: Any) -> None:
        self._connections.add(connection.driver_connection)

    async def close(self) -> None:
        """One connection after the other is closed, and each that has fallen silent would wait for its statement's limit."""
        try:
            async with asyncio.timeout(CLOSED_WITHIN):
                await self.engine.dispose()
        except TimeoutError:
            for connection in self._connections:
                connection.terminate()


def is_unavailable(error: BaseException) -> bool:
    """Whether this is the database being away, locked or overloaded, which passes, and not a wrong statement, which does not."""
    if isinstance(error, OSError | TimeoutError | PoolTimeoutError):
        return True
    if isinstance(error, OperationalError):
        # SQLite says a table that is not there by the same class as a file that is locked.
        return getattr(error.orig, "sqlite_errorcode", None) != sqlite3.SQLITE_ERROR
    if not isinstance(error, DBAPIError):
        return False
    state = getattr(error.orig, "sqlstate", None) or ""
    return error.connection_invalidated or state.startswith(PASSING_CLASSES) or state == READ_ONLY

"""Units of work on PostgreSQL: the pool of connections, the isolation of each kind of unit, and lost connections."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec, TypeVar
from weakref import WeakSet

from sqlalchemy import Connection, event
from sqlalchemy.engine import URL, ExceptionContext
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from patient_visit_engine.storage.hint_sender import HintSender, take_hint_request

P = ParamSpec("P")
T = TypeVar("T")

#: Seconds after which a statement on PostgreSQL fails. A connection can go silent without an error, and its users would wait
#: forever.
STATEMENT_TIMEOUT_SECONDS = 10.0
#: Seconds that a unit of work waits for a free connection. All connections may be waiting for a silent server.
POOL_TIMEOUT_SECONDS = 5.0
#: Seconds to close the connections to PostgreSQL properly. After that they are dropped.
CLOSE_TIMEOUT_SECONDS = 2.0


@dataclass
class _Attempt:
    """One attempt to run a unit. `is_committing`: the COMMIT may have reached the server, so the unit must not run again."""

    is_committing: bool = False


class PostgresUnits:
    """Runs units of work on one pool of connections. A connection from the pool is not tested before its use.

    A connection can be lost while it is in the pool: the server was restarted, or a firewall dropped it. Its next unit then fails
    before the COMMIT, so PostgreSQL rolls it back. Such a unit runs once more, on a new connection. The pool closes all its older
    connections, because they were lost too.
    """

    def __init__(self, url: URL, statement_within: float | None) -> None:
        self.engine: AsyncEngine = create_async_engine(
            url,
            pool_size=10,
            max_overflow=10,
            pool_timeout=POOL_TIMEOUT_SECONDS,
            # Row locks, unique indexes and the locked counter of the log prevent conflicts of writers.
            isolation_level="READ COMMITTED",
            hide_parameters=True,
            connect_args={"command_timeout": statement_within, "timeout": STATEMENT_TIMEOUT_SECONDS},
        )
        # The same pool, with another isolation. asyncpg's dialect begins each transaction with its isolation, so this needs no
        # statement by itself.
        self._snapshots = self.engine.execution_options(isolation_level="REPEATABLE READ")
        self._single_reads = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self.hints = HintSender(url)
        self._connections: WeakSet[Any] = WeakSet()
        event.listen(self.engine.sync_engine, "connect", self._add_connection)
        event.listen(self.engine.sync_engine, "handle_error", _replace_pool_if_silent)

    async def write(self, unit: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run the unit in a transaction. After its commit, send a hint if the unit has requested one."""
        is_hint_due = False

        def run_unit(connection: Connection) -> T:
            nonlocal is_hint_due
            # A unit that failed may have left its mark.
            take_hint_request(connection)
            result = unit(connection, *args, **kwargs)
            is_hint_due = take_hint_request(connection)
            return result

        try:
            return await self._run(self.engine, run_unit)
        finally:
            # Also after an error: a commit without an answer may have taken place.
            if is_hint_due:
                self.hints.send_soon()

    async def read(self, unit: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run the unit in a transaction on one snapshot."""
        return await self._run(self._snapshots, lambda connection: unit(connection, *args, **kwargs))

    async def read_single(self, unit: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run the unit without a transaction. Each of its statements is one round trip, and sees the state at its time."""
        return await self._run(self._single_reads, lambda connection: unit(connection, *args, **kwargs))

    async def _run(self, engine: AsyncEngine, unit: Callable[[Connection], T]) -> T:
        attempt = _Attempt()
        try:
            return await self._run_once(engine, unit, attempt)
        except DBAPIError as error:
            if attempt.is_committing or not error.connection_invalidated:
                raise
        return await self._run_once(engine, unit, _Attempt())

    @staticmethod
    async def _run_once(engine: AsyncEngine, unit: Callable[[Connection], T], attempt: _Attempt) -> T:
        async with engine.connect() as connection, connection.begin() as transaction:
            result = await connection.run_sync(unit)
            attempt.is_committing = True
            await transaction.commit()
            return result

    def _add_connection(self, connection: Any, _record: Any) -> None:
        self._connections.add(connection.driver_connection)

    async def close(self) -> None:
        """Close the connections, or drop them after a timeout. Each silent connection would wait for its statement timeout."""
        await self.hints.close()
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_SECONDS):
                await self.engine.dispose()
        except TimeoutError:
            for connection in self._connections:
                connection.terminate()


def _replace_pool_if_silent(context: ExceptionContext) -> None:
    """Replace the whole pool after a statement that got no answer in time. SQLAlchemy drops only its own connection.

    After a network failure the other connections are as silent, and each would cost a unit of work its time.
    """
    if isinstance(context.original_exception, TimeoutError):
        context.invalidate_pool_on_disconnect = True

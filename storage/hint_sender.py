"""Sends hints on PostgreSQL, after the commit: events or answers are stored. No transaction that decides sends a NOTIFY.

PostgreSQL commits transactions with a NOTIFY one after the other, each with its own wait for the disk. So a unit of work only marks
its connection, and `Database.write` requests a hint after the commit. One hint covers all commits before it.

A hint can be lost, for example when the process is killed after the commit. So readers also look without a hint.
"""

import asyncio
import logging
from contextlib import suppress
from typing import Any

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy import URL, Connection

logger = logging.getLogger(__name__)

#: The PostgreSQL channel of the hints. A hint carries no event and no answer, so readers read the tables.
NOTIFICATION = "visit_events"
#: One transaction by itself, which never waits for the disk. Without the setting it would wait when it has written to the log of the
#: server, as reading the system's tables can. `true` limits the setting to this transaction: a pooler shares the session.
SEND_HINT = f"SELECT set_config('synchronous_commit', 'off', true), pg_notify('{NOTIFICATION}', '')"
#: Seconds for one attempt to send a hint. Commits during this time wait for the next hint, so the readers see them later.
SEND_TIMEOUT_SECONDS = 2.0
#: A session that a firewall has dropped fails at its first statement. The second attempt uses a new session.
SEND_ATTEMPTS = 2
#: Seconds that `close` waits for a hint that is being sent.
CLOSE_TIMEOUT_SECONDS = 2.0
#: Parameters in the address that SQLAlchemy reads and asyncpg does not accept.
SQLALCHEMY_PARAMETERS = ("prepared_statement_cache_size", "prepared_statement_name_func")

_MARK = "visit_hint_is_due"


def request_hint(connection: Connection) -> None:
    """Have `Database.write` send a hint after the commit of this unit of work. On SQLite this has no effect."""
    connection.info[_MARK] = True


def take_hint_request(connection: Connection) -> bool:
    """Return whether the unit of work has requested a hint, and remove the mark. The connection goes back to a pool."""
    return bool(connection.info.pop(_MARK, False))


def driver_arguments(url: URL) -> dict[str, Any]:
    """The arguments of `asyncpg.connect` for this address."""
    arguments = url.get_dialect()().create_connect_args(url)[1]
    return {name: value for name, value in arguments.items() if name not in SQLALCHEMY_PARAMETERS}


class HintSender:
    """Sends the hints of one process, one at a time, on its own session. Belongs to one event loop.

    It does not use the pool: while all connections wait for locks, the hints of other commits would wait with them.
    """

    def __init__(self, url: URL) -> None:
        self._url = url
        self._session: Any = None
        self._task: asyncio.Task[None] | None = None
        self._is_due = False
        self._is_failing = False
        #: The number of hints that were sent.
        self.sent = 0

    def send_soon(self) -> None:
        """Send a hint for everything that is committed now. Commits during a hint share the next one. Does not wait."""
        self._is_due = True
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._send_while_due())

    async def close(self) -> None:
        """Wait for the hint that is being sent, for some seconds at most, and close the session."""
        if self._task is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_TIMEOUT_SECONDS):
                    await self._task
        self._drop_session()

    async def _send_while_due(self) -> None:
        while self._is_due:
            self._is_due = False
            await self._send()

    async def _send(self) -> None:
        for attempt in range(1, SEND_ATTEMPTS + 1):
            try:
                async with asyncio.timeout(SEND_TIMEOUT_SECONDS):
                    await self._execute()
            except Exception as error:  # noqa: BLE001 - a hint is never worth an error; the driver has errors of several kinds
                self._drop_session()
                if attempt == SEND_ATTEMPTS:
                    self._log_failure(error)
            except asyncio.CancelledError:
                self._drop_session()
                raise
            else:
                self.sent += 1
                self._is_failing = False
                return

    async def _execute(self) -> None:
        if self._session is None or self._session.is_closed():
            self._session = await asyncpg.connect(**driver_arguments(self._url))
        # Without arguments this is one message, without a prepared statement. So it works with any pooler.
        await self._session.execute(SEND_HINT)

    def _log_failure(self, error: Exception) -> None:
        # One line for each outage. Each commit requests a hint.
        if not self._is_failing:
            logger.warning("cannot announce new events, readers see them later", extra={"error": type(error).__name__})
        self._is_failing = True

    def _drop_session(self) -> None:
        if self._session is not None:
            self._session.terminate()
            self._session = None

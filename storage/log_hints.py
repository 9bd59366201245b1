"""Detects that the event log has grown, on SQLite and on PostgreSQL."""

import asyncio
import logging
import sqlite3
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy import URL

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.hint_sender import NOTIFICATION, driver_arguments

logger = logging.getLogger(__name__)

#: Seconds between two reads of the change counter. This adds 1 ms of delay on average and uses less than 3 % of a core. Polling is
#: necessary: SQLite does not announce a commit, and a watch on the file fires before the commit is visible.
LOOK_INTERVAL_SECONDS = 0.002
#: The same while a caller waits for a decision, for `QUICK_LOOKS_SECONDS` after each commit. The event loop has no shorter timers.
ANSWER_LOOK_INTERVAL_SECONDS = 0.001
#: Seconds after which a decision is late. A millisecond does not matter then, and looks cost processor time.
QUICK_LOOKS_SECONDS = 0.02
#: Seconds without a notification after which the listening PostgreSQL session is tested.
TEST_INTERVAL_SECONDS = 15.0


class ReaderHints:
    """The hints of one reader. Each process has one detector for its tailer and its watch of stored answers."""

    def __init__(self) -> None:
        self._hint = asyncio.Event()

    def set_hint(self) -> None:
        """Something may have been committed."""
        self._hint.set()

    async def wait_for_hint(self, within: float) -> bool:
        """Wait for a hint since the last call, for `within` seconds at most. Return whether there was one."""
        try:
            async with asyncio.timeout(within):
                await self._hint.wait()
        except TimeoutError:
            return False
        self._hint.clear()
        return True

    def drop_hints(self) -> None:
        """Forget the hints until now."""
        self._hint.clear()


class SqliteHints:
    """Detects commits by other connections, of any process, with SQLite's own change counter. One timer looks for all readers."""

    def __init__(self, path: Path, look_every: float = LOOK_INTERVAL_SECONDS) -> None:
        # A separate connection that never writes: the counter ignores commits of the same connection.
        self._connection = sqlite3.connect(path, timeout=0, isolation_level=None)
        self._look_every = look_every
        self._last_count = -1
        self._timer: asyncio.TimerHandle | None = None
        self._log_reader = ReaderHints()
        self._readers = [self._log_reader]
        #: The loop's time at which the watch of stored answers began to wait for the next commit. None: it does not wait.
        self.answer_awaited_since: float | None = None

    async def wait_for_hint(self, within: float) -> bool:
        """Wait for a commit since the last call, for `within` seconds at most. Return whether there was one."""
        self.start()
        return await self._log_reader.wait_for_hint(within)

    def for_answers(self) -> "SqliteAnswerHints":
        """The hints of the process's watch of stored answers."""
        answer_hints = SqliteAnswerHints(self)
        self._readers.append(answer_hints)
        return answer_hints

    def start(self) -> None:
        """Look at once, and from now on at short intervals, if this has not begun."""
        if self._timer is None:
            self._look_again()

    def look(self) -> None:
        """Give all readers a hint if there was a commit since the last look."""
        try:
            (count,) = self._connection.execute("PRAGMA data_version").fetchone()
        except sqlite3.Error:
            # Busy for a moment, while the write-ahead log is reset: the next look still sees the change. The readers report a file
            # that is damaged.
            return
        if count != self._last_count:
            self._last_count = count
            for reader in self._readers:
                reader.set_hint()

    def _look_again(self) -> None:
        self.look()
        loop = asyncio.get_running_loop()
        since = self.answer_awaited_since
        is_hurried = since is not None and loop.time() - since < QUICK_LOOKS_SECONDS
        look_every = min(ANSWER_LOOK_INTERVAL_SECONDS, self._look_every) if is_hurried else self._look_every
        self._timer = loop.call_later(look_every, self._look_again)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._connection.close()


class SqliteAnswerHints(ReaderHints):
    """The hints of the watch of stored answers on SQLite. While it waits, the counter is read more often."""

    def __init__(self, hints: SqliteHints) -> None:
        super().__init__()
        self._hints = hints

    async def wait_for_hint(self, within: float) -> bool:
        self._hints.start()
        self._hints.answer_awaited_since = asyncio.get_running_loop().time()
        try:
            return await super().wait_for_hint(within)
        finally:
            self._hints.answer_awaited_since = None

    def drop_hints(self) -> None:
        self._hints.look()
        super().drop_hints()


class PostgresHints:
    """Detects commits by NOTIFY, on its own session. A session from a pool would lose its LISTEN with the next user.

    The next call opens a lost session again. Without a session, or when the writer sends no NOTIFY, there are no hints. So the
    caller must also read the log without a hint.
    """

    def __init__(self, url: URL, test_every: float = TEST_INTERVAL_SECONDS) -> None:
        self._arguments = driver_arguments(url)
        self._test_every = test_every
        self._session: Any = None
        self._log_reader = ReaderHints()
        self._readers = [self._log_reader]
        #: The loop's time of the session's last answer or notification.
        self._last_answer_at = 0.0

    async def wait_for_hint(self, within: float) -> bool:
        """Wait for a notification, for `within` seconds at most.

        True after a notification, and after a new connection, because one may have been missed.
        """
        try:
            async with asyncio.timeout(within):
                if self._session is None or self._session.is_closed():
                    await self._listen()
                elif self._time() - self._last_answer_at > self._test_every:
                    await self._test_session()
                return await self._log_reader.wait_for_hint(within)
        except TimeoutError:
            return False
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            logger.warning("cannot listen for new events", extra={"error": type(error).__name__})
            await asyncio.sleep(within)
            return False

    def for_answers(self) -> ReaderHints:
        """The hints of the process's watch of stored answers. They come while the tailer keeps the session open."""
        answer_hints = ReaderHints()
        self._readers.append(answer_hints)
        return answer_hints

    async def _test_session(self) -> None:
        """Test the session and drop it if it fails. A session that a firewall dropped would never bring a hint again."""
        session = self._session
        try:
            await session.execute("SELECT 1")
        except BaseException:
            session.terminate()
            raise
        self._last_answer_at = self._time()

    @staticmethod
    def _time() -> float:
        return asyncio.get_running_loop().time()

    async def _listen(self) -> None:
        session = await asyncpg.connect(**self._arguments)
        try:
            await session.add_listener(NOTIFICATION, self._on_notification)
        except BaseException:
            session.terminate()
            raise
        session.add_termination_listener(self._on_notification)
        self._session = session
        self._last_answer_at = self._time()
        # Commits before the LISTEN sent no notification to this session, so the log must be read once.
        self._set_hints()

    def _on_notification(self, *_arguments: object) -> None:
        self._last_answer_at = self._time()
        self._set_hints()

    def _set_hints(self) -> None:
        for reader in self._readers:
            reader.set_hint()

    def close(self) -> None:
        if self._session is not None:
            self._session.remove_termination_listener(self._on_notification)
            self._session.terminate()


def hints_of(database: Database) -> "SqliteHints | PostgresHints":
    """Return the hints for this kind of database."""
    return sqlite_hints(database) if database.is_sqlite else PostgresHints(database.url)


def sqlite_hints(database: Database) -> SqliteHints:
    """Return the hints for this database's file, which must exist. Raises ValueError without a file."""
    if not database.is_sqlite or database.url.database is None:
        raise ValueError("this database is not an SQLite file, so it has no change counter")
    return SqliteHints(Path(database.url.database))

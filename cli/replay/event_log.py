"""The event log as a replay reads it, to know what the stream had to deliver; it must not know who was to hear of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import Connection, select
from sqlalchemy.exc import DBAPIError

from patient_visit_engine.runtime.operator_error import OperatorError
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.tables import appointments, events


class Log:
    """Reads the system's own database; without one it knows nothing, and says so."""

    def __init__(self, database: Database | None) -> None:
        self._database = database
        self._after = 0

    @classmethod
    @asynccontextmanager
    async def of(cls, url: str | None) -> AsyncIterator["Log"]:
        """The log of the database at `url`, closed at the end."""
        database = None if url is None else Database(url)
        try:
            yield cls(database)
        finally:
            if database is not None:
                await database.close()

    @property
    def is_read(self) -> bool:
        return self._database is not None

    async def must_hold_appointment(self, number: int) -> None:
        """Raises `OperatorError` when what was fed is not here: the audit would praise another database."""
        if self._database is None:
            return
        try:
            found = await self._database.read(_has, number)
        except (DBAPIError, OSError):
            found = False
        if not found:
            raise OperatorError(
                "VISIT_DATABASE_URL: not the running system's database: set it, or leave it out by --no-audit", 2
            )

    async def begin(self, after: int) -> None:
        """Count from behind this position."""
        self._after = after

    async def published(self) -> list[tuple[int, str]]:
        """Position and channel of every event since."""
        return [] if self._database is None else await self._database.read(_published, self._after)

    async def count(self) -> int | None:
        """How many events were published since; None without a database."""
        return None if self._database is None else len(await self.published())


def _has(connection: Connection, number: int) -> bool:
    return connection.scalar(select(appointments.c.id).where(appointments.c.id == number)) is not None


def _published(connection: Connection, after: int) -> list[tuple[int, str]]:
    query = select(events.c.seq, events.c.channel).where(events.c.seq > after).order_by(events.c.seq)
    return [(row.seq, row.channel) for row in connection.execute(query)]

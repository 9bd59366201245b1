"""Reads the event log of the running system, so that a replay can compare it with the stream."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import Connection, select
from sqlalchemy.exc import DBAPIError

from patient_visit_engine.runtime.operator_error import OperatorError
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.tables import appointments, events


class EventLogReader:
    """Reads the events that were published after a position. Without a database it reads none."""

    def __init__(self, database: Database | None) -> None:
        self._database = database
        self._after = 0

    @classmethod
    @asynccontextmanager
    async def opened(cls, url: str | None) -> AsyncIterator["EventLogReader"]:
        """A reader for the database at `url`, closed at the end. `None` means without a database."""
        database = None if url is None else Database(url)
        try:
            yield cls(database)
        finally:
            if database is not None:
                await database.close()

    @property
    def has_database(self) -> bool:
        return self._database is not None

    async def check_appointment_exists(self, appointment_id: int) -> None:
        """Raise `OperatorError` if the fed appointment is missing: then the audit would check another database."""
        if self._database is None:
            return
        try:
            exists = await self._database.read(_appointment_exists, appointment_id)
        except (DBAPIError, OSError):
            exists = False
        if not exists:
            raise OperatorError(
                "VISIT_DATABASE_URL: not the database of the running system: correct it, or use --no-audit", 2
            )

    def start_after(self, position: int) -> None:
        """Read only events after this position."""
        self._after = position

    async def published(self) -> list[tuple[int, str]]:
        """Position and channel of each event after the start position, in order."""
        return [] if self._database is None else await self._database.read(_load_events, self._after)

    async def count_published(self) -> int | None:
        """The number of events after the start position. None without a database."""
        return None if self._database is None else len(await self.published())


def _appointment_exists(connection: Connection, appointment_id: int) -> bool:
    return connection.scalar(select(appointments.c.id).where(appointments.c.id == appointment_id)) is not None


def _load_events(connection: Connection, after: int) -> list[tuple[int, str]]:
    query = select(events.c.seq, events.c.channel).where(events.c.seq > after).order_by(events.c.seq)
    return [(row.seq, row.channel) for row in connection.execute(query)]

"""A second session on PostgreSQL, and waiting until other sessions wait for its locks."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from patient_visit_engine.storage.database import Database
from tests.support.waiting import wait_until_async

WAITING = "SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid()"


@asynccontextmanager
async def other_session(database: Database) -> AsyncIterator[AsyncConnection]:
    """A second connection, in a transaction that is committed at the end."""
    engine = create_async_engine(database.url)
    try:
        async with engine.begin() as connection:
            yield connection
    finally:
        await engine.dispose()


async def wait_for_blocked(connection: AsyncConnection, sessions: int = 1) -> None:
    """Wait until so many sessions wait for a lock."""

    async def are_blocked() -> bool:
        return bool(await connection.scalar(text(WAITING)) == sessions)

    await wait_until_async(are_blocked, f"{sessions} sessions wait for a lock", seconds=30)

"""PostgreSQL only: a second session that holds locks, and a wait until other sessions wait for them."""

from asyncio import Task
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from patient_visit_engine.storage.database import Database
from tests.support.waiting import wait_until_async

WAITING = "SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid()"
WAITING_AT_HEAD = (
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%UPDATE log_head%'"
)
LOCK_HEAD = "SELECT seq FROM log_head FOR UPDATE"


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


async def is_blocked(connection: AsyncConnection, writer: Task[Any], sessions: int = 1) -> bool:
    """Wait until so many sessions wait for a lock, or the writer is done. Returns whether it waits."""

    async def is_settled() -> bool:
        return writer.done() or bool(await connection.scalar(text(WAITING)) == sessions)

    await wait_until_async(is_settled, f"the writer is done, or {sessions} sessions wait for a lock", seconds=30)
    return not writer.done()


async def wait_at_head(connection: AsyncConnection, sessions: int) -> None:
    """Wait until so many sessions have done everything else and wait for the log's head."""

    async def are_at_head() -> bool:
        # Without this, one transaction sees the activity of other sessions only once.
        await connection.execute(text("SELECT pg_stat_clear_snapshot()"))
        return bool(await connection.scalar(text(WAITING_AT_HEAD)) == sessions)

    await wait_until_async(are_at_head, f"{sessions} sessions wait for the log's head", seconds=30)

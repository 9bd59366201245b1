"""Word of commits on PostgreSQL, where this machine has one."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.event_log import NOTIFICATION
from patient_visit_engine.storage.log_changes import PostgresChanges, changes_of
from patient_visit_engine.storage.log_reader import LogReader
from tests.support.stream_server import an_event, tell


@pytest.fixture
async def changes(on_postgres: Database) -> AsyncIterator[PostgresChanges]:
    watcher = changes_of(on_postgres)
    assert isinstance(watcher, PostgresChanges)
    # The first call only says that something may have come before.
    assert await watcher.wait_for_change(5)
    yield watcher
    watcher.close()


async def notify(database: Database) -> None:
    await database.write(lambda connection: connection.execute(text(f"NOTIFY {NOTIFICATION}")))


async def test_a_notification_wakes_and_quiet_does_not(on_postgres: Database, changes: PostgresChanges) -> None:
    assert not await changes.wait_for_change(0.05)

    await notify(on_postgres)

    assert await changes.wait_for_change(5)
    assert not await changes.wait_for_change(0.05)


async def test_a_killed_session_is_opened_again_and_read_after(on_postgres: Database, changes: PostgresChanges) -> None:
    kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
    assert await on_postgres.write(lambda connection: connection.scalar(text(kill))) == 1

    assert await changes.wait_for_change(5)
    # The loss and the opening are two reasons to read again, or one, when the loss was known before anybody asked.
    while await changes.wait_for_change(0.2):
        pass
    await notify(on_postgres)
    assert await changes.wait_for_change(5)


async def test_without_a_server_there_is_no_hint_and_no_hurry() -> None:
    watcher = changes_of(Database("postgresql+asyncpg://visits@127.0.0.1:1/postgres"))
    began = asyncio.get_running_loop().time()

    assert not await watcher.wait_for_change(0.2)

    assert 0.15 < asyncio.get_running_loop().time() - began < 5


async def test_the_log_is_read_on_postgresql_as_it_is_on_sqlite(on_postgres: Database) -> None:
    await tell(on_postgres, *(an_event(number, f"doctor.{number % 2 + 7}") for number in range(1, 21)))

    page = await LogReader(on_postgres).read_after(4, 5, {"doctor.7", "consultations"})

    assert [one.seq for one in page.entries] == [6, 8, 10, 12, 14]
    assert (page.reached, page.bounds.oldest, page.bounds.head) == (14, 1, 20)

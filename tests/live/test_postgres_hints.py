"""Detects commits on PostgreSQL by NOTIFY."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.hint_sender import NOTIFICATION
from patient_visit_engine.storage.log_hints import PostgresHints, hints_of
from patient_visit_engine.storage.log_reader import LogReader
from tests.support.stream_server import an_event, append_events


@pytest.fixture
async def hints(on_postgres: Database) -> AsyncIterator[PostgresHints]:
    detector = hints_of(on_postgres)
    assert isinstance(detector, PostgresHints)
    # The first call returns True, because events may have come before the LISTEN.
    assert await detector.wait_for_hint(5)
    yield detector
    detector.close()


async def notify(database: Database) -> None:
    await database.write(lambda connection: connection.execute(text(f"NOTIFY {NOTIFICATION}")))


async def test_reports_notification_and_not_silence(on_postgres: Database, hints: PostgresHints) -> None:
    assert not await hints.wait_for_hint(0.05)

    await notify(on_postgres)

    assert await hints.wait_for_hint(5)
    assert not await hints.wait_for_hint(0.05)


async def test_readers_of_one_process_share_a_session(on_postgres: Database, hints: PostgresHints) -> None:
    answer_hints = hints.for_answers()

    await notify(on_postgres)

    assert await answer_hints.wait_for_hint(5)
    assert await hints.wait_for_hint(5)
    count = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()"
    assert await on_postgres.read(lambda connection: connection.scalar(text(count))) == 1


async def test_drops_notifications_of_the_past(on_postgres: Database, hints: PostgresHints) -> None:
    answer_hints = hints.for_answers()
    await notify(on_postgres)
    assert await hints.wait_for_hint(5)

    answer_hints.drop_hints()

    assert not await answer_hints.wait_for_hint(0.05)


async def test_reopens_killed_session_and_reports_change(on_postgres: Database, hints: PostgresHints) -> None:
    kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
    assert await on_postgres.write(lambda connection: connection.scalar(text(kill))) == 1

    assert await hints.wait_for_hint(5)
    # Loss and reopening are two hints, or one if the loss was noticed before the first call.
    while await hints.wait_for_hint(0.2):
        pass
    await notify(on_postgres)
    assert await hints.wait_for_hint(5)


async def test_waits_without_hint_when_server_is_away() -> None:
    detector = hints_of(Database("postgresql+asyncpg://visits@127.0.0.1:1/postgres"))
    started_at = asyncio.get_running_loop().time()

    assert not await detector.wait_for_hint(0.2)

    assert 0.15 < asyncio.get_running_loop().time() - started_at < 5


async def test_reads_page_of_channels_on_postgresql(on_postgres: Database) -> None:
    await append_events(on_postgres, *(an_event(number, f"doctor.{number % 2 + 7}") for number in range(1, 21)))

    page = await LogReader(on_postgres).read_after(4, 5, {"doctor.7", "consultations"})

    assert [event.seq for event in page.entries] == [6, 8, 10, 12, 14]
    assert (page.reached, page.bounds.oldest, page.bounds.head) == (14, 1, 20)

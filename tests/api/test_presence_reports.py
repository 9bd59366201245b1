"""When a process reports its readers, how much it writes, and what it does when that fails: nothing to any stream."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, select, text

from patient_visit_engine.api.stream import presence_reports
from patient_visit_engine.api.stream.presence_reports import REPORT_EVERY, SIGN_OF_LIFE_EVERY, reporting
from patient_visit_engine.storage import presence
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.presence import DEAD_AFTER, PresenceReport
from patient_visit_engine.storage.tables import stream_processes, stream_readers
from tests.api.conftest import Clock
from tests.support.stream_process import StreamProcess, a_process
from tests.support.stream_server import an_event, tell

SECOND = timedelta(seconds=1)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def process(database: Database, clock: Clock) -> AsyncIterator[StreamProcess]:
    one = await a_process(database, clock)
    yield one
    await one.hub.drain()
    one.app.parts.sessions.close()


@pytest.fixture
def written(database: Database, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Each report as it is written, and `None` for a withdrawal."""
    seen: list[Any] = []
    write = database.write

    async def watched(unit: Callable[..., Any], *arguments: Any) -> Any:
        if unit in (presence.report, presence.withdraw):
            seen.append(arguments[0] if unit is presence.report else None)
        return await write(unit, *arguments)

    monkeypatch.setattr(database, "write", watched)
    return seen


def names(connection: Connection) -> list[str]:
    return sorted(connection.scalars(select(stream_readers.c.name)))


async def shown(database: Database) -> list[str]:
    return await database.read(names)


async def test_nothing_is_written_while_nobody_is_connected_or_was(
    database: Database, process: StreamProcess, written: list[Any], clock: Clock
) -> None:
    for _ in range(3):
        await process.reports.report()
        clock.at += SIGN_OF_LIFE_EVERY
    assert written == []

    only = await process.opens("Dr. Amrani")
    await process.reports.report()
    process.hub.remove(only)
    for _ in range(3):
        await process.reports.report()
        clock.at += SIGN_OF_LIFE_EVERY

    assert len(written) == 2
    assert written[-1] is None
    assert await database.read(lambda connection: connection.execute(select(stream_processes)).all()) == []


async def test_a_report_tells_who_came_and_who_went_and_nothing_of_the_rest(
    process: StreamProcess, written: list[Any]
) -> None:
    readers = [await process.opens(f"Dr. {number}") for number in range(5)]
    await process.reports.report()
    process.hub.remove(readers[0])
    await process.opens("Dr. Smith")

    await process.reports.report()

    first, second = written
    assert (len(first.came), first.whole) == (5, True)
    assert [one.name for one in second.came] == ["Dr. Smith"]
    assert (second.gone, second.moved, second.whole) == ([readers[0].number], {}, False)


async def test_the_same_again_is_no_report_until_a_sign_of_life_is_due(
    process: StreamProcess, written: list[Any], clock: Clock
) -> None:
    await process.opens("Dr. Amrani")
    await process.reports.report()

    clock.at += SIGN_OF_LIFE_EVERY - SECOND
    await process.reports.report()
    assert len(written) == 1
    clock.at += SECOND
    await process.reports.report()

    sign: PresenceReport = written[1]
    assert (sign.at, list(sign.came), list(sign.gone), sign.moved) == (clock.at, [], [], {})


async def test_a_process_that_has_read_on_says_how_far(
    database: Database, process: StreamProcess, written: list[Any]
) -> None:
    await process.opens("Dr. Amrani")
    await process.reports.report()
    await tell(database, an_event(1))
    await process.tailer.read_new()

    await process.reports.report()

    assert [one.cursor for one in written][-1] == process.hub.window.cursor
    assert (list(written[-1].came), written[-1].moved) == ([], {})


async def test_a_reader_that_is_behind_is_told_of_once_for_each_place(
    database: Database, process: StreamProcess, written: list[Any]
) -> None:
    slow = await process.opens("Dr. Amrani")
    await process.reports.report()
    process.stand_still(slow)
    await tell(database, an_event(1))
    await process.tailer.read_new()
    await process.reports.report()
    await process.opens("Dr. Okafor")
    await process.reports.report()
    await process.go_on(slow)
    await process.reports.report()

    assert [one.moved for one in written[1:]] == [{slow.number: process.hub.window.cursor}, {}, {slow.number: None}]


async def test_a_wave_of_readers_is_written_in_portions(
    database: Database, process: StreamProcess, written: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence_reports, "ROWS_A_WRITE", 3)
    readers = [await process.opens(f"Dr. {number}") for number in range(8)]
    await process.reports.report()
    for one in readers[:7]:
        process.hub.remove(one)
    await process.reports.report()

    assert [len(one.came) for one in written] == [3, 3, 2, 0, 0, 0]
    assert [len(one.gone) for one in written] == [0, 0, 0, 3, 3, 1]
    assert [one.whole for one in written] == [True, False, False, False, False, False]
    assert await shown(database) == ["Dr. 7"]


async def test_who_was_taken_for_dead_tells_everything_anew(
    database: Database, process: StreamProcess, clock: Clock
) -> None:
    await process.opens("Dr. Amrani")
    await process.reports.report()
    clock.at += DEAD_AFTER + SECOND
    await database.write(presence.report, PresenceReport("another", clock.at, "e-0", whole=True))
    assert await shown(database) == []
    await process.opens("Dr. Okafor")

    await process.reports.report()

    assert await shown(database) == ["Dr. Amrani", "Dr. Okafor"]


async def test_a_database_that_is_away_costs_no_stream_and_no_report_once_it_is_back(
    database: Database, process: StreamProcess, caplog: pytest.LogCaptureFixture
) -> None:
    going, staying = await process.opens("Dr. Amrani"), await process.opens("Dr. Okafor")
    await process.reports.report()
    gone = Database("postgresql+asyncpg://visit@127.0.0.1:1/visits")

    process.hub.remove(going)
    with pytest.MonkeyPatch.context() as patch, caplog.at_level(logging.DEBUG):
        patch.setattr(database, "write", gone.write)
        for _ in range(3):
            await process.opens("Dr. Smith")
            await process.reports.report()
    await gone.close()

    noted = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [record.getMessage() for record in noted] == ["a dependency is away: ConnectionRefusedError"]
    assert not any(name in str(vars(record)) for record in caplog.records for name in ("Amrani", "Okafor", "Smith"))
    assert staying.live
    await process.reports.report()
    assert await shown(database) == ["Dr. Okafor", "Dr. Smith", "Dr. Smith", "Dr. Smith"]


async def test_a_report_whose_outcome_is_unknown_is_made_again_whole(
    database: Database, process: StreamProcess
) -> None:
    await process.opens("Dr. Amrani")
    await process.reports.report()
    await process.opens("Dr. Okafor")
    write = database.write

    async def write_and_lose(unit: Callable[..., Any], *arguments: Any) -> Any:
        await write(unit, *arguments)
        raise ConnectionResetError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "write", write_and_lose)
        await process.reports.report()
    await process.opens("Dr. Smith")
    await process.reports.report()

    assert await shown(database) == ["Dr. Amrani", "Dr. Okafor", "Dr. Smith"]


async def test_a_database_that_does_not_answer_is_given_up_in_time(database: Database, process: StreamProcess) -> None:
    await process.opens("Dr. Amrani")

    async def never(*_arguments: Any) -> Any:
        await asyncio.get_running_loop().create_future()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(presence_reports, "WRITE_WITHIN", 0.01)
        patch.setattr(presence_reports, "WITHDRAW_WITHIN", 0.01)
        patch.setattr(database, "write", never)
        async with asyncio.timeout(20):
            await process.reports.report()
            await process.reports.end()

    await process.reports.report()
    assert await shown(database) == ["Dr. Amrani"]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_a_defect_is_noted_by_its_place_and_names_nobody(
    database: Database, process: StreamProcess, caplog: pytest.LogCaptureFixture
) -> None:
    await process.opens("Dr. Amrani")
    refuse = (
        "CREATE TRIGGER refuse BEFORE INSERT ON stream_readers BEGIN SELECT RAISE(ABORT, 'no room for Amrani'); END"
    )
    await database.write(lambda connection: connection.execute(text(refuse)))

    with caplog.at_level(logging.DEBUG):
        await process.reports.report()

    assert [record.getMessage() for record in caplog.records if "IntegrityError" in record.getMessage()]
    assert not any("Amrani" in str(vars(record)) for record in caplog.records)


async def test_reports_come_by_themselves_and_a_process_that_stops_takes_its_own_back(
    database: Database, process: StreamProcess, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence_reports, "REPORT_EVERY", 0.001)
    await database.write(presence.report, PresenceReport("another", clock.at, "e-0", whole=True))
    reported: list[str] = []

    async with reporting(process.name, process.hub, database, clock):
        await process.opens("Dr. Amrani")
        async with asyncio.timeout(20):
            while not reported:
                reported = await shown(database)

    assert reported == ["Dr. Amrani"]
    assert await shown(database) == []
    assert await database.read(lambda connection: connection.scalars(select(stream_processes.c.id)).all()) == [
        "another"
    ]


def test_two_signs_of_life_may_be_lost_before_a_process_counts_as_dead() -> None:
    assert 2 * (SIGN_OF_LIFE_EVERY + timedelta(seconds=REPORT_EVERY)) < DEAD_AFTER

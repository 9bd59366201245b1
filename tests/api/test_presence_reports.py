"""When a process reports its subscribers, and how much it writes. A failed report affects no stream."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, select, text

from patient_visit_engine.api.stream import presence_reports
from patient_visit_engine.api.stream.presence_reports import (
    KEEP_ALIVE_INTERVAL,
    REPORT_INTERVAL_SECONDS,
    report_presence,
)
from patient_visit_engine.storage import presence
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.presence import DEAD_AFTER, PresenceReport
from patient_visit_engine.storage.tables import stream_processes, stream_readers
from tests.support.api import Clock
from tests.support.databases import LATER_ON_POSTGRES, database_on
from tests.support.stream_process import StreamProcess, start_stream_process
from tests.support.stream_server import an_event, append_events

database = database_on("sqlite", LATER_ON_POSTGRES)

SECOND = timedelta(seconds=1)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def process(database: Database, clock: Clock) -> AsyncIterator[StreamProcess]:
    stream_process = await start_stream_process(database, clock)
    yield stream_process
    await stream_process.hub.drain()
    stream_process.app.dependencies.sessions.close()


@pytest.fixture
def reports(database: Database, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every report that is reports, and `None` for a withdrawal."""
    recorded: list[Any] = []
    write = database.write

    async def record_and_write(unit: Callable[..., Any], *arguments: Any) -> Any:
        if unit in (presence.write_report, presence.delete_process):
            recorded.append(arguments[0] if unit is presence.write_report else None)
        return await write(unit, *arguments)

    monkeypatch.setattr(database, "write", record_and_write)
    return recorded


def read_names(connection: Connection) -> list[str]:
    return sorted(connection.scalars(select(stream_readers.c.name)))


async def stored_names(database: Database) -> list[str]:
    return await database.read(read_names)


async def test_writes_nothing_without_subscribers(
    database: Database, process: StreamProcess, reports: list[Any], clock: Clock
) -> None:
    for _ in range(3):
        await process.reports.report()
        clock.at += KEEP_ALIVE_INTERVAL
    assert reports == []

    subscriber = await process.subscribe("Dr. Amrani")
    await process.reports.report()
    process.hub.remove(subscriber)
    for _ in range(3):
        await process.reports.report()
        clock.at += KEEP_ALIVE_INTERVAL

    assert len(reports) == 2
    assert reports[-1] is None
    assert await database.read(lambda connection: connection.execute(select(stream_processes)).all()) == []


async def test_reports_only_new_and_gone_subscribers(process: StreamProcess, reports: list[Any]) -> None:
    subscribers = [await process.subscribe(f"Dr. {number}") for number in range(5)]
    await process.reports.report()
    process.hub.remove(subscribers[0])
    await process.subscribe("Dr. Smith")

    await process.reports.report()

    first, second = reports
    assert (len(first.connected), first.whole) == (5, True)
    assert [subscriber.name for subscriber in second.connected] == ["Dr. Smith"]
    assert (second.disconnected, second.moved, second.whole) == ([subscribers[0].number], {}, False)


async def test_reports_unchanged_state_as_sign_of_life(
    process: StreamProcess, reports: list[Any], clock: Clock
) -> None:
    await process.subscribe("Dr. Amrani")
    await process.reports.report()

    clock.at += KEEP_ALIVE_INTERVAL - SECOND
    await process.reports.report()
    assert len(reports) == 1
    clock.at += SECOND
    await process.reports.report()

    sign: PresenceReport = reports[1]
    assert (sign.at, list(sign.connected), list(sign.disconnected), sign.moved) == (clock.at, [], [], {})


async def test_reports_cursor_of_process(database: Database, process: StreamProcess, reports: list[Any]) -> None:
    await process.subscribe("Dr. Amrani")
    await process.reports.report()
    await append_events(database, an_event(1))
    await process.tailer.read_new()

    await process.reports.report()

    assert reports[-1].cursor == process.hub.window.cursor
    assert (list(reports[-1].connected), reports[-1].moved) == ([], {})


async def test_reports_each_cursor_behind_once(database: Database, process: StreamProcess, reports: list[Any]) -> None:
    slow = await process.subscribe("Dr. Amrani")
    await process.reports.report()
    process.block(slow)
    await append_events(database, an_event(1))
    await process.tailer.read_new()
    await process.reports.report()
    await process.subscribe("Dr. Okafor")
    await process.reports.report()
    await process.unblock(slow)
    await process.reports.report()

    assert [report.moved for report in reports[1:]] == [
        {slow.number: process.hub.window.cursor},
        {},
        {slow.number: None},
    ]


async def test_writes_many_subscribers_in_portions(
    database: Database, process: StreamProcess, reports: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence_reports, "ROWS_PER_WRITE", 3)
    subscribers = [await process.subscribe(f"Dr. {number}") for number in range(8)]
    await process.reports.report()
    for subscriber in subscribers[:7]:
        process.hub.remove(subscriber)
    await process.reports.report()

    assert [len(report.connected) for report in reports] == [3, 3, 2, 0, 0, 0]
    assert [len(report.disconnected) for report in reports] == [0, 0, 0, 3, 3, 1]
    assert [report.whole for report in reports] == [True, False, False, False, False, False]
    assert await stored_names(database) == ["Dr. 7"]


async def test_process_taken_for_dead_reports_all(database: Database, process: StreamProcess, clock: Clock) -> None:
    await process.subscribe("Dr. Amrani")
    await process.reports.report()
    clock.at += DEAD_AFTER + SECOND
    await database.write(presence.write_report, PresenceReport("another", clock.at, "e-0", whole=True))
    assert await stored_names(database) == []
    await process.subscribe("Dr. Okafor")

    await process.reports.report()

    assert await stored_names(database) == ["Dr. Amrani", "Dr. Okafor"]


async def test_resumes_reports_after_database_outage(
    database: Database, process: StreamProcess, caplog: pytest.LogCaptureFixture
) -> None:
    leaving, staying = await process.subscribe("Dr. Amrani"), await process.subscribe("Dr. Okafor")
    await process.reports.report()
    unreachable = Database("postgresql+asyncpg://visit@127.0.0.1:1/visits")

    process.hub.remove(leaving)
    with pytest.MonkeyPatch.context() as patch, caplog.at_level(logging.DEBUG):
        patch.setattr(database, "write", unreachable.write)
        for _ in range(3):
            await process.subscribe("Dr. Smith")
            await process.reports.report()
    await unreachable.close()

    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [record.getMessage() for record in warnings] == ["a dependency is away: ConnectionRefusedError"]
    assert not any(name in str(vars(record)) for record in caplog.records for name in ("Amrani", "Okafor", "Smith"))
    assert staying.live
    await process.reports.report()
    assert await stored_names(database) == ["Dr. Okafor", "Dr. Smith", "Dr. Smith", "Dr. Smith"]


async def test_unknown_outcome_causes_whole_report(database: Database, process: StreamProcess) -> None:
    await process.subscribe("Dr. Amrani")
    await process.reports.report()
    await process.subscribe("Dr. Okafor")
    write = database.write

    async def write_and_lose(unit: Callable[..., Any], *arguments: Any) -> Any:
        await write(unit, *arguments)
        raise ConnectionResetError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "write", write_and_lose)
        await process.reports.report()
    await process.subscribe("Dr. Smith")
    await process.reports.report()

    assert await stored_names(database) == ["Dr. Amrani", "Dr. Okafor", "Dr. Smith"]


async def test_gives_up_silent_database_in_time(database: Database, process: StreamProcess) -> None:
    await process.subscribe("Dr. Amrani")

    async def never_answer(*_arguments: Any) -> Any:
        await asyncio.get_running_loop().create_future()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(presence_reports, "WRITE_TIMEOUT", 0.01)
        patch.setattr(presence_reports, "DELETE_TIMEOUT", 0.01)
        patch.setattr(database, "write", never_answer)
        async with asyncio.timeout(20):
            await process.reports.report()
            await process.reports.end()

    await process.reports.report()
    assert await stored_names(database) == ["Dr. Amrani"]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_logs_failure_without_names(
    database: Database, process: StreamProcess, caplog: pytest.LogCaptureFixture
) -> None:
    await process.subscribe("Dr. Amrani")
    trigger = (
        "CREATE TRIGGER refuse BEFORE INSERT ON stream_readers BEGIN SELECT RAISE(ABORT, 'no room for Amrani'); END"
    )
    await database.write(lambda connection: connection.execute(text(trigger)))

    with caplog.at_level(logging.DEBUG):
        await process.reports.report()

    assert [record.getMessage() for record in caplog.records if "IntegrityError" in record.getMessage()]
    assert not any("Amrani" in str(vars(record)) for record in caplog.records)


async def test_reports_regularly_and_withdraws_on_stop(
    database: Database, process: StreamProcess, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence_reports, "REPORT_INTERVAL_SECONDS", 0.001)
    await database.write(presence.write_report, PresenceReport("another", clock.at, "e-0", whole=True))
    names: list[str] = []

    async with report_presence(process.name, process.hub, database, clock):
        await process.subscribe("Dr. Amrani")
        async with asyncio.timeout(20):
            while not names:
                names = await stored_names(database)

    assert names == ["Dr. Amrani"]
    assert await stored_names(database) == []
    assert await database.read(lambda connection: connection.scalars(select(stream_processes.c.id)).all()) == [
        "another"
    ]


def test_two_lost_reports_do_not_mean_dead() -> None:
    assert 2 * (KEEP_ALIVE_INTERVAL + timedelta(seconds=REPORT_INTERVAL_SECONDS)) < DEAD_AFTER

"""Presence reports of API processes on both databases: differences, complete reports, and removal of dead processes."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from patient_visit_engine.storage import presence
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.presence import DEAD_AFTER, SUBSCRIBERS_PER_PAGE, PresenceReport, ReportedSubscriber
from patient_visit_engine.storage.tables import stream_processes, stream_readers
from tests.support.builders import NOON
from tests.support.databases import database_on

MOMENT = timedelta(milliseconds=1)

database = database_on("sqlite", "postgres")


def a_subscriber(number: int = 1, cursor: str | None = None) -> ReportedSubscriber:
    return ReportedSubscriber(number, f"account:{number}", f"Dr. {number}", "doctor", NOON, cursor)


def complete_report(process: str = "one", *subscribers: ReportedSubscriber, at: datetime = NOON) -> PresenceReport:
    return PresenceReport(process, at, "e-7", connected=subscribers, whole=True)


async def read_others(
    database: Database, asking_process: str = "other", at: datetime = NOON
) -> dict[str, Sequence[ReportedSubscriber]]:
    """The subscribers of each process other than `asking_process`."""
    return {
        process.id: process.subscribers
        for process in await database.read(presence.read_other_processes, asking_process, at)
    }


def counts(connection: Connection) -> list[int]:
    tables = (stream_processes, stream_readers)
    return [connection.execute(select(func.count()).select_from(table)).scalar_one() for table in tables]


async def test_shows_report_to_other_processes_only(database: Database) -> None:
    assert await database.write(presence.write_report, complete_report("one", a_subscriber(1), a_subscriber(2, "e-5")))

    (process,) = await database.read(presence.read_other_processes, "other", NOON)

    assert (process.id, process.at, process.cursor) == ("one", NOON, "e-7")
    assert process.subscribers == [a_subscriber(1), a_subscriber(2, "e-5")]
    assert await read_others(database, "one") == {}


async def test_applies_difference_to_stored_subscribers(database: Database) -> None:
    await database.write(
        presence.write_report, complete_report("one", a_subscriber(1), a_subscriber(2), a_subscriber(3, "e-4"))
    )
    later = NOON + timedelta(seconds=5)

    moved = {2: "e-6", 3: None}
    assert await database.write(
        presence.write_report, PresenceReport("one", later, "e-8", [a_subscriber(4)], [1], moved)
    )

    (process,) = await database.read(presence.read_other_processes, "other", later)
    assert (process.at, process.cursor) == (later, "e-8")
    assert process.subscribers == [a_subscriber(2, "e-6"), a_subscriber(3), a_subscriber(4)]


async def test_subscribers_of_two_processes_share_numbers(database: Database) -> None:
    for process in ("one", "two"):
        await database.write(presence.write_report, complete_report(process, a_subscriber(1), a_subscriber(2)))

    await database.write(presence.write_report, PresenceReport("one", NOON, "e-7", disconnected=[1], moved={2: "e-6"}))

    assert await read_others(database) == {"one": [a_subscriber(2, "e-6")], "two": [a_subscriber(1), a_subscriber(2)]}


async def test_complete_report_replaces_earlier_ones(database: Database) -> None:
    await database.write(presence.write_report, complete_report("one", a_subscriber(1), a_subscriber(2)))

    await database.write(presence.write_report, complete_report("one", a_subscriber(2), a_subscriber(3)))

    assert await read_others(database) == {"one": [a_subscriber(2), a_subscriber(3)]}


async def test_shows_process_until_it_counts_as_dead(database: Database) -> None:
    await database.write(presence.write_report, complete_report("one", a_subscriber()))

    assert await read_others(database, at=NOON + DEAD_AFTER) == {"one": [a_subscriber()]}
    assert await read_others(database, at=NOON + DEAD_AFTER + MOMENT) == {}


async def test_next_report_deletes_only_dead_processes(database: Database) -> None:
    await database.write(presence.write_report, complete_report("dead", a_subscriber()))
    await database.write(presence.write_report, complete_report("alive", a_subscriber(), at=NOON + MOMENT))

    await database.write(presence.write_report, complete_report("next", a_subscriber(), at=NOON + DEAD_AFTER + MOMENT))

    assert await database.read(counts) == [2, 2]
    assert set(await read_others(database, at=NOON + DEAD_AFTER + MOMENT)) == {"alive", "next"}


async def test_refuses_difference_of_deleted_process(database: Database) -> None:
    difference = PresenceReport("one", NOON, "e-7", connected=[a_subscriber()])

    assert not await database.write(presence.write_report, difference)

    assert await database.read(counts) == [0, 0]
    assert await database.write(presence.write_report, replace(difference, whole=True))
    assert await read_others(database) == {"one": [a_subscriber()]}


async def test_late_process_does_not_delete_itself(database: Database) -> None:
    await database.write(presence.write_report, complete_report("one", a_subscriber()))
    later = NOON + 2 * DEAD_AFTER

    assert await database.write(presence.write_report, PresenceReport("one", later, "e-7"))

    assert await read_others(database, at=later) == {"one": [a_subscriber()]}


async def test_withdrawal_deletes_rows_of_process(database: Database) -> None:
    for process in ("one", "two"):
        await database.write(presence.write_report, complete_report(process, a_subscriber()))

    await database.write(presence.delete_process, "one")

    assert await database.read(counts) == [1, 1]
    assert set(await read_others(database)) == {"two"}


async def test_concurrent_reports_delete_dead_processes(database: Database) -> None:
    for number in range(4):
        await database.write(presence.write_report, complete_report(f"dead-{number}", *map(a_subscriber, range(20))))
    later = NOON + 2 * DEAD_AFTER
    reports = [complete_report(f"alive-{number}", a_subscriber(), at=later) for number in range(8)]

    assert all(await asyncio.gather(*(database.write(presence.write_report, report) for report in reports)))

    # A report that met a lock left the dead processes to the owner of the lock, so write one more.
    await database.write(presence.write_report, complete_report("last", at=later))
    assert await database.read(counts) == [9, 8]


async def test_reads_all_pages_of_subscribers(database: Database) -> None:
    subscribers = [a_subscriber(number) for number in range(1, 2 * SUBSCRIBERS_PER_PAGE + 1)]
    await database.write(presence.write_report, complete_report("one", *subscribers))

    assert await read_others(database) == {"one": subscribers}

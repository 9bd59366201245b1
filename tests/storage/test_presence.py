"""What processes report of their readers: kept by difference, shown to the others, gone with the process, on both databases."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Connection, func, select

from patient_visit_engine.storage import presence
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.presence import DEAD_AFTER, READERS_A_PAGE, PresenceReport, ReportedReader
from patient_visit_engine.storage.tables import stream_processes, stream_readers
from tests.support.builders import NOON

MOMENT = timedelta(milliseconds=1)


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> Database:
    fresh: Database = request.getfixturevalue(f"on_{request.param}")
    return fresh


def a_reader(number: int = 1, cursor: str | None = None) -> ReportedReader:
    return ReportedReader(number, f"account:{number}", f"Dr. {number}", "doctor", NOON, cursor)


def whole(process: str = "one", *readers: ReportedReader, at: datetime = NOON) -> PresenceReport:
    return PresenceReport(process, at, "e-7", came=readers, whole=True)


async def shown(database: Database, asks: str = "other", at: datetime = NOON) -> dict[str, Sequence[ReportedReader]]:
    """By process, what `asks` is told of the others."""
    return {one.id: one.readers for one in await database.read(presence.others, asks, at)}


def counts(connection: Connection) -> list[int]:
    tables = (stream_processes, stream_readers)
    return [connection.execute(select(func.count()).select_from(table)).scalar_one() for table in tables]


async def test_what_is_reported_is_shown_to_others_and_not_to_oneself(database: Database) -> None:
    assert await database.write(presence.report, whole("one", a_reader(1), a_reader(2, "e-5")))

    (seen,) = await database.read(presence.others, "other", NOON)

    assert (seen.id, seen.at, seen.cursor) == ("one", NOON, "e-7")
    assert seen.readers == [a_reader(1), a_reader(2, "e-5")]
    assert await shown(database, "one") == {}


async def test_only_the_difference_is_written(database: Database) -> None:
    await database.write(presence.report, whole("one", a_reader(1), a_reader(2), a_reader(3, "e-4")))
    later = NOON + timedelta(seconds=5)

    moved = {2: "e-6", 3: None}
    assert await database.write(presence.report, PresenceReport("one", later, "e-8", [a_reader(4)], [1], moved))

    (seen,) = await database.read(presence.others, "other", later)
    assert (seen.at, seen.cursor) == (later, "e-8")
    assert seen.readers == [a_reader(2, "e-6"), a_reader(3), a_reader(4)]


async def test_the_same_number_in_two_processes_is_two_readers(database: Database) -> None:
    for process in ("one", "two"):
        await database.write(presence.report, whole(process, a_reader(1), a_reader(2)))

    await database.write(presence.report, PresenceReport("one", NOON, "e-7", gone=[1], moved={2: "e-6"}))

    assert await shown(database) == {"one": [a_reader(2, "e-6")], "two": [a_reader(1), a_reader(2)]}


async def test_a_whole_report_replaces_all_that_was_told_before(database: Database) -> None:
    await database.write(presence.report, whole("one", a_reader(1), a_reader(2)))

    await database.write(presence.report, whole("one", a_reader(2), a_reader(3)))

    assert await shown(database) == {"one": [a_reader(2), a_reader(3)]}


async def test_a_process_is_shown_until_it_counts_as_dead(database: Database) -> None:
    await database.write(presence.report, whole("one", a_reader()))

    assert await shown(database, at=NOON + DEAD_AFTER) == {"one": [a_reader()]}
    assert await shown(database, at=NOON + DEAD_AFTER + MOMENT) == {}


async def test_whoever_reports_next_deletes_what_the_dead_have_left_and_nothing_else(database: Database) -> None:
    await database.write(presence.report, whole("dead", a_reader()))
    await database.write(presence.report, whole("alive", a_reader(), at=NOON + MOMENT))

    await database.write(presence.report, whole("next", a_reader(), at=NOON + DEAD_AFTER + MOMENT))

    assert await database.read(counts) == [2, 2]
    assert set(await shown(database, at=NOON + DEAD_AFTER + MOMENT)) == {"alive", "next"}


async def test_a_process_that_was_taken_for_dead_is_told_so_and_writes_nothing(database: Database) -> None:
    difference = PresenceReport("one", NOON, "e-7", came=[a_reader()])

    assert not await database.write(presence.report, difference)

    assert await database.read(counts) == [0, 0]
    assert await database.write(presence.report, replace(difference, whole=True))
    assert await shown(database) == {"one": [a_reader()]}


async def test_a_process_that_comes_back_late_does_not_take_itself_for_dead(database: Database) -> None:
    await database.write(presence.report, whole("one", a_reader()))
    late = NOON + 2 * DEAD_AFTER

    assert await database.write(presence.report, PresenceReport("one", late, "e-7"))

    assert await shown(database, at=late) == {"one": [a_reader()]}


async def test_a_process_that_withdraws_leaves_nothing(database: Database) -> None:
    for process in ("one", "two"):
        await database.write(presence.report, whole(process, a_reader()))

    await database.write(presence.withdraw, "one")

    assert await database.read(counts) == [1, 1]
    assert set(await shown(database)) == {"two"}


async def test_many_report_and_bury_the_dead_at_the_same_time(database: Database) -> None:
    for number in range(4):
        await database.write(presence.report, whole(f"dead-{number}", *map(a_reader, range(20))))
    late = NOON + 2 * DEAD_AFTER
    reports = [whole(f"alive-{number}", a_reader(), at=late) for number in range(8)]

    assert all(await asyncio.gather(*(database.write(presence.report, one) for one in reports)))

    # One that met a lock has left the dead to whoever holds it.
    await database.write(presence.report, whole("last", at=late))
    assert await database.read(counts) == [9, 8]


async def test_readers_are_read_whole_whatever_their_number(database: Database) -> None:
    everybody = [a_reader(number) for number in range(1, 2 * READERS_A_PAGE + 1)]
    await database.write(presence.report, whole("one", *everybody))

    assert await shown(database) == {"one": everybody}

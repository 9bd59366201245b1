"""The write probe of `/readyz`: a full disk, a read-only file, a busy writer, and how seldom it writes."""

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError

from patient_visit_engine.storage import write_probe
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.write_probe import DISK_IS_FULL, INTERVAL_SECONDS, WriteProbe
from tests.support.postgres import ThrowawayPostgres
from tests.support.small_disk import fill, free, small_disk


class ManualClock:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


async def problem_now(probe: WriteProbe, clock: ManualClock) -> str | None:
    """A new result, not the stored one."""
    clock.seconds += INTERVAL_SECONDS
    return await probe.find_problem()


@pytest.fixture
async def on_small_disk(tmp_path: Path, migrated_file: Path) -> AsyncIterator[tuple[Path, Database]]:
    with small_disk(tmp_path, 8) as disk:
        path = await asyncio.to_thread(shutil.copyfile, migrated_file, disk / "visits.db")
        database = Database(f"sqlite+aiosqlite:///{path}")

        yield disk, database

        await database.close()


async def test_notices_full_disk_and_its_end(on_small_disk: tuple[Path, Database], clock: ManualClock) -> None:
    disk, database = on_small_disk
    probe = WriteProbe(database, clock)
    before = await problem_now(probe, clock)
    fill(disk)
    full = await problem_now(probe, clock)
    free(disk)

    assert (before, full, await problem_now(probe, clock)) == (None, DISK_IS_FULL, None)


async def test_failed_commit_is_a_full_disk(
    on_small_disk: tuple[Path, Database], clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A quota can end the space although the disk has some."""
    disk, database = on_small_disk
    monkeypatch.setattr(write_probe, "MIN_FREE_BYTES", 0)
    probe = WriteProbe(database, clock)
    before = await problem_now(probe, clock)
    fill(disk)

    assert (before, await problem_now(probe, clock)) == (None, DISK_IS_FULL)


async def test_notices_full_disk_of_postgres(tmp_path: Path, clock: ManualClock) -> None:
    if reason := ThrowawayPostgres.missing_requirement():
        pytest.skip(reason)
    # pytest's folder is closed to the account of PostgreSQL.
    folder = Path(await asyncio.to_thread(ThrowawayPostgres.new_folder))
    with small_disk(folder, 120) as disk:
        server = ThrowawayPostgres("-c fsync=off -c min_wal_size=32MB -c max_wal_size=32MB", folder=disk)
        await asyncio.to_thread(server.open)
        database = Database(f"{server.url}/postgres")
        try:
            probe = WriteProbe(database, clock)
            before = await problem_now(probe, clock)
            fill(disk)
            full = await problem_now(probe, clock)
            free(disk)
            after = await problem_now(probe, clock)
        finally:
            await database.close()
            await asyncio.to_thread(server.close)
    shutil.rmtree(folder)

    assert (before, full, after) == (None, DISK_IS_FULL, None)


async def test_callers_share_one_write(database: Database, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    probe, writes = WriteProbe(database, clock), 0
    write = database.write

    async def count_write(*arguments: object) -> object:
        nonlocal writes
        writes += 1
        return await write(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(database, "write", count_write)
    await asyncio.gather(*(problem_now(probe, clock) for _ in range(50)))
    clock.seconds += INTERVAL_SECONDS - 0.1
    await probe.find_problem()
    within_interval = writes
    clock.seconds += 0.1
    await probe.find_problem()

    assert (within_interval, writes) == (1, 2)


async def test_busy_writer_is_no_problem(database: Database, clock: ManualClock) -> None:
    probe = WriteProbe(database, clock)
    other = sqlite3.connect(str(database.url.database), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waiting = asyncio.create_task(probe.find_problem())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await asyncio.shield(waiting)
    other.execute("ROLLBACK")
    other.close()

    assert await waiting is None


async def test_read_only_file_is_a_problem(
    database: Database, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_connection: object) -> None:
        raise DBAPIError("", None, readonly_error())

    monkeypatch.setattr(write_probe, "_count_up", fail)

    assert await problem_now(WriteProbe(database, clock), clock) == (
        "the database cannot be written (attempt to write a readonly database)"
    )


def readonly_error() -> sqlite3.OperationalError:
    connection = sqlite3.connect(":memory:")
    connection.execute("PRAGMA query_only = ON")
    with pytest.raises(sqlite3.OperationalError) as error:
        connection.execute("CREATE TABLE t (x)")
    connection.close()
    return error.value

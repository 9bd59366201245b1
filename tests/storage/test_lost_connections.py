"""Connections to PostgreSQL that were lost while they waited in the pool, and what a unit of work costs on the wire."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from patient_visit_engine.storage.database import Database, is_unavailable
from tests.support.postgres import ThrowawayPostgres
from tests.support.postgres_wire import PostgresWire, wired

WireAndDatabase = tuple[PostgresWire, Database]
UNITS = ("read", "read_inline", "write")
POOLED = 4


@pytest.fixture
async def wire_and_database(on_postgres: Database) -> AsyncIterator[WireAndDatabase]:
    """A relay to a fresh database, and the database as a client of the relay sees it."""
    async with wired(on_postgres) as wire:
        yield wire


@pytest.fixture(scope="module")
def own_server() -> Iterator[ThrowawayPostgres]:
    """A PostgreSQL server that a test may stop and start."""
    if reason := ThrowawayPostgres.missing_requirement():
        pytest.skip(reason)
    server = ThrowawayPostgres("-c fsync=off", in_memory=True)
    server.open()
    yield server
    server.close()


def count_up(connection: Connection) -> None:
    connection.execute(text("UPDATE log_head SET seq = seq + 1"))


def read_head(connection: Connection) -> int:
    return int(connection.scalar(text("SELECT seq FROM log_head")))


async def run(database: Database, kind: str) -> Any:
    """Run one statement in a unit of this kind."""
    return await getattr(database, kind)(lambda connection: connection.scalar(text("SELECT 1")))


async def fill_pool(database: Database) -> None:
    """Open several connections. They wait in the pool afterwards."""
    naps = [database.read(lambda connection: connection.execute(text("SELECT pg_sleep(0.1)"))) for _ in range(POOLED)]
    await asyncio.gather(*naps)


@pytest.mark.parametrize("kind", UNITS)
async def test_unit_works_after_server_ended_connections(wire_and_database: WireAndDatabase, kind: str) -> None:
    wire, database = wire_and_database
    await fill_pool(database)
    end_others = (
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> "
    )

    await database.read(lambda connection: connection.execute(text(f"{end_others} pg_backend_pid()")))
    results = [await run(database, kind) for _ in range(POOLED)]

    assert results == [1] * POOLED
    # One failure is enough to replace the whole pool, also the connection that still worked.
    assert POOLED < wire.opened <= 2 * POOLED


@pytest.mark.parametrize("kind", UNITS)
async def test_unit_works_after_network_cut_connections(wire_and_database: WireAndDatabase, kind: str) -> None:
    wire, database = wire_and_database
    await fill_pool(database)

    wire.cut()

    assert await asyncio.gather(*(run(database, kind) for _ in range(POOLED))) == [1] * POOLED


async def test_units_work_after_restart_of_server(own_server: ThrowawayPostgres) -> None:
    database = Database(f"{own_server.url}/postgres")
    await database.write(lambda connection: connection.execute(text("CREATE TABLE log_head AS SELECT 0 AS seq")))
    await fill_pool(database)

    own_server.stop()
    own_server.start()
    await database.write(count_up)
    after_write = await database.read(read_head)
    own_server.stop()
    own_server.start()
    after_read = await database.read_inline(read_head)
    await database.close()

    assert (after_write, after_read) == (1, 1)


@pytest.mark.parametrize("loses_answer", [False, True], ids=["request lost", "answer lost"])
async def test_lost_commit_is_not_repeated(
    wire_and_database: WireAndDatabase, on_postgres: Database, loses_answer: bool
) -> None:
    wire, database = wire_and_database
    await database.write(count_up)
    runs: list[int] = []

    def count_up_and_note(connection: Connection) -> None:
        runs.append(1)
        count_up(connection)

    wire.cut_at("COMMIT;", loses_answer=loses_answer)
    with pytest.raises(DBAPIError) as raised:
        await database.write(count_up_and_note)

    assert is_unavailable(raised.value)
    assert len(runs) == 1
    assert await on_postgres.read(read_head) == (2 if loses_answer else 1)
    assert await database.read(read_head) == (2 if loses_answer else 1)


@pytest.mark.parametrize("at", ["BEGIN", "UPDATE"])
async def test_write_lost_before_commit_counts_once(wire_and_database: WireAndDatabase, at: str) -> None:
    wire, database = wire_and_database
    await database.write(count_up)

    wire.cut_at(at)
    await database.write(count_up)

    assert await database.read(read_head) == 2


async def test_unit_is_repeated_once_only(wire_and_database: WireAndDatabase) -> None:
    wire, database = wire_and_database
    await run(database, "write")
    runs: list[int] = []

    def cut_and_fail(connection: Connection) -> None:
        runs.append(1)
        wire.cut_at("SELECT 2")
        connection.execute(text("SELECT 2"))

    with pytest.raises(DBAPIError) as raised:
        await database.write(cut_and_fail)

    assert is_unavailable(raised.value)
    assert len(runs) == 2


async def test_other_errors_are_not_repeated(on_postgres: Database) -> None:
    runs: list[int] = []

    def insert_second_head(connection: Connection) -> None:
        runs.append(1)
        connection.execute(text("INSERT INTO log_head SELECT * FROM log_head"))

    with pytest.raises(IntegrityError):
        await on_postgres.write(insert_second_head)

    assert len(runs) == 1


@pytest.mark.parametrize(
    ("kind", "statements"),
    [
        ("read_inline", ["SELECT 1"]),
        ("read", ["BEGIN ISOLATION LEVEL REPEATABLE READ;", "SELECT 1", "COMMIT;"]),
        ("write", ["BEGIN ISOLATION LEVEL READ COMMITTED;", "SELECT 1", "COMMIT;"]),
    ],
)
async def test_unit_sends_only_what_it_needs(
    wire_and_database: WireAndDatabase, kind: str, statements: list[str]
) -> None:
    wire, database = wire_and_database
    # A connection asks about types when it opens, and prepares each statement once.
    for other in UNITS:
        await run(database, other)
    wire.reset()

    await run(database, kind)
    await run(database, kind)

    assert wire.statements == 2 * statements
    assert wire.round_trips == 2 * len(statements)
    assert wire.opened == 1


async def test_snapshot_sees_no_later_commit(on_postgres: Database) -> None:
    other = Database(on_postgres.url.render_as_string(hide_password=False))

    async def read_twice(kind: str) -> tuple[int, int]:
        loop = asyncio.get_running_loop()
        commits: list[asyncio.Task[None]] = []

        def unit(connection: Connection) -> tuple[int, int]:
            first = read_head(connection)
            commits.append(loop.create_task(other.write(count_up)))
            while not commits[0].done():
                connection.execute(text("SELECT pg_sleep(0.01)"))
            return first, read_head(connection)

        return await getattr(on_postgres, kind)(unit)  # type: ignore[no-any-return]

    snapshot, single = await read_twice("read"), await read_twice("read_inline")
    await other.close()

    assert (snapshot, single) == ((0, 0), (1, 2))

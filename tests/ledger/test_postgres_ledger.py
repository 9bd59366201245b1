"""What only PostgreSQL does to the ledger: rows that change while they are waited for, and errors that time mends."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from patient_visit_engine.storage.database import Database, is_unavailable
from patient_visit_engine.storage.facts import NameCache, read_appointment
from patient_visit_engine.storage.master_data import AppointmentPut, MasterDataPut, put_appointment
from patient_visit_engine.storage.requests import open_request
from patient_visit_engine.visit.state import Appointment
from tests.support.builders import (
    DAY,
    DERMATOLOGY,
    DR_AMRANI,
    DR_SMITH,
    JOHN_DOE,
    NOON,
    a_start,
    an_appointment,
    minutes,
    seed,
)
from tests.support.ledger import LedgerDriver, column, kept_answer

MINE, OF_SMITH = an_appointment(DR_AMRANI, number=1), an_appointment(DR_SMITH, number=2)
TO_SMITH = an_appointment(DR_SMITH, number=1)
TO_DERMATOLOGY = an_appointment(DR_AMRANI, number=1, prestation=DERMATOLOGY)

WAITING = "SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid()"
STARTING_UP = b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0"


@asynccontextmanager
async def another(database: Database) -> AsyncIterator[AsyncConnection]:
    """A connection of somebody else, in a transaction that is committed at the end."""
    engine = create_async_engine(database.url)
    try:
        async with engine.begin() as connection:
            yield connection
    finally:
        await engine.dispose()


async def until_waiting(watcher: AsyncConnection, sessions: int = 1) -> None:
    """Until so many sessions wait for a lock."""
    async with asyncio.timeout(30):
        while True:
            if await watcher.scalar(text(WAITING)) == sessions:
                return
            await asyncio.sleep(0.01)


def put(connection: Connection, wanted: Appointment) -> None:
    """The hospital's own system replaces the appointment."""
    values = AppointmentPut(wanted.patient_id, wanted.doctor_id, wanted.prestation_id, NOON, wanted.status)
    assert put_appointment(connection, MasterDataPut(wanted.id, "a-put", NOON), values)


@pytest.mark.parametrize("wanted", [TO_SMITH, TO_DERMATOLOGY], ids=["its doctor", "its prestation"])
async def test_whoever_waited_for_a_change_of_an_appointment_sees_it_as_it_is_afterwards(
    on_postgres: Database, wanted: Appointment
) -> None:
    await on_postgres.write(seed, MINE)
    async with another(on_postgres) as hospital:
        await hospital.run_sync(put, wanted)
        reading = asyncio.create_task(on_postgres.write(partial(read_appointment, lock=True), MINE.id, NameCache()))
        await until_waiting(hospital)

    assert await reading == wanted


@pytest.mark.parametrize("wanted", [TO_SMITH, TO_DERMATOLOGY], ids=["its doctor", "its prestation"])
async def test_a_start_overtaken_by_a_change_of_its_appointment_is_given_the_new_one(
    on_postgres: Database, wanted: Appointment
) -> None:
    await on_postgres.write(seed, MINE)
    desk = LedgerDriver(on_postgres)
    async with another(on_postgres) as hospital:
        await hospital.run_sync(put, wanted)
        recording = asyncio.create_task(desk.record(desk.entry(a_start(MINE))))
        await until_waiting(hospital)

    recorded = await recording

    assert (recorded.overtaken, recorded.appointment) == (True, wanted)
    assert await on_postgres.read(column, "patient_trackings", "id") == []
    assert await on_postgres.read(column, "requests", "request_id") == []


async def test_of_two_days_visits_that_got_one_request_the_first_decides_it_and_the_second_nothing(
    on_postgres: Database,
) -> None:
    await on_postgres.write(seed, MINE, OF_SMITH)
    today, tomorrow = LedgerDriver(on_postgres), LedgerDriver(on_postgres, day=DAY + timedelta(days=1))
    await today.ask(a_start(OF_SMITH, "smith"))
    command = a_start(MINE, "asked once")
    await on_postgres.write(partial(open_request, command=command), command.request, NOON)
    tomorrow.know(today.state.facts)
    async with another(on_postgres) as somebody:
        await somebody.execute(text(f"SELECT 1 FROM patients WHERE id = {JOHN_DOE.id} FOR UPDATE"))
        first = asyncio.create_task(today.record(today.entry(command, NOON + minutes(1))))
        await until_waiting(somebody)
        second = asyncio.create_task(tomorrow.record(tomorrow.entry(command, NOON + minutes(2))))
        await until_waiting(somebody, 2)

    await asyncio.gather(first, second)

    answer = await on_postgres.read(kept_answer, command.request.id)
    assert (answer.status, answer.body["elapsed_seconds"]) == (409, 60)
    assert (await on_postgres.read(column, "timeline", "event")).count("refused") == 1


async def run(database: Database, *statements: str) -> None:
    """These statements in one transaction."""

    def unit(connection: Connection) -> None:
        for statement in statements:
            connection.execute(text(statement))

    await database.write(unit)


async def a_terminated_session(database: Database) -> None:
    await run(database, "SELECT pg_terminate_backend(pg_backend_pid())")


async def a_statement_that_takes_too_long(database: Database) -> None:
    await run(database, "SET LOCAL statement_timeout = 20", "SELECT pg_sleep(30)")


async def a_lock_that_is_waited_for_too_long(database: Database) -> None:
    async with another(database) as somebody:
        await somebody.execute(text("LOCK TABLE patients"))
        await run(database, "SET LOCAL lock_timeout = 20", "LOCK TABLE patients")


async def a_standby(database: Database) -> None:
    await run(database, "SET TRANSACTION READ ONLY", "DELETE FROM events")


async def a_deadlock(database: Database) -> None:
    async with another(database) as somebody:
        await somebody.execute(text("SET LOCAL deadlock_timeout = '1min'"))
        await somebody.execute(text("SELECT pg_advisory_xact_lock(1)"))
        both = "SELECT pg_advisory_xact_lock(2)", "SELECT pg_advisory_xact_lock(1)"
        ours = asyncio.create_task(run(database, "SET LOCAL deadlock_timeout = '2s'", *both))
        await until_waiting(somebody)
        await somebody.execute(text("SELECT pg_advisory_xact_lock(2)"))
        await ours


async def an_exhausted_pool(database: Database) -> None:
    engine = create_async_engine(database.url, pool_size=1, max_overflow=0, pool_timeout=0.02)
    try:
        async with engine.connect(), engine.connect():
            pass
    finally:
        await engine.dispose()


async def a_server_that_is_starting_up(_database: Database) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Whether it speaks TLS, and then who is there.
        for reply in (b"N", b"E" + (len(STARTING_UP) + 4).to_bytes(4) + STARTING_UP):
            await reader.readexactly(int.from_bytes(await reader.readexactly(4)) - 4)
            writer.write(reply)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        starting = Database(f"postgresql+asyncpg://visit@127.0.0.1:{port}/visits")
        try:
            await run(starting, "SELECT 1")
        finally:
            await starting.close()


async def no_server(_database: Database) -> None:
    await run(Database("postgresql+asyncpg://visit@127.0.0.1:1/visits"), "SELECT 1")


async def a_wrong_statement(database: Database) -> None:
    await run(database, "SELECT nothing FROM nowhere")


async def a_broken_constraint(database: Database) -> None:
    await run(database, "INSERT INTO doctors (id, name) VALUES (1, 'One'), (1, 'Two')")


async def a_value_that_does_not_fit(database: Database) -> None:
    await run(database, "SELECT 1 / 0")


@pytest.mark.parametrize(
    ("trouble", "passes"),
    [
        (a_terminated_session, True),
        (a_statement_that_takes_too_long, True),
        (a_lock_that_is_waited_for_too_long, True),
        (a_standby, True),
        (a_deadlock, True),
        (an_exhausted_pool, True),
        (a_server_that_is_starting_up, True),
        (no_server, True),
        (a_wrong_statement, False),
        (a_broken_constraint, False),
        (a_value_that_does_not_fit, False),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
async def test_a_database_that_is_away_is_told_from_a_mistake(
    on_postgres: Database, trouble: Callable[[Database], Awaitable[None]], passes: bool
) -> None:
    with pytest.raises(Exception) as caught:
        await trouble(on_postgres)

    assert is_unavailable(caught.value) is passes

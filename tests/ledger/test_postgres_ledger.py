"""PostgreSQL only: rows that change while the ledger waits for their lock, and errors that are worth a retry."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from patient_visit_engine.storage.database import Database, is_unavailable
from patient_visit_engine.storage.master_data.appointments import AppointmentPut, OpenInVisitError, put_appointment
from patient_visit_engine.storage.master_data.records import PutContext
from patient_visit_engine.storage.requests import open_request
from patient_visit_engine.visit.appointment import Appointment
from patient_visit_engine.visit.appointment_commands import CheckIn
from patient_visit_engine.visit.consultation_commands import StartConsultation
from patient_visit_engine.visit.facts import Facts
from tests.support.builders import (
    DAY,
    DERMATOLOGY,
    DR_AMRANI,
    DR_OKAFOR,
    DR_SMITH,
    JOHN_DOE,
    NOON,
    an_appointment,
    minutes,
    seed,
)
from tests.support.commands import a_check_in, a_start, a_wait
from tests.support.ledger import LedgerDriver, column, stored_answer
from tests.support.lock_waits import LOCK_HEAD, is_blocked, other_session, wait_at_head, wait_for_blocked

OF_AMRANI, OF_SMITH = an_appointment(DR_AMRANI, number=1), an_appointment(DR_SMITH, number=2)
OF_OKAFOR = an_appointment(DR_OKAFOR, number=3)
TO_SMITH = an_appointment(DR_SMITH, number=1)
TO_DERMATOLOGY = an_appointment(DR_AMRANI, number=1, prestation=DERMATOLOGY)

STARTING_UP = b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0"


def put(connection: Connection, changed: Appointment) -> None:
    """Replace the appointment, as the hospital's own system does."""
    values = AppointmentPut(changed.patient_id, changed.doctor_id, changed.prestation_id, NOON, changed.status)
    assert put_appointment(connection, PutContext(changed.id, "a-put", NOON), values)


@pytest.mark.parametrize("changed", [TO_SMITH, TO_DERMATOLOGY], ids=["its doctor", "its prestation"])
async def test_overtaken_start_gets_changed_appointment(on_postgres: Database, changed: Appointment) -> None:
    await on_postgres.write(seed, OF_AMRANI)
    ledger = LedgerDriver(on_postgres)
    async with other_session(on_postgres) as session:
        await session.run_sync(put, changed)
        recording = asyncio.create_task(ledger.record(ledger.entry(a_start(OF_AMRANI))))
        await wait_for_blocked(session)

    recorded = await recording

    assert (recorded.overtaken, recorded.appointment) == (True, changed)
    assert await on_postgres.read(column, "patient_trackings", "id") == []
    assert await on_postgres.read(column, "requests", "request_id") == []


@pytest.mark.parametrize("arrival", [a_check_in(OF_AMRANI), a_start(OF_AMRANI)], ids=["a check-in", "a consultation"])
async def test_waiting_put_sees_arrival_of_new_commit(
    on_postgres: Database, arrival: StartConsultation | CheckIn
) -> None:
    await on_postgres.write(seed, OF_AMRANI)
    visit = LedgerDriver(on_postgres)
    values, context = AppointmentPut(doctor_id=DR_SMITH.id), PutContext(OF_AMRANI.id, "a-put", NOON)
    async with other_session(on_postgres) as session:
        await session.execute(text(LOCK_HEAD))
        arriving = asyncio.create_task(visit.record(visit.entry(arrival)))
        await wait_at_head(session, 1)
        putting = asyncio.create_task(on_postgres.write(put_appointment, context, values))
        await wait_for_blocked(session, 2)

    await arriving
    with pytest.raises(OpenInVisitError):
        await putting
    assert await on_postgres.read(column, "appointments", "doctor_id") == [DR_AMRANI.id]


@pytest.mark.parametrize(
    "first_command", [a_start(OF_SMITH), a_check_in(OF_SMITH)], ids=["a consultation", "a check-in"]
)
async def test_waiting_start_sees_facts_of_new_commit(
    on_postgres: Database, first_command: StartConsultation | CheckIn
) -> None:
    await on_postgres.write(seed, OF_AMRANI, OF_SMITH)
    first_visit, visit = LedgerDriver(on_postgres), LedgerDriver(on_postgres)
    async with other_session(on_postgres) as session:
        await session.execute(text(LOCK_HEAD))
        first = asyncio.create_task(first_visit.record(first_visit.entry(first_command)))
        await wait_at_head(session, 1)
        second = asyncio.create_task(visit.record(visit.entry(a_start(OF_AMRANI, "amrani"))))
        assert await is_blocked(session, second, 2)

    recorded = await second

    assert (recorded.overtaken, recorded.facts) == (True, (await first).facts)
    assert recorded.facts != Facts()


async def test_waiting_join_sees_line_of_new_commit(on_postgres: Database) -> None:
    await on_postgres.write(seed, OF_AMRANI, OF_SMITH, OF_OKAFOR)
    visits = LedgerDriver(on_postgres), LedgerDriver(on_postgres)
    await visits[0].send(a_start(OF_OKAFOR))
    await visits[1].load_facts()
    async with other_session(on_postgres) as session:
        await session.execute(text(LOCK_HEAD))
        first = asyncio.create_task(visits[0].record(visits[0].entry(a_wait(OF_SMITH, "smith"))))
        await wait_at_head(session, 1)
        second = asyncio.create_task(visits[1].record(visits[1].entry(a_wait(OF_AMRANI, "amrani"))))
        assert await is_blocked(session, second, 2)

    recorded = await second

    assert [place.doctor_id for place in recorded.facts.waiting] == [DR_SMITH.id]
    assert (recorded.overtaken, recorded.facts) == (True, (await first).facts)


async def test_first_of_two_visits_decides_one_request(on_postgres: Database) -> None:
    await on_postgres.write(seed, OF_AMRANI, OF_SMITH)
    today, tomorrow = LedgerDriver(on_postgres), LedgerDriver(on_postgres, day=DAY + timedelta(days=1))
    await today.send(a_start(OF_SMITH, "smith"))
    command = a_start(OF_AMRANI, "sent once")
    await on_postgres.write(partial(open_request, command=command), command.request, NOON)
    tomorrow.set_facts(today.state.facts)
    async with other_session(on_postgres) as session:
        await session.execute(text(f"SELECT 1 FROM patients WHERE id = {JOHN_DOE.id} FOR UPDATE"))
        first = asyncio.create_task(today.record(today.entry(command, NOON + minutes(1))))
        await wait_for_blocked(session)
        second = asyncio.create_task(tomorrow.record(tomorrow.entry(command, NOON + minutes(2))))
        await wait_for_blocked(session, 2)

    await asyncio.gather(first, second)

    answer = await on_postgres.read(stored_answer, command.request.id)
    assert (answer.status, answer.body["elapsed_seconds"]) == (409, 60)
    assert (await on_postgres.read(column, "timeline", "event")).count("refused") == 1


async def run(database: Database, *statements: str) -> None:
    """Run these statements in one transaction."""

    def execute(connection: Connection) -> None:
        for statement in statements:
            connection.execute(text(statement))

    await database.write(execute)


async def terminated_session(database: Database) -> None:
    await run(database, "SELECT pg_terminate_backend(pg_backend_pid())")


async def statement_timeout(database: Database) -> None:
    await run(database, "SET LOCAL statement_timeout = 20", "SELECT pg_sleep(30)")


async def lock_timeout(database: Database) -> None:
    async with other_session(database) as session:
        await session.execute(text("LOCK TABLE patients"))
        await run(database, "SET LOCAL lock_timeout = 20", "LOCK TABLE patients")


async def read_only_standby(database: Database) -> None:
    await run(database, "SET TRANSACTION READ ONLY", "DELETE FROM events")


async def deadlock(database: Database) -> None:
    async with other_session(database) as session:
        await session.execute(text("SET LOCAL deadlock_timeout = '1min'"))
        await session.execute(text("SELECT pg_advisory_xact_lock(1)"))
        locks = "SELECT pg_advisory_xact_lock(2)", "SELECT pg_advisory_xact_lock(1)"
        waiting = asyncio.create_task(run(database, "SET LOCAL deadlock_timeout = '2s'", *locks))
        await wait_for_blocked(session)
        await session.execute(text("SELECT pg_advisory_xact_lock(2)"))
        await waiting


async def exhausted_pool(database: Database) -> None:
    engine = create_async_engine(database.url, pool_size=1, max_overflow=0, pool_timeout=0.02)
    try:
        async with engine.connect(), engine.connect():
            pass
    finally:
        await engine.dispose()


async def starting_server(_database: Database) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The first reply is to the request for TLS, the second to the client's startup message.
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


async def wrong_statement(database: Database) -> None:
    await run(database, "SELECT nothing FROM nowhere")


async def broken_constraint(database: Database) -> None:
    await run(database, "INSERT INTO doctors (id, name) VALUES (1, 'One'), (1, 'Two')")


async def division_by_zero(database: Database) -> None:
    await run(database, "SELECT 1 / 0")


@pytest.mark.parametrize(
    ("fault", "temporary"),
    [
        (terminated_session, True),
        (statement_timeout, True),
        (lock_timeout, True),
        (read_only_standby, True),
        (deadlock, True),
        (exhausted_pool, True),
        (starting_server, True),
        (no_server, True),
        (wrong_statement, False),
        (broken_constraint, False),
        (division_by_zero, False),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
async def test_only_temporary_errors_are_unavailable(
    on_postgres: Database, fault: Callable[[Database], Awaitable[None]], temporary: bool
) -> None:
    with pytest.raises(Exception) as caught:
        await fault(on_postgres)

    assert is_unavailable(caught.value) is temporary

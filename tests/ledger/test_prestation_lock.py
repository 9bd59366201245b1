"""PostgreSQL only: a start and a change of its prestation exclude each other, and two starts do not."""

import asyncio

import pytest
from sqlalchemy import Connection, text

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.ledger.stored_state import lock_and_read
from patient_visit_engine.storage.master_data.appointments import AppointmentPut, put_appointment
from patient_visit_engine.storage.master_data.prestations import PrestationInUseError, PrestationPut, put_prestation
from patient_visit_engine.storage.master_data.records import PutContext
from patient_visit_engine.visit.appointment_commands import CheckIn
from patient_visit_engine.visit.consultation_commands import StartConsultation
from tests.support.builders import CARDIOLOGY, DR_AMRANI, MARIA_SILVA, NOON, Prestation, an_appointment, seed
from tests.support.commands import a_check_in, a_start
from tests.support.ledger import LedgerDriver, column
from tests.support.lock_waits import LOCK_HEAD, is_blocked, other_session, wait_at_head, wait_for_blocked

OF_JOHN = an_appointment(DR_AMRANI, number=1)
OF_MARIA = an_appointment(DR_AMRANI, number=2, patient=MARIA_SILVA)
PARALLEL = Prestation(CARDIOLOGY.id, CARDIOLOGY.name, exclusive=False)
LONGER = Prestation(CARDIOLOGY.id, CARDIOLOGY.name, exclusive=True, expected_minutes=55)
NEW = Prestation(99, "Ultrasound", exclusive=False)


def put(connection: Connection, prestation: Prestation) -> None:
    """Create or replace the prestation, as the hospital's own system does."""
    context = PutContext(prestation.id, "a-put", NOON)
    put_prestation(
        connection, context, PrestationPut(prestation.name, prestation.exclusive, prestation.expected_minutes)
    )


def move_to_new_prestation(connection: Connection) -> None:
    """Create a prestation and give it to John's appointment."""
    put(connection, NEW)
    values = AppointmentPut(OF_JOHN.patient_id, OF_JOHN.doctor_id, NEW.id, NOON, OF_JOHN.status)
    put_appointment(connection, PutContext(OF_JOHN.id, "a-move", NOON), values)


@pytest.fixture
async def database(on_postgres: Database) -> Database:
    """A PostgreSQL database with an appointment of John and one of Maria, for the same prestation."""
    await on_postgres.write(seed, OF_JOHN, OF_MARIA)
    return on_postgres


@pytest.mark.parametrize("changed", [PARALLEL, LONGER], ids=["exclusive", "expected minutes"])
async def test_start_waits_for_change_and_is_overtaken(database: Database, changed: Prestation) -> None:
    ledger = LedgerDriver(database)
    async with other_session(database) as session:
        await session.run_sync(put, changed)
        recording = asyncio.create_task(ledger.record(ledger.entry(a_start(OF_JOHN))))
        assert await is_blocked(session, recording)

    recorded = await recording

    assert (recorded.overtaken, recorded.appointment) == (True, an_appointment(number=1, prestation=changed))
    assert await database.read(column, "patient_trackings", "id") == []


async def test_overtaken_start_is_decided_on_new_value(database: Database) -> None:
    async with other_session(database) as session:
        await session.run_sync(put, PARALLEL)
        starting = asyncio.create_task(LedgerDriver(database).send(a_start(OF_JOHN)))
        assert await is_blocked(session, starting)

    assert (await starting).status == 201

    assert await database.read(column, "patient_trackings", "exclusive") == [False]


@pytest.mark.parametrize(
    ("command", "refusal"),
    [(a_start(OF_JOHN), PrestationInUseError), (a_check_in(OF_JOHN), type(None))],
    ids=["start", "check-in"],
)
async def test_change_waits_for_decision(
    database: Database, command: StartConsultation | CheckIn, refusal: type[object]
) -> None:
    ledger = LedgerDriver(database)
    async with other_session(database) as session:
        await session.execute(text(LOCK_HEAD))
        recording = asyncio.create_task(ledger.record(ledger.entry(command)))
        await wait_at_head(session, 1)
        changing = asyncio.create_task(database.write(put, PARALLEL))
        assert await is_blocked(session, changing, 2)

    assert not (await recording).overtaken
    (changed,) = await asyncio.gather(changing, return_exceptions=True)

    assert isinstance(changed, refusal)
    assert await database.read(column, "patient_trackings", "exclusive") == [True]
    stays_exclusive, *_others = await database.read(column, "prestations", "exclusive")
    assert stays_exclusive is (changed is not None)


async def test_starts_of_one_prestation_do_not_wait(database: Database) -> None:
    john, maria = LedgerDriver(database), LedgerDriver(database, patient_id=MARIA_SILVA.id)
    async with other_session(database) as session:
        await session.execute(text(LOCK_HEAD))
        starts = [
            asyncio.create_task(john.record(john.entry(a_start(OF_JOHN, "of John")))),
            asyncio.create_task(maria.record(maria.entry(a_start(OF_MARIA, "of Maria")))),
        ]
        await wait_at_head(session, 2)

    assert not any(recorded.overtaken for recorded in await asyncio.gather(*starts))

    assert await database.read(column, "patient_trackings", "status") == ["in_progress", "in_progress"]


async def test_locks_appointment_created_during_wait(database: Database) -> None:
    created = an_appointment(DR_AMRANI, number=77)
    entry = LedgerDriver(database).entry(a_start(created))
    values = AppointmentPut(created.patient_id, created.doctor_id, created.prestation_id, NOON, created.status)
    async with other_session(database) as reader:
        async with other_session(database) as creator:
            await creator.run_sync(put_appointment, PutContext(created.id, "a-put", NOON), values)
            reading = asyncio.create_task(reader.run_sync(lock_and_read, entry))
            await wait_for_blocked(creator)
        assert (await reading).appointment == created
        changing = asyncio.create_task(database.write(put, PARALLEL))
        assert await is_blocked(reader, changing)

    await changing


async def test_locks_prestation_created_during_wait(database: Database) -> None:
    entry = LedgerDriver(database).entry(a_start(OF_JOHN))
    async with other_session(database) as reader:
        async with other_session(database) as mover:
            await mover.run_sync(move_to_new_prestation)
            reading = asyncio.create_task(reader.run_sync(lock_and_read, entry))
            await wait_for_blocked(mover)
        assert (await reading).appointment == an_appointment(number=1, prestation=NEW)
        changing = asyncio.create_task(database.write(put, Prestation(NEW.id, NEW.name, exclusive=True)))
        assert await is_blocked(reader, changing)

    await changing

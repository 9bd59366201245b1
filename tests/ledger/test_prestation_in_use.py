"""`exclusive` of a prestation does not change while its consultations run, on both databases and in every order."""

import asyncio
from uuid import uuid4

import pytest
from sqlalchemy import Connection, text

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.master_data.prestations import PrestationInUseError, PrestationPut, put_prestation
from patient_visit_engine.storage.master_data.records import PutContext
from tests.support.builders import (
    CARDIOLOGY,
    DERMATOLOGY,
    DR_AMRANI,
    DR_OKAFOR,
    MARIA_SILVA,
    NOON,
    Prestation,
    an_appointment,
    seed,
)
from tests.support.commands import a_completion, a_release, a_start, a_wait
from tests.support.ledger import LedgerDriver, column

OF_JOHN = an_appointment(DR_AMRANI, number=1)
OF_MARIA = an_appointment(DR_AMRANI, number=2, patient=MARIA_SILVA)
IN_LINE = an_appointment(DR_OKAFOR, number=3, prestation=DERMATOLOGY)


@pytest.fixture(autouse=True)
async def appointments(database: Database) -> None:
    await database.write(seed, OF_JOHN, OF_MARIA, IN_LINE)


def put(connection: Connection, prestation: Prestation, exclusive: bool = True, active: bool = True) -> None:
    """Replace the prestation."""
    content = PrestationPut(prestation.name, exclusive, prestation.expected_minutes, active)
    put_prestation(connection, PutContext(prestation.id, f"put/{uuid4().hex}", NOON), content)


async def put_parallel(database: Database) -> bool:
    """Make cardiology a prestation that is not exclusive. Returns whether this was accepted."""
    try:
        await database.write(lambda connection: put(connection, CARDIOLOGY, exclusive=False))
    except PrestationInUseError:
        return False
    return True


async def test_exclusive_changes_after_last_consultation(database: Database, ledger: LedgerDriver) -> None:
    maria = LedgerDriver(database, patient_id=MARIA_SILVA.id)
    await ledger.send(a_start(OF_JOHN, "John"))
    await maria.send(a_start(OF_MARIA, "Maria"))

    refused = [await put_parallel(database)]
    await ledger.send(a_completion(ledger.running))
    refused.append(await put_parallel(database))
    await database.write(lambda connection: put(connection, CARDIOLOGY, active=False))
    await maria.send(a_release(maria.running))

    assert refused == [False, False]
    assert await put_parallel(database)


async def test_paused_consultation_counts(database: Database, ledger: LedgerDriver) -> None:
    await ledger.send(a_start(OF_JOHN))
    await database.write(lambda connection: connection.execute(text("UPDATE patient_trackings SET status = 'paused'")))

    assert not await put_parallel(database)


async def test_start_decided_before_change_is_decided_again(database: Database, ledger: LedgerDriver) -> None:
    entry = ledger.entry(a_start(OF_JOHN))
    accepted = await put_parallel(database)

    assert (await ledger.record(entry)).overtaken
    await ledger.send(a_start(OF_JOHN))

    assert accepted
    assert await database.read(column, "patient_trackings", "exclusive") == [False]


async def test_race_ends_with_one_value(database: Database, ledger: LedgerDriver) -> None:
    accepted, answer = await asyncio.gather(put_parallel(database), ledger.send(a_start(OF_JOHN)))

    (exclusive,) = await database.read(column, "patient_trackings", "exclusive")
    assert (answer.status, exclusive) == (201, not accepted)


async def test_doctor_in_line_starts_parallel_prestation(database: Database, ledger: LedgerDriver) -> None:
    await ledger.send(a_start(OF_JOHN, "cardiology"))
    await ledger.send(a_wait(IN_LINE))

    await database.write(lambda connection: put(connection, DERMATOLOGY, exclusive=False))
    started = await ledger.send(a_start(IN_LINE, "dermatology"))

    assert (started.status, ledger.state.line()) == (201, ())

"""A doctor or prestation that becomes inactive between a decision and its record, or while the doctor waits in line."""

import pytest
from sqlalchemy import Connection, Table, update

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.tables import doctors, prestations
from tests.support.builders import CARDIOLOGY, DR_AMRANI, DR_OKAFOR, DR_SMITH, NOON, an_appointment, minutes, seed
from tests.support.commands import a_completion, a_start, a_wait
from tests.support.ledger import LedgerDriver, column

OF_AMRANI, OF_OKAFOR, OF_SMITH = BOOKED = (
    an_appointment(DR_AMRANI),
    an_appointment(DR_OKAFOR),
    an_appointment(DR_SMITH),
)


def deactivate(connection: Connection, table: Table, record_id: int) -> None:
    connection.execute(update(table).where(table.c.id == record_id).values(active=False))


@pytest.mark.parametrize(
    ("table", "record_id", "code"),
    [(doctors, DR_AMRANI.id, "doctor_inactive"), (prestations, CARDIOLOGY.id, "prestation_inactive")],
    ids=["doctor", "prestation"],
)
async def test_start_decided_before_is_refused(
    database: Database, ledger: LedgerDriver, table: Table, record_id: int, code: str
) -> None:
    await database.write(seed, *BOOKED)
    entry = ledger.entry(a_start(OF_AMRANI))
    await database.write(deactivate, table, record_id)

    assert (await ledger.record(entry)).overtaken
    refused = await ledger.send(a_start(OF_AMRANI))

    assert (refused.status, refused.body["code"]) == (409, code)
    assert await database.read(column, "patient_trackings", "id") == []


async def test_line_passes_doctor_who_became_inactive(database: Database, ledger: LedgerDriver) -> None:
    await database.write(seed, *BOOKED)
    await ledger.send(a_start(OF_AMRANI))
    await ledger.send(a_wait(OF_SMITH, "Smith"))
    await ledger.send(a_wait(OF_OKAFOR, "Okafor"))
    await database.write(deactivate, doctors, DR_SMITH.id)
    await ledger.send(a_completion(ledger.running))

    refused = await ledger.send(a_start(OF_SMITH, "reserved"))
    await ledger.record_due(NOON + minutes(1))
    started = await ledger.send(a_start(OF_OKAFOR, "next"), NOON + minutes(1))

    assert (refused.body["code"], started.status) == ("doctor_inactive", 201)


async def test_place_of_inactive_doctor_ends_after_two_offers(database: Database, ledger: LedgerDriver) -> None:
    await database.write(seed, *BOOKED)
    await ledger.send(a_start(OF_AMRANI))
    await ledger.send(a_wait(OF_SMITH))
    await database.write(deactivate, doctors, DR_SMITH.id)
    await ledger.send(a_completion(ledger.running))

    decisions = [decision for n in range(1, 10) for decision in await ledger.record_due(NOON + minutes(n))]

    assert len(decisions) == 2
    assert (ledger.state.line(), ledger.state.facts.reservation) == ((), None)

"""Reassigned appointments: the rows, on both databases."""

from typing import Any

import pytest
from sqlalchemy import Connection, select, update

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.tables import appointments, patient_trackings, reservations, waiting_line
from patient_visit_engine.storage.upkeep.audit import audit
from tests.support.builders import DR_AMRANI, DR_LINDQVIST, DR_OKAFOR, NOON, an_appointment, minutes, seed
from tests.support.commands import a_check_in, a_completion, a_reassignment, a_start, a_wait
from tests.support.ledger import LedgerDriver

OF_AMRANI, OF_OKAFOR = an_appointment(DR_AMRANI, number=1), an_appointment(DR_OKAFOR, number=2)


def read_rows(connection: Connection) -> dict[str, list[Any]]:
    """What is open for the appointment of Dr. Amrani and stored of it."""
    tracking, of_appointment = patient_trackings.c, appointments.c.id == OF_AMRANI.id
    is_pending = select(tracking.doctor_id, tracking.check_in_time).where(tracking.status == "pending")
    queries = {
        "appointment": select(appointments.c.doctor_id, appointments.c.as_of).where(of_appointment),
        "pending": is_pending,
        "line": select(waiting_line.c.doctor_id),
        "reserved": select(reservations.c.doctor_id),
    }
    return {name: [tuple(row) for row in connection.execute(query)] for name, query in queries.items()}


@pytest.fixture
async def visit(database: Database, ledger: LedgerDriver) -> LedgerDriver:
    """John Doe has an appointment with Dr. Amrani, and another one with Dr. Okafor."""
    await database.write(seed, OF_AMRANI, OF_OKAFOR)
    return ledger


async def test_reserved_patient_is_free_for_the_line_after_a_reassignment(
    database: Database, visit: LedgerDriver
) -> None:
    await visit.send(a_check_in(OF_AMRANI), NOON)
    await visit.send(a_start(OF_OKAFOR), NOON)
    await visit.send(a_wait(await visit.appointment(OF_AMRANI.id)), NOON + minutes(1))
    await visit.send(a_completion(visit.running), NOON + minutes(5))
    before = await database.read(read_rows)

    answer = await visit.send(a_reassignment(await visit.appointment(OF_AMRANI.id), DR_LINDQVIST), NOON + minutes(5.5))

    assert (before["line"], before["reserved"]) == ([(DR_AMRANI.id,)], [(DR_AMRANI.id,)])
    assert (answer.status, answer.body["doctor_id"]) == (200, DR_LINDQVIST.id)
    assert await database.read(read_rows) == {
        "appointment": [(DR_LINDQVIST.id, NOON + minutes(5.5))],
        "pending": [(DR_LINDQVIST.id, NOON)],
        "line": [],
        "reserved": [],
    }
    assert (await database.read(audit)).passed


async def test_reassignment_does_not_make_as_of_older(database: Database, visit: LedgerDriver) -> None:
    newer = NOON + minutes(4)
    await database.write(lambda connection: connection.execute(update(appointments).values(as_of=newer)) and None)

    await visit.send(a_reassignment(OF_AMRANI, DR_LINDQVIST), NOON)

    assert (await database.read(read_rows))["appointment"] == [(DR_LINDQVIST.id, newer)]

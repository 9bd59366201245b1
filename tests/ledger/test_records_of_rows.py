"""Rows of a person with two records keep the record of their appointment."""

from typing import Any

import pytest
from sqlalchemy import Connection, select

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.tables import patient_trackings, reservations, waiting_line
from tests.support import sweep_rows
from tests.support.builders import (
    DR_OKAFOR,
    DR_SMITH,
    JOHN_DOE,
    MARIA_SILVA,
    NOON,
    an_appointment,
    minutes,
    seed,
)
from tests.support.commands import a_change, a_check_in, a_completion, a_release, a_start, a_wait
from tests.support.ledger import LedgerDriver
from tests.support.merged_records import make_one_person

OF_SURVIVOR = an_appointment()
OF_RETIRED = an_appointment(DR_OKAFOR, patient=MARIA_SILVA)
ALSO_OF_RETIRED = an_appointment(DR_SMITH, patient=MARIA_SILVA)


def read_records(connection: Connection) -> dict[str, list[Any]]:
    """The appointment, the record and the person of each row, by table."""
    return {
        table.name: [
            tuple(row)
            for row in connection.execute(
                select(table.c.appointment_id, table.c.patient_id, table.c.person_id).order_by(*table.primary_key)
            )
        ]
        for table in (patient_trackings, waiting_line, reservations)
    }


@pytest.fixture
async def appointments(database: Database, ledger: LedgerDriver) -> list[Any]:
    """The appointments of John Doe and of his retired record, as the ledger reads them."""
    booked = (OF_SURVIVOR, OF_RETIRED, ALSO_OF_RETIRED)
    await database.write(seed, *booked)
    await database.write(make_one_person, JOHN_DOE.id, MARIA_SILVA.id)
    return [await ledger.appointment(appointment.id) for appointment in booked]


async def test_rows_have_the_record_of_their_appointment(
    database: Database, ledger: LedgerDriver, appointments: list[Any]
) -> None:
    of_survivor, of_retired, also_of_retired = appointments

    await ledger.send(a_start(of_survivor))
    await ledger.send(a_check_in(of_retired))
    await ledger.send(a_wait(of_retired))
    await ledger.send(a_wait(also_of_retired, "wait too"))
    await ledger.send(a_completion(ledger.running), NOON + minutes(5))

    person = JOHN_DOE.id
    assert {appointment.patient_id for appointment in appointments} == {person}
    assert await database.read(read_records) == {
        "patient_trackings": [(OF_SURVIVOR.id, person, person), (OF_RETIRED.id, MARIA_SILVA.id, person)],
        "waiting_line": [(OF_RETIRED.id, MARIA_SILVA.id, person), (ALSO_OF_RETIRED.id, MARIA_SILVA.id, person)],
        "reservations": [(OF_RETIRED.id, MARIA_SILVA.id, person)],
    }


async def test_patient_who_waits_again_keeps_the_record(
    database: Database, ledger: LedgerDriver, appointments: list[Any]
) -> None:
    of_retired = appointments[1]
    await ledger.send(a_check_in(of_retired))
    await ledger.send(a_start(of_retired))

    await ledger.send(a_release(ledger.running))

    rows = (await database.read(read_records))["patient_trackings"]
    assert rows == [(OF_RETIRED.id, MARIA_SILVA.id, JOHN_DOE.id)] * 2


async def test_appointment_does_not_move_to_a_retired_record(database: Database, ledger: LedgerDriver) -> None:
    """The record was retired after the API had looked for its survivor. The API then looks again."""
    await database.write(seed, OF_SURVIVOR, an_appointment(DR_OKAFOR))
    await ledger.send(a_start(OF_SURVIVOR))
    await ledger.send(a_wait(an_appointment(DR_OKAFOR)))
    await database.write(sweep_rows.insert_patients, (1_001,))
    await database.write(make_one_person, 1_001, MARIA_SILVA.id)
    before = await database.read(read_records)

    answer = await ledger.send(a_change(an_appointment(DR_OKAFOR), patient_id=MARIA_SILVA.id))

    assert (answer.status, answer.body["code"]) == (422, "appointment_mismatch")
    assert await database.read(read_records) == before
    assert (await ledger.appointment(an_appointment(DR_OKAFOR).id)).patient_id == JOHN_DOE.id

"""Commands on their way while a merge is undone: they follow the record of their appointment, and are decided once."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.tables import patient_trackings
from patient_visit_engine.visit.codes import AppointmentStatus
from patient_visit_engine.visit.commands import Command
from tests.support.builders import DR_AMRANI
from tests.support.commands import a_check_in, a_merge, a_separation, a_start, a_status
from tests.support.ledger import column
from tests.support.merging import RecordDriver, a_patient, insert_records, persons

RON, SUE, TOM = a_patient(501), a_patient(502), a_patient(503)
COMMANDS: dict[str, tuple[Callable[[Any], Command], int]] = {
    "start": (a_start, 201),
    "check-in": (a_check_in, 201),
    "cancellation": (lambda appointment: a_status(appointment, AppointmentStatus.canceled), 200),
}


@pytest.fixture
async def sue(database: Database) -> RecordDriver:
    """The survivor. Ron's record is merged into hers."""
    await database.write(insert_records, (RON, SUE, TOM))
    survivor = RecordDriver(database, SUE)
    await survivor.merge(RON)
    return survivor


async def appointment_of_ron(sue: RecordDriver) -> Any:
    """Ron's appointment as the API reads it."""
    return await sue.appointment(RecordDriver(sue.database, RON).appointment_with(DR_AMRANI).id)


@pytest.mark.parametrize(("make", "status"), COMMANDS.values(), ids=COMMANDS)
@pytest.mark.parametrize("merge_again", [False, True], ids=["separated", "merged into another"])
async def test_command_follows_its_record(
    sue: RecordDriver, make: Callable[[Any], Command], status: int, merge_again: bool
) -> None:
    command = make(await appointment_of_ron(sue))
    await sue.separate(RON)
    if merge_again:
        await RecordDriver(sue.database, TOM).merge(RON)

    answer = await sue.follow(command)

    assert answer.status == status
    assert (await sue.database.read(column, "requests", "request_id")).count(command.request.id) == 1
    person = (TOM if merge_again else RON).id
    rows = await sue.database.read(
        lambda c: c.execute(select(patient_trackings.c.patient_id, patient_trackings.c.person_id)).all()
    )
    assert rows == ([] if status == 200 else [(RON.id, person)])
    # The same key again, from the visit that has decided and from the other one.
    repeated = make(await appointment_of_ron(sue))
    assert await RecordDriver(sue.database, a_patient(person)).follow(repeated) == answer
    assert await sue.follow(command) == answer
    await sue.load_facts()
    assert sue.state.facts.is_empty


async def test_merge_follows_the_named_record(sue: RecordDriver) -> None:
    command = a_merge(await sue.seen(TOM), into=SUE.id).model_copy(update={"record_id": RON.id})
    await sue.separate(RON)

    answer = await sue.follow(command)

    assert (answer.status, answer.body["patient_id"]) == (200, RON.id)
    assert await sue.database.read(persons, RON, SUE, TOM) == [RON.id, SUE.id, RON.id]


async def test_separation_follows_the_named_record(database: Database) -> None:
    await database.write(insert_records, (RON, SUE, TOM))
    ron, sue = RecordDriver(database, RON), RecordDriver(database, SUE)
    await ron.merge(TOM)
    await sue.merge(RON)
    command = a_separation(await sue.seen(TOM), patient_id=SUE.id).model_copy(update={"record_id": RON.id})
    await sue.separate(RON)

    answer = await sue.follow(command)

    assert (answer.status, answer.body["patient_id"]) == (200, RON.id)
    assert await database.read(persons, RON, SUE, TOM) == [RON.id, SUE.id, TOM.id]

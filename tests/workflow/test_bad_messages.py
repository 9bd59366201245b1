"""A signal or an update with wrong arguments, from Temporal's UI for example, blocks no one."""

from typing import Any

import pytest
from sqlalchemy import Connection, insert
from temporalio import workflow
from temporalio.client import WorkflowFailureError, WorkflowHandle, WorkflowUpdateFailedError

from patient_visit_engine.storage.tables import patients
from patient_visit_engine.storage.upkeep.audit import audit
from patient_visit_engine.visit.names import visit_id
from patient_visit_engine.visit.patient_commands import Adopt
from patient_visit_engine.visit.state import VisitState
from patient_visit_engine.worker.builder import CACHED_VISITS
from patient_visit_engine.workflows.message_guard import ARGUMENTS
from patient_visit_engine.workflows.patient_visit import PatientVisit
from tests.support.databases import database_on
from tests.support.visit_rows import A_DAY, DR_AMRANI, DR_BENNIS
from tests.support.visits import VisitDriver, visits_in_memory

# Their kinds make no difference here.
database = database_on("sqlite")
cached_visits = visits_in_memory(CACHED_VISITS)

#: Added to the id of a test's patient. The next tests have the next ids.
OTHER_PATIENTS = 1_000_000


@pytest.mark.parametrize("arguments", [[], ["text"], [{}], [{}, {}]], ids=["none", "text", "empty", "two"])
@pytest.mark.parametrize("signal", ["start_consultation", "complete_consultation"])
async def test_bad_signal_blocks_no_one(visits: VisitDriver, signal: str, arguments: list[Any]) -> None:
    started = await visits.start(DR_AMRANI)

    await visits.workflow().signal(signal, args=arguments)
    refused = await visits.start(DR_BENNIS)
    completed = await visits.complete(started)

    assert (started.status, refused.status, completed.status) == (201, 409, 200)


@pytest.mark.parametrize("arguments", [[], ["text"], [{}], [{}, {}]], ids=["none", "text", "empty", "two"])
@pytest.mark.parametrize("update", ["start_consultation", "adopt", "rescue", "no_such_update"])
async def test_bad_update_blocks_no_one(visits: VisitDriver, update: str, arguments: list[Any]) -> None:
    started = await visits.start(DR_AMRANI)

    if update != "adopt" or arguments != [{}]:
        with pytest.raises(WorkflowUpdateFailedError):
            await visits.workflow().execute_update(update, args=arguments)
    refused = await visits.start(DR_BENNIS)
    completed = await visits.complete(started)

    assert (started.status, refused.status, completed.status) == (201, 409, 200)


async def open_visit_of_another_patient(visits: VisitDriver) -> WorkflowHandle[Any, Any]:
    """Open today's visit of a patient who has no appointment."""
    other = visits.patient + OTHER_PATIENTS
    await visits.database.write(insert_other_patient, other)
    await visits.client.update(other, visits.today, Adopt())
    return visits.environment.client.get_workflow_handle(visit_id(other, visits.today))


def insert_other_patient(connection: Connection, patient: int) -> None:
    connection.execute(insert(patients).values(id=patient, first_name="Other", last_name="Patient"))


async def test_start_in_visit_of_another_patient_has_no_effect(visits: VisitDriver) -> None:
    other = await open_visit_of_another_patient(visits)
    await visits.start(DR_AMRANI)
    command = await visits.start_command(DR_BENNIS)
    before = await visits.events()

    await other.signal("start_consultation", command)
    with pytest.raises(WorkflowUpdateFailedError):
        await other.execute_update("start_consultation", command)

    assert await visits.answer(command.request) is None
    assert await visits.events() == before
    assert (await visits.database.read(audit)).violations == []


@pytest.mark.parametrize("wrong", ["patient_id", "day", "carried"])
async def test_visit_with_the_id_of_another_ends(visits: VisitDriver, wrong: str) -> None:
    patient, day = visits.patient + OTHER_PATIENTS, visits.today + A_DAY
    carried = VisitState(patient_id=patient, day=day, day_ends_at=visits.calendar.ends_at(day))
    other: dict[str, Any] = {"patient_id": patient, "day": day, "carried": carried}
    opening = visits.client._opening(visits.patient, visits.today).model_copy(update={wrong: other[wrong]})
    options = visits.client._options(visits.patient, visits.today)
    foreign = await visits.environment.client.start_workflow(PatientVisit.run, opening, **options)

    with pytest.raises(WorkflowFailureError):
        await foreign.result()
    started = await visits.start(DR_AMRANI)

    assert started.status == 201


def test_guard_knows_every_signal() -> None:
    signals = workflow._Definition.must_from_class(PatientVisit).signals

    assert {name: len(signal.arg_types or []) for name, signal in signals.items()} == ARGUMENTS

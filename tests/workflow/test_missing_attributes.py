"""A namespace lacks a search attribute of visits, from the start or later. No patient is blocked."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from temporalio.api.enums.v1 import EventType, IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, RemoveSearchAttributesRequest
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from patient_visit_engine.runtime import namespace
from patient_visit_engine.runtime.settings import Settings
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.upkeep.audit import audit
from patient_visit_engine.visit.search_attributes import VisitAttributes
from patient_visit_engine.worker.builder import CACHED_VISITS
from patient_visit_engine.workflows.visit_client import WITHOUT_DISPLAY_FOR
from patient_visit_engine.workflows.visit_errors import UNDECIDED_ERRORS
from tests.support.databases import database_on
from tests.support.displayed_visits import events_of, is_written, read_attributes, summaries_of_timers, writes_of
from tests.support.patient_records import Answer
from tests.support.visit_rows import (
    DR_AMRANI,
    DR_BENNIS,
    DR_CHRAIBI,
    DR_IMAGING,
)
from tests.support.visits import VisitDriver, visits_in_memory
from tests.support.waiting import wait_until_async

# Their kinds make no difference here.
database = database_on("sqlite")
cached_visits = visits_in_memory(CACHED_VISITS)

A_MOMENT = timedelta(seconds=1)


async def remove_attribute(client: Client, name: str) -> None:
    request = RemoveSearchAttributesRequest(namespace=client.namespace, search_attributes=[name])
    await client.operator_service.remove_search_attributes(request)


@pytest.fixture
async def prepared(temporal_server: WorkflowEnvironment, patients: Any, database: Database) -> Any:
    """A driver in a namespace that `visit-engine migrate` has prepared. A test may remove search attributes there."""
    patient = next(patients)
    settings = Settings(
        _env_file=None,
        temporal_address=temporal_server.client.service_client.config.target_host,
        temporal_namespace=f"clinic-{patient}",
    )
    client = await namespace.prepare(settings)
    driver = VisitDriver(cast(WorkflowEnvironment, SimpleNamespace(client=client)), database, patient)
    await driver.insert_patient()
    await driver.start_worker()

    yield driver

    await driver.stop_worker()


async def start_with_rescue(visits: VisitDriver, doctor: int) -> Answer:
    """Start, and look at the visit when it does not answer, as the API does."""
    command = await visits.start_command(doctor)

    async def send() -> Answer | None:
        try:
            return await visits.send(command)
        except UNDECIDED_ERRORS:
            await visits.visit_rescue.rescue(visits.patient, visits.today, datetime.now(UTC))
            return None

    return cast(Answer, await wait_until_async(send, "the start is decided"))


@pytest.mark.parametrize("missing", ["VisitState", "DoctorId", "ConsultationOpenSince", "WaitingCount"])
async def test_missing_attribute_blocks_no_start(prepared: VisitDriver, missing: str) -> None:
    await remove_attribute(prepared.environment.client, missing)

    started = await prepared.start(DR_AMRANI)
    refused = await prepared.start(DR_BENNIS, wait=True)
    completed = await prepared.complete(started)

    description = await prepared.workflow().describe()
    assert [answer.status for answer in (started, refused, completed)] == [201, 409, 200]
    assert description.search_attributes["PatientId"] == [prepared.patient]
    assert await writes_of(prepared) == []


async def test_signal_opens_visit_without_attributes(prepared: VisitDriver) -> None:
    await remove_attribute(prepared.environment.client, "VisitState")
    signal = await prepared.start_command(DR_AMRANI)

    await prepared.send_signal(signal)

    assert (await prepared.wait_for_answer(signal.request)).status == 201


async def test_client_tries_attributes_again_later(prepared: VisitDriver) -> None:
    await remove_attribute(prepared.environment.client, "VisitState")
    await prepared.start(DR_AMRANI)
    await prepared.workflow().terminate()
    await namespace.prepare(
        Settings(
            _env_file=None,
            temporal_address=prepared.environment.client.service_client.config.target_host,
            temporal_namespace=prepared.environment.client.namespace,
        )
    )
    soon = await prepared.start(DR_BENNIS)
    without = await read_attributes(prepared)
    await prepared.workflow().terminate()
    prepared.clock_ahead = WITHOUT_DISPLAY_FOR + A_MOMENT

    refused = await prepared.start(DR_CHRAIBI)
    await wait_until_async(lambda: is_written(prepared), "the attributes are written")

    assert without == VisitAttributes()
    assert soon.body["active_doctor_id"] == refused.body["active_doctor_id"] == DR_AMRANI
    assert (await read_attributes(prepared)).doctor_ids == (DR_AMRANI,)


async def _has_failed_task(visits: VisitDriver) -> bool:
    return any(event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED for event in await events_of(visits))


async def test_attribute_removed_later_is_rescued(prepared: VisitDriver) -> None:
    await prepared.start(DR_AMRANI)
    await remove_attribute(prepared.environment.client, "DoctorId")
    await wait_until_async(lambda: _has_failed_task(prepared), "the write fails")

    refused = await start_with_rescue(prepared, DR_BENNIS)
    started = await start_with_rescue(prepared, DR_IMAGING)

    # The new run starts no timer to write them.
    assert "next write of the search attributes" not in summaries_of_timers(await events_of(prepared))
    assert (refused.body["active_doctor_id"], started.status) == (DR_AMRANI, 201)
    assert (await prepared.database.read(audit)).violations == []


async def test_attribute_of_another_type_is_rescued(prepared: VisitDriver) -> None:
    client = prepared.environment.client
    await remove_attribute(client, "DoctorId")
    number = IndexedValueType.INDEXED_VALUE_TYPE_INT
    request = AddSearchAttributesRequest(namespace=client.namespace, search_attributes={"DoctorId": number})
    await client.operator_service.add_search_attributes(request)
    await prepared.start(DR_AMRANI)
    await wait_until_async(lambda: _has_failed_task(prepared), "the write fails")

    refused = await start_with_rescue(prepared, DR_BENNIS)

    assert refused.body["active_doctor_id"] == DR_AMRANI
    assert summaries_of_timers(await events_of(prepared)) == [f"reminder to doctor {DR_AMRANI}"]

"""Temporal's server rejects messages when too many are in progress for one visit. The SDK repeats each after a pause."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.runtime import MetricBuffer, Runtime, TelemetryConfig
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import WorkflowEnvironment

from patient_visit_engine.runtime import dev_server
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.ledger.recording import SqlLedger
from patient_visit_engine.visit.calendar import HospitalCalendar
from patient_visit_engine.visit.patient_commands import Adopt
from patient_visit_engine.visit.state import Limits
from patient_visit_engine.worker.builder import build
from patient_visit_engine.workflows.visit_client import PATIENT_ID, VISIT_DAY, VisitClient
from tests.support.visit_rows import insert_patient

MESSAGES = 40
TASK_QUEUE = "simultaneous"
#: The statuses of a message that the SDK has given up. The server also aborts waiting messages, with UNAVAILABLE.
GIVEN_UP = {RPCStatusCode.RESOURCE_EXHAUSTED, RPCStatusCode.UNAVAILABLE}


@pytest.fixture
async def default_server() -> AsyncIterator[WorkflowEnvironment]:
    """A server without this project's settings."""
    async with await WorkflowEnvironment.start_local(
        data_converter=pydantic_data_converter,
        dev_server_existing_path=str(dev_server.executable()),
        search_attributes=[PATIENT_ID, VISIT_DAY],
        dev_server_log_level="never",
    ) as environment:
        yield environment


async def send_at_one_moment(
    environment: WorkflowEnvironment, database: Database, patient: int
) -> tuple[int, list[BaseException]]:
    """Send messages to one visit. Returns how many the server rejected, counted by the SDK, and the errors of those given up."""
    await database.write(insert_patient, patient)
    metrics = MetricBuffer(100_000)
    client = await Client.connect(
        environment.client.service_client.config.target_host,
        data_converter=pydantic_data_converter,
        runtime=Runtime(telemetry=TelemetryConfig(metrics=metrics)),
    )
    calendar = HospitalCalendar(ZoneInfo("UTC"))
    visits = VisitClient(client, TASK_QUEUE, calendar, Limits(), lambda: datetime.now(UTC))
    today = calendar.day_of(datetime.now(UTC))
    # The worker starts after them, so all messages wait at the server at the same time.
    sending = [asyncio.create_task(visits.update(patient, today, Adopt())) for _ in range(MESSAGES)]
    async with asyncio.timeout(60), build(environment.client, TASK_QUEUE, SqlLedger(database)):
        errors = [
            result
            for result in await asyncio.gather(*sending, return_exceptions=True)
            if isinstance(result, BaseException)
        ]
    rejections = [
        int(update.value)
        for update in metrics.retrieve_updates()
        if update.metric.name.endswith("request_failure") and update.attributes["status_code"] == "RESOURCE_EXHAUSTED"
    ]
    return sum(rejections), errors


async def test_no_message_of_forty_is_rejected(
    temporal_server: WorkflowEnvironment, on_sqlite: Database, patients: Iterator[int]
) -> None:
    rejections, errors = await send_at_one_moment(temporal_server, on_sqlite, next(patients))

    assert (rejections, errors) == (0, [])


async def test_default_server_rejects_many_of_forty(
    default_server: WorkflowEnvironment, on_sqlite: Database, patients: Iterator[int]
) -> None:
    rejections, errors = await send_at_one_moment(default_server, on_sqlite, next(patients))

    assert rejections > 0
    # The SDK gives up a message after several rejections. With either status the API answers 503 `undecided`.
    assert {error.status for error in errors if isinstance(error, RPCError)} <= GIVEN_UP
    assert [error for error in errors if not isinstance(error, RPCError)] == []

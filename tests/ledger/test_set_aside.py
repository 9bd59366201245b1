"""The sweep sets a request aside that can never be recorded, and reports it once. A temporary failure never has this effect."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from structlog.testing import capture_logs
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.requests import (
    count_set_aside,
    find_open_requests,
    open_request,
    set_request_aside,
)
from patient_visit_engine.storage.upkeep.sweep import ANSWER_LIFETIME, prune
from patient_visit_engine.worker.sweep import UNREADABLE_AFTER
from patient_visit_engine.workflows.visit_errors import DayClosedError
from tests.support import sweep_rows
from tests.support.builders import NOON, an_appointment, minutes
from tests.support.commands import a_start
from tests.support.ledger import column
from tests.support.sweep_driver import SweepDriver

UNREADABLE_TEXTS = ['{"type": "Teleport", "patient_id": 123}', "{}", "not JSON"]


def failed_update(failure_type: str) -> WorkflowUpdateFailedError:
    """The error of an update that failed in the visit."""
    return WorkflowUpdateFailedError(ApplicationError("the ledger call failed", type=failure_type))


def reports_in(logs: list[Any]) -> list[Mapping[str, Any]]:
    """The reports of requests that were set aside."""
    return [line for line in logs if line["event"] == "request set aside"]


async def open_request_ids(database: Database) -> list[str]:
    """The ids of the requests that the sweep sends."""
    return [request.id for request in await database.read(find_open_requests, NOON + minutes(1), None, 10)]


@pytest.mark.parametrize("failure_type", ["UnrecordableError", "overtaken"])
async def test_unrecordable_request_is_sent_once(driver: SweepDriver, failure_type: str) -> None:
    await driver.database.write(sweep_rows.insert_patients, (1, 2))
    await driver.database.write(sweep_rows.insert_open_requests, (1, 2))
    (set_aside, other) = await open_request_ids(driver.database)
    driver.visits.errors_of_requests = {set_aside: failed_update(failure_type)}

    with capture_logs() as logs:
        await driver.sweep.run_round()
        await driver.sweep.run_round()

    assert Counter(driver.visits.request_ids) == {set_aside: 1, other: 2}
    assert reports_in(logs) == [
        {"event": "request set aside", "log_level": "error", "request_id": set_aside, "reason": "unrecordable"}
    ]
    assert await driver.database.read(count_set_aside) == 1


@pytest.mark.parametrize(
    "error",
    [
        failed_update("ConnectionRefusedError"),
        failed_update("OperationalError"),
        RPCError("no server", RPCStatusCode.UNAVAILABLE, b""),
        RuntimeError("Failed client connect"),
        DayClosedError(),
        TimeoutError(),
    ],
    ids=["ledger away", "database away", "Temporal away", "never connected", "day closed", "no answer"],
)
async def test_temporary_failure_sets_nothing_aside(driver: SweepDriver, error: Exception) -> None:
    await driver.database.write(sweep_rows.insert_patients, (1,))
    await driver.database.write(sweep_rows.insert_open_requests, (1,))
    (request_id,) = await open_request_ids(driver.database)
    driver.visits.errors_of_requests = {request_id: error}

    for _ in range(3):
        await driver.sweep.run_round()
        driver.at += timedelta(days=1)

    assert driver.visits.request_ids == [request_id] * 3
    assert await driver.database.read(count_set_aside) == 0


@pytest.mark.parametrize("text", UNREADABLE_TEXTS)
async def test_unreadable_request_is_set_aside(driver: SweepDriver, text: str) -> None:
    await driver.database.write(sweep_rows.insert_patients, (1,))
    await driver.database.write(sweep_rows.insert_unreadable_request, text)

    with capture_logs() as logs:
        driver.at = NOON + UNREADABLE_AFTER
        await driver.sweep.run_round()
        early = await driver.database.read(count_set_aside)
        driver.at += timedelta(milliseconds=1)
        await driver.sweep.run_round()
        await driver.sweep.run_round()

    assert (early, await driver.database.read(count_set_aside)) == (0, 1)
    assert reports_in(logs) == [
        {"event": "request set aside", "log_level": "error", "request_id": "unreadable", "reason": "unreadable"}
    ]
    assert "Teleport" not in str(logs)


async def test_other_body_does_not_open_the_request_again(driver: SweepDriver) -> None:
    await driver.database.write(sweep_rows.insert_patients, (1,))
    command = a_start(an_appointment(patient=sweep_rows.a_patient(1)))
    await driver.database.write(partial(open_request, command=command), command.request, NOON)
    await driver.database.write(set_request_aside, command.request.id, NOON)
    other = command.request.model_copy(update={"fingerprint": "f" * 64})

    stored = await driver.database.write(partial(open_request, command=command), other, NOON)

    assert stored.is_set_aside
    assert await open_request_ids(driver.database) == []


async def test_two_workers_report_a_request_once(driver: SweepDriver) -> None:
    workers = [driver, SweepDriver(driver.database)]
    await driver.database.write(sweep_rows.insert_patients, (1,))
    await driver.database.write(sweep_rows.insert_open_requests, (1,))
    (request_id,) = await open_request_ids(driver.database)
    for worker in workers:
        worker.visits.errors_of_requests = {request_id: failed_update("UnrecordableError")}

    with capture_logs() as logs:
        await asyncio.gather(*(worker.sweep.run_round() for worker in workers))

    assert len(reports_in(logs)) == 1


async def test_request_set_aside_is_pruned_after_a_week(driver: SweepDriver) -> None:
    await driver.database.write(sweep_rows.insert_patients, (1,))
    await driver.database.write(sweep_rows.insert_unreadable_request)
    driver.at = NOON + timedelta(days=30)
    await driver.sweep.run_round()

    await driver.database.write(prune, NOON, driver.at + ANSWER_LIFETIME)
    before = await driver.database.read(column, "requests", "request_id")
    await driver.database.write(prune, NOON, driver.at + ANSWER_LIFETIME + minutes(1))

    assert before == ["unreadable"]
    assert await driver.database.read(column, "requests", "request_id") == []

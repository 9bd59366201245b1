"""The staff can act on a patient again after any fault of the visit's workflow. A visit that is only slow is left alone."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from temporalio import workflow
from temporalio.client import (
    WorkflowExecutionStatus,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from patient_visit_engine.storage.tables import timeline
from patient_visit_engine.visit.codes import RescueReason
from patient_visit_engine.visit.names import DEFAULT_TASK_QUEUE, WORKFLOW_TYPE, visit_id
from patient_visit_engine.visit.patient_commands import Adopt
from patient_visit_engine.worker.builder import CACHED_VISITS
from patient_visit_engine.workflows.patient_visit import PatientVisit
from patient_visit_engine.workflows.visit_errors import UNDECIDED_ERRORS
from patient_visit_engine.workflows.visit_rescue import FAILED_ATTEMPTS, RESCUE_INTERVAL
from tests.support.changed_code import change_worker_code
from tests.support.databases import database_on
from tests.support.patient_records import Answer
from tests.support.visit_rows import A_DAY, DR_AMRANI, DR_BENNIS, DR_CHRAIBI
from tests.support.visits import VisitDriver, visits_in_memory
from tests.support.waiting import wait_until_async

# Their kinds make no difference here.
database = database_on("sqlite")
cached_visits = visits_in_memory(CACHED_VISITS)

UNANSWERED_AFTER = 3.0


@workflow.defn(name="ShortWorkflow")
class ShortWorkflow:
    """Ends at once."""

    @workflow.run
    async def run(self) -> None:
        return


async def rescue(visits: VisitDriver, *, later: timedelta = timedelta(0)) -> RescueReason | None:
    """Look at today's visit, as any process does when it got no answer."""
    return await visits.visit_rescue.rescue(visits.patient, visits.today, datetime.now(UTC) + later)


async def wait_for_rescue(visits: VisitDriver, *, later: timedelta = timedelta(0)) -> RescueReason:
    """Look until the visit is rescued."""
    reason: RescueReason = await wait_until_async(lambda: rescue(visits, later=later), "the visit to be rescued")
    return reason


async def is_unanswered(answer: Coroutine[Any, Any, Answer]) -> bool:
    try:
        async with asyncio.timeout(UNANSWERED_AFTER):
            await answer
    except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError):
        return True
    return False


async def start_until_decided(visits: VisitDriver, doctor: int) -> Answer:
    """Start, and send the start again at once while the visit cannot decide, as other processes may."""
    command = await visits.start_command(doctor)
    while True:
        try:
            return await visits.send(command)
        except UNDECIDED_ERRORS:
            continue


@asynccontextmanager
async def unanswered(answer: Coroutine[Any, Any, Answer]) -> AsyncIterator[None]:
    """A doctor waits for this answer while the test goes on, and gives up at the end."""
    waiting = asyncio.create_task(answer)
    yield
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


async def timeline_events(visits: VisitDriver) -> list[str]:
    query = select(timeline.c.event).order_by(timeline.c.id)
    return list(await visits.database.read(lambda connection: connection.scalars(query).all()))


async def has_failed(visits: VisitDriver) -> bool:
    """Whether a task of the visit has failed several times."""
    description = await visits.workflow().describe()
    return description.raw_description.pending_workflow_task.attempt > FAILED_ATTEMPTS + 1


async def open_foreign_workflow(visits: VisitDriver, name: str, task_queue: str) -> None:
    """Start a workflow that no worker knows, under the id of today's visit."""
    client = visits.environment.client
    await client.start_workflow(name, id=visit_id(visits.patient, visits.today), task_queue=task_queue)


async def test_changed_worker_code_blocks_no_one(
    visits_without_worker: VisitDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    visits = visits_without_worker
    await visits.start_worker()
    started = await visits.start(DR_AMRANI)
    await change_worker_code(visits, monkeypatch)

    async with unanswered(visits.start(DR_BENNIS)):
        reason = await wait_for_rescue(visits)
    refused = await visits.start(DR_BENNIS)
    completed = await visits.complete(started)

    assert reason is RescueReason.workflow_task_failed
    assert (refused.status, completed.status) == (409, 200)
    assert (await timeline_events(visits))[:2] == ["started", "rescued"]
    assert len([event for event in await visits.events() if event.name == "consultation.started"]) == 1


async def test_rescue_is_the_first_decision(
    visits_without_worker: VisitDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    visits = visits_without_worker
    await visits.start_worker()
    await visits.start(DR_AMRANI)
    await change_worker_code(visits, monkeypatch)

    waiting = [asyncio.create_task(start_until_decided(visits, doctor)) for doctor in (DR_BENNIS, DR_CHRAIBI) * 10]
    await wait_for_rescue(visits)
    answers = await asyncio.gather(*waiting)

    assert {answer.status for answer in answers} == {409}
    assert (await timeline_events(visits))[:2] == ["started", "rescued"]


async def test_rescue_without_ledger_is_noted_later(
    visits_without_worker: VisitDriver, monkeypatch: pytest.MonkeyPatch, short_ledger_retries: None
) -> None:
    visits = visits_without_worker
    await visits.start_worker()
    started = await visits.start(DR_AMRANI)
    await change_worker_code(visits, monkeypatch)

    async with unanswered(visits.start(DR_BENNIS)):
        await wait_until_async(lambda: has_failed(visits), "the visit fails")
        visits.ledger.failures = 1_000_000
        reason = await wait_for_rescue(visits)
    visits.ledger.failures = 0
    completed = await visits.complete(started)

    assert reason is RescueReason.workflow_task_failed
    assert completed.status == 200
    assert (await timeline_events(visits))[:2] == ["started", "rescued"]


async def test_rescue_without_worker_is_noted_later(visits: VisitDriver) -> None:
    await open_foreign_workflow(visits, "ForeignWorkflow", DEFAULT_TASK_QUEUE)
    await visits.stop_worker()

    reason = await rescue(visits)
    await visits.start_worker()
    started = await visits.start(DR_AMRANI)

    assert reason is RescueReason.foreign_workflow
    assert started.status == 201
    assert await timeline_events(visits) == ["rescued", "started"]


async def test_signals_do_not_hide_a_failing_visit(
    visits_without_worker: VisitDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    visits = visits_without_worker
    await visits.start_worker()
    await visits.start(DR_AMRANI)
    await change_worker_code(visits, monkeypatch)
    attempts: list[int] = []

    async def rescue_after_signal() -> RescueReason | None:
        pending = (await visits.workflow().describe()).raw_description.pending_workflow_task
        attempts.append(pending.attempt)
        reason = await rescue(visits)
        await visits.workflow().signal(PatientVisit.patient_freed)
        return reason

    reason = await wait_until_async(rescue_after_signal, "the visit to be rescued")

    assert reason is RescueReason.workflow_task_failed
    assert max(attempts) <= FAILED_ATTEMPTS


async def test_visit_of_the_next_day_is_looked_at_too(visits: VisitDriver) -> None:
    await open_foreign_workflow(visits, "ForeignWorkflow", "foreign")

    reason = await visits.visit_rescue.rescue(visits.patient, visits.today - A_DAY, datetime.now(UTC))

    assert reason is RescueReason.foreign_workflow
    assert (await visits.start(DR_AMRANI)).status == 201


async def test_two_processes_rescue_a_visit_once(
    visits_without_worker: VisitDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    visits = visits_without_worker
    await visits.start_worker()
    await visits.start(DR_AMRANI)
    failed_run = (await visits.workflow().describe()).run_id
    await change_worker_code(visits, monkeypatch)

    async with unanswered(visits.start(DR_BENNIS)):
        await wait_for_rescue(visits)
    opened_run = (await visits.workflow().describe()).run_id
    # Another process looked at the failed run at the same time, and is a moment later.
    await visits.client.rescue(visits.patient, visits.today, RescueReason.workflow_task_failed, failed_run)

    assert (await visits.workflow().describe()).run_id == opened_run
    assert (await timeline_events(visits)).count("rescued") == 1


@pytest.mark.parametrize(
    ("name", "task_queue"), [("ForeignWorkflow", DEFAULT_TASK_QUEUE), (WORKFLOW_TYPE, "another queue")]
)
async def test_foreign_workflow_is_ended(visits: VisitDriver, name: str, task_queue: str) -> None:
    await open_foreign_workflow(visits, name, task_queue)
    assert await is_unanswered(visits.start(DR_AMRANI))

    reason = await rescue(visits)
    started = await visits.start(DR_BENNIS)

    assert reason is RescueReason.foreign_workflow
    assert started.status in (201, 409)
    assert "rescued" in await timeline_events(visits)


async def test_finished_foreign_workflow_blocks_no_one(visits: VisitDriver) -> None:
    client = visits.environment.client
    async with Worker(
        client, task_queue="short", workflows=[ShortWorkflow], workflow_runner=UnsandboxedWorkflowRunner()
    ):
        await client.execute_workflow("ShortWorkflow", id=visit_id(visits.patient, visits.today), task_queue="short")

    started = await visits.start(DR_AMRANI)

    assert started.status == 201


async def stop_polling(visits: VisitDriver) -> None:
    await visits.stop_worker()


async def block_the_ledger(visits: VisitDriver) -> None:
    visits.ledger.block()


async def make_the_ledger_fail(visits: VisitDriver) -> None:
    visits.ledger.failures = 20


@pytest.mark.parametrize("fault", [stop_polling, block_the_ledger, make_the_ledger_fail])
async def test_slow_visit_is_never_ended(visits: VisitDriver, fault: Callable[[VisitDriver], Awaitable[None]]) -> None:
    await visits.start(DR_AMRANI)
    run = (await visits.workflow().describe()).run_id
    await fault(visits)

    assert await is_unanswered(visits.start(DR_BENNIS))
    reason = await rescue(visits)

    assert reason is None
    assert (await visits.workflow().describe()).run_id == run


async def test_missing_and_idle_visit_are_left_alone(visits: VisitDriver) -> None:
    assert await rescue(visits) is None
    await visits.start(DR_AMRANI)
    assert await rescue(visits) is None


async def test_visit_is_rescued_once_a_minute(
    visits_without_worker: VisitDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    visits = visits_without_worker
    await visits.start_worker()
    await visits.start(DR_AMRANI)
    await change_worker_code(visits, monkeypatch)
    async with unanswered(visits.start(DR_BENNIS)):
        await wait_for_rescue(visits)
    await change_worker_code(visits, monkeypatch)

    async with unanswered(visits.start(DR_BENNIS)):
        await wait_until_async(lambda: has_failed(visits), "the rescued visit to fail")

        assert await rescue(visits) is None
        assert await wait_for_rescue(visits, later=RESCUE_INTERVAL) is RescueReason.workflow_task_failed


async def test_sweep_rescues_a_visit_that_cannot_remind(
    visits_without_worker: VisitDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    visits = visits_without_worker
    await visits.start_worker()
    await visits.start(DR_AMRANI)
    await change_worker_code(visits, monkeypatch)
    monkeypatch.setattr("patient_visit_engine.worker.sending.SEND_TIMEOUT", timedelta(seconds=UNANSWERED_AFTER))
    in_an_hour = datetime.now(UTC) + timedelta(hours=1)

    async def is_rescued() -> bool:
        await visits.sweep(in_an_hour)
        return "rescued" in await timeline_events(visits)

    await wait_until_async(is_rescued, "the sweep to rescue the visit")


async def test_failed_visit_of_an_earlier_day_is_ended(
    visits_without_worker: VisitDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    visits = visits_without_worker
    await visits.start_worker()
    await visits.start(DR_AMRANI)
    sound_patient = visits.patient + 1_000_000
    await visits.client.update(sound_patient, visits.today, Adopt())
    failed = await visits.workflow().describe()
    await change_worker_code(visits, monkeypatch)

    async def end_failed_visits(before: date) -> list[str]:
        return [visit async for visit in visits.visit_rescue.end_failed_visits(before)]

    async with unanswered(visits.start(DR_BENNIS)):
        ended = await wait_until_async(lambda: end_failed_visits(visits.today + A_DAY), "a failed visit")
    run = visits.environment.client.get_workflow_handle(failed.id, run_id=failed.run_id)
    sound = visits.environment.client.get_workflow_handle(visit_id(sound_patient, visits.today))

    assert ended == [failed.id]
    assert (await run.describe()).status is WorkflowExecutionStatus.TERMINATED
    assert (await sound.describe()).status is WorkflowExecutionStatus.RUNNING
    assert await end_failed_visits(visits.today) == []

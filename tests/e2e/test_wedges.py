"""A visit is broken in Temporal in six ways. Each time its doctors can go on within a minute, without an operator."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest, ResetWorkflowExecutionRequest
from temporalio.client import Client, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy

from patient_visit_engine.runtime import temporal
from patient_visit_engine.storage.upkeep.audit import audit
from patient_visit_engine.visit.names import visit_id
from tests.support.decisions import send_until_decided, start_decided
from tests.support.engine import Engine, OpenEngine
from tests.support.waiting import wait_until_async

Visit = WorkflowHandle[object, object]
PATIENTS_PER_WEDGE = 6


async def send_bad_signal(_client: Client, visit: Visit) -> None:
    await visit.signal("start_consultation")


async def cancel(_client: Client, visit: Visit) -> None:
    await visit.cancel()


async def terminate(_client: Client, visit: Visit) -> None:
    await visit.terminate("by an operator")


async def delete(client: Client, visit: Visit) -> None:
    execution = WorkflowExecution(workflow_id=visit.id)
    request = DeleteWorkflowExecutionRequest(namespace=client.namespace, workflow_execution=execution)
    await client.workflow_service.delete_workflow_execution(request)


async def reset(client: Client, visit: Visit) -> None:
    async def completed_task() -> int | None:
        events = (await visit.fetch_history()).events
        return next((e.event_id for e in events if e.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED), None)

    # The start is answered at the commit, and its task may be completed later.
    task = await wait_until_async(completed_task, "a completed task")
    request = ResetWorkflowExecutionRequest(
        namespace=client.namespace,
        workflow_execution=WorkflowExecution(workflow_id=visit.id),
        workflow_task_finish_event_id=task,
        reason="by an operator",
        request_id=f"reset of {visit.id}",
    )
    await client.workflow_service.reset_workflow_execution(request)


async def occupy(client: Client, visit: Visit) -> None:
    await client.start_workflow(
        "ForeignWorkflow",
        id=visit.id,
        task_queue="foreign",
        id_conflict_policy=WorkflowIDConflictPolicy.TERMINATE_EXISTING,
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
    )


WEDGES: tuple[Callable[[Client, Visit], Awaitable[None]], ...] = (
    send_bad_signal,
    cancel,
    terminate,
    delete,
    reset,
    occupy,
)


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_wedged_visits_lock_no_one_out(open_engine: OpenEngine) -> None:
    engine = await open_engine(decision_timeout="5", sweep_every="1")
    client = await temporal.connect(engine.settings)
    today = engine.settings.calendar.day_of(datetime.now(UTC))

    async def go_on_after(number: int) -> None:
        wedge, patient = WEDGES[number % len(WEDGES)], number + 1
        holder, other = 2 * number % 50 + 1, (2 * number + 1) % 50 + 1
        await engine.admit(patient, {patient * 10 + 1: holder, patient * 10 + 2: other})
        started = await start_decided(engine, holder, patient, patient * 10 + 1, f"start-{patient}")
        await start_waiting(engine, other, patient)
        await wedge(client, client.get_workflow_handle(visit_id(patient, today)))

        # Each has a minute (`wait_until_async`).
        completed = await send_until_decided(lambda: engine.complete(holder, started.json()["id"], f"end-{patient}"))
        await wait_until_async(lambda: is_offered(engine, patient), f"{wedge.__name__}: the next doctor has an offer")
        accepted = await start_decided(engine, other, patient, patient * 10 + 2, f"second-start-{patient}")
        assert (started.status_code, completed.status_code, accepted.status_code) == (201, 200, 201), wedge.__name__

    await asyncio.gather(*(go_on_after(number) for number in range(PATIENTS_PER_WEDGE * len(WEDGES))))

    assert (await engine.database.read(audit)).violations == []
    rescued = await engine.rows("SELECT patient_id FROM timeline WHERE event = 'rescued'")
    assert len(rescued) >= PATIENTS_PER_WEDGE


async def start_waiting(engine: Engine, doctor: int, patient: int) -> None:
    """The doctor waits for the busy patient."""
    answer = await send_until_decided(
        lambda: engine.start(doctor, patient, patient * 10 + 2, f"wait-{patient}", wait=True)
    )
    assert (answer.status_code, answer.json().get("position")) == (409, 1), answer.text


async def is_offered(engine: Engine, patient: int) -> bool:
    return bool(await engine.events(patient, "consultation.available"))

"""What `/readyz` says of Temporal, on a real server: from a namespace that does not exist to a worker that polls."""

from datetime import UTC, datetime, timedelta

from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client
from temporalio.worker import Worker

from patient_visit_engine.api.readiness import SILENT_TEMPORAL
from patient_visit_engine.api.temporal_health import TemporalHealth
from patient_visit_engine.runtime import namespace
from patient_visit_engine.runtime.task_queue import find_workers
from patient_visit_engine.runtime.temporal import connect
from patient_visit_engine.runtime.worker_heartbeats import FRESH, worker_heartbeats
from patient_visit_engine.worker import polling
from patient_visit_engine.workflows.patient_visit import PatientVisit
from tests.cli.test_migrate import ATTRIBUTES, settings_for
from tests.support.ports import free_port
from tests.support.waiting import wait_until_async

NAMESPACE, TASK_QUEUE = "lost", "visits-of-lost"


def health_of(client: Client) -> TemporalHealth:
    return TemporalHealth(client, TASK_QUEUE, lambda: datetime.now(UTC))


async def test_names_what_is_missing_and_the_remedy(temporal: str) -> None:
    settings = settings_for(temporal, NAMESPACE)
    # Waits until the server answers.
    await namespace.prepare(settings_for(temporal))
    client = await connect(settings)
    health = health_of(client)
    without_namespace = await health.find_problems()
    worker_without_namespace = await polling.find_problem(settings)

    register_request = RegisterNamespaceRequest(namespace=NAMESPACE)
    register_request.workflow_execution_retention_period.FromTimedelta(namespace.RETENTION)
    await client.workflow_service.register_namespace(register_request)

    async def without_attributes() -> str | None:
        problem = (await health.find_problems()).get("temporal", "")
        return problem if "search attribute" in problem else None

    missing_attributes = await wait_until_async(without_attributes, "the server knows the namespace")
    await namespace.prepare(settings)

    async def is_prepared() -> bool:
        return "temporal" not in await health.find_problems()

    await wait_until_async(is_prepared, "the server knows the search attributes")
    without_worker = await health.find_problems()
    async with Worker(client, task_queue=TASK_QUEUE, workflows=[PatientVisit]):

        async def is_ready() -> bool:
            return not await health.find_problems()

        await wait_until_async(is_ready, "the worker has polled")

    assert without_namespace["temporal"] == (
        "VISIT_TEMPORAL_NAMESPACE: Temporal has no namespace lost: correct the name or run `visit-engine migrate`"
    )
    assert worker_without_namespace == without_namespace["temporal"]
    assert f"{' and '.join(ATTRIBUTES)}: run `visit-engine migrate`" in missing_attributes
    assert list(without_worker) == ["workers"]


async def test_worker_is_judged_by_its_heartbeats(temporal: str) -> None:
    """A worker that stops in order, and one that goes silent. Temporal still shows the polls of both."""
    settings = settings_for(temporal, "heartbeats")
    client = await namespace.prepare(settings)
    now = datetime.now(UTC)

    async def works(at: datetime) -> bool:
        return bool(await find_workers(client, TASK_QUEUE, at))

    async with Worker(client, task_queue=TASK_QUEUE, workflows=[PatientVisit]):
        await wait_until_async(lambda: works(now), "the worker has polled")
        by_polls_alone = await works(now + 2 * FRESH)
        async with worker_heartbeats(client, TASK_QUEUE, lambda: now):

            async def is_known() -> bool:
                return not await works(now + FRESH)

            await wait_until_async(is_known, "Temporal knows a heartbeat")
            while_running = [await works(now), await works(now + FRESH - timedelta(seconds=1))]
        after_stop = await works(now)

    assert by_polls_alone
    assert while_running == [True, True]
    assert not after_stop


async def test_no_answer_is_a_problem_of_both() -> None:
    client = await connect(settings_for(f"127.0.0.1:{free_port()}"), lazy=True)

    assert await health_of(client).find_problems() == SILENT_TEMPORAL

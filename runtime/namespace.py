"""What the engine needs of its Temporal namespace: how long closed visits are kept, and what can be searched; it must not know visits."""

import asyncio
import contextlib
from datetime import timedelta
from time import monotonic

from temporalio.api.enums.v1 import IndexedValueType, TaskQueueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    DescribeTaskQueueRequest,
    RegisterNamespaceRequest,
    UpdateNamespaceRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from patient_visit_engine.runtime.dev_server import SEARCH_ATTRIBUTES
from patient_visit_engine.runtime.operator_error import OperatorError
from patient_visit_engine.runtime.settings import Settings
from patient_visit_engine.runtime.temporal import connect

#: A closed day must be remembered for as long as an Idempotency-Key is, or it would open again, empty.
RETENTION = timedelta(days=7)
#: How long the frontend may take to come up.
PATIENCE = timedelta(seconds=30)
PAUSE_SECONDS = 0.05
KINDS = {
    "Int": IndexedValueType.INDEXED_VALUE_TYPE_INT,
    "Keyword": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
}
PASSES = {
    RPCStatusCode.UNAVAILABLE,
    RPCStatusCode.DEADLINE_EXCEEDED,
    RPCStatusCode.RESOURCE_EXHAUSTED,
    RPCStatusCode.NOT_FOUND,  # a namespace just registered, for some seconds, on a cluster
}


async def prepare(settings: Settings, patience: timedelta = PATIENCE) -> Client:
    """Make the namespace fit, whether it exists or not, waiting for the frontend; again changes nothing.

    Raises `OperatorError` when Temporal does not answer within `patience`, or has other uses for the names.
    """
    deadline = monotonic() + patience.total_seconds()
    while True:
        try:
            async with asyncio.timeout(max(deadline - monotonic(), PAUSE_SECONDS)):
                client = await connect(settings)
                await _keep_closed_visits(client)
                await _register_search_attributes(client)
            return client
        except (RuntimeError, TimeoutError, RPCError) as error:
            if isinstance(error, RPCError) and error.status not in PASSES:
                raise OperatorError(
                    f"Temporal refused to prepare namespace {settings.temporal_namespace}: {error.status.name}"
                ) from error
            if monotonic() >= deadline:
                seconds = patience.total_seconds()
                answered = f"no Temporal frontend answered at {settings.temporal} within {seconds:g} s"
                why = str(error).partition("\n")[0]
                raise OperatorError(f"VISIT_TEMPORAL_ADDRESS: {answered}{why and f' ({why})'}") from None
        await asyncio.sleep(PAUSE_SECONDS)


async def wait_for_worker(client: Client, task_queue: str) -> None:
    """Return once a worker polls the task queue; waits for as long as the caller lets it."""
    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=task_queue),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    )
    while True:
        with contextlib.suppress(RPCError):
            if (await client.workflow_service.describe_task_queue(request)).pollers:
                return
        await asyncio.sleep(PAUSE_SECONDS)


async def _keep_closed_visits(client: Client) -> None:
    service = client.workflow_service
    described = DescribeNamespaceRequest(namespace=client.namespace)
    try:
        found = await service.describe_namespace(described)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        fresh = RegisterNamespaceRequest(namespace=client.namespace)
        fresh.workflow_execution_retention_period.FromTimedelta(RETENTION)
        await _unless_there(service.register_namespace(fresh))
        found = await service.describe_namespace(described)
    if found.config.workflow_execution_retention_ttl.ToTimedelta() < RETENTION:
        longer = UpdateNamespaceRequest(namespace=client.namespace)
        longer.config.workflow_execution_retention_ttl.FromTimedelta(RETENTION)
        await service.update_namespace(longer)


async def _register_search_attributes(client: Client) -> None:
    service = client.operator_service
    listed = await service.list_search_attributes(ListSearchAttributesRequest(namespace=client.namespace))
    wanted = {name: KINDS[kind] for name, kind in SEARCH_ATTRIBUTES.items()}
    for name in wanted.keys() & listed.custom_attributes.keys():
        if listed.custom_attributes[name] != wanted[name]:
            raise OperatorError(
                f"Temporal knows search attribute {name} as another type than {SEARCH_ATTRIBUTES[name]}"
            )
    missing = {name: kind for name, kind in wanted.items() if name not in listed.custom_attributes}
    if missing:
        request = AddSearchAttributesRequest(namespace=client.namespace, search_attributes=missing)
        await _unless_there(service.add_search_attributes(request))


async def _unless_there(call: object) -> None:
    try:
        await call  # type: ignore[misc]
    except RPCError as error:
        if error.status is not RPCStatusCode.ALREADY_EXISTS:
            raise

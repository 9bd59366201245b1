"""Tells Temporal every few seconds that a worker works. Temporal keeps the newest heartbeat of each worker in memory.

The event loop of the worker sends them, so they stop when it is blocked. The SDK's own heartbeats come once a minute and from another
thread. A poll alone proves little: Temporal shows it for 90 seconds after its worker has died.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from temporalio.api.enums.v1 import WorkerStatus
from temporalio.api.worker.v1 import WorkerHeartbeat
from temporalio.api.workflowservice.v1 import ListWorkersRequest, RecordWorkerHeartbeatRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from patient_visit_engine.runtime.background import in_background

INTERVAL_SECONDS = 5.0
#: A worker whose newest heartbeat is older than this does not work. It has missed three, and the clocks of machines may differ.
FRESH = timedelta(seconds=20)
CALL_TIMEOUT = timedelta(seconds=5)
#: For the last heartbeat. A worker that stops while Temporal is away must not use up its grace.
LAST_CALL_TIMEOUT = timedelta(seconds=1)
#: Marks our heartbeats among those of the SDK.
SENDER = "patient-visit-engine"
#: Temporal forgets a worker after some minutes, so this many are never listed at the same time.
MAX_WORKERS = 1_000
#: An older server has no heartbeats of workers, and a hosted service may keep the call to itself.
NOT_OFFERED = {RPCStatusCode.UNIMPLEMENTED, RPCStatusCode.PERMISSION_DENIED}


@asynccontextmanager
async def worker_heartbeats(client: Client, task_queue: str, now: Callable[[], datetime]) -> AsyncIterator[None]:
    """Send heartbeats while the context lasts. The last one says that the worker stops."""
    heartbeat = WorkerHeartbeat(
        worker_instance_key=uuid4().hex, worker_identity=client.identity, task_queue=task_queue, sdk_name=SENDER
    )
    heartbeat.start_time.FromDatetime(now())
    try:
        async with in_background(_repeat(client, heartbeat, now)):
            yield
    finally:
        with suppress(RPCError):
            await _send(client, heartbeat, WorkerStatus.WORKER_STATUS_SHUTTING_DOWN, now(), LAST_CALL_TIMEOUT)


async def read_heartbeats(client: Client, task_queue: str, now: datetime) -> dict[str, bool]:
    """For the identity of each worker that has sent heartbeats: whether it works now. Empty when the server has no heartbeats.

    Raises RPCError.
    """
    # The name is quoted like a string of SQL. A quote in it would end the string.
    query = f"TaskQueue='{task_queue}'" if "'" not in task_queue else ""
    request = ListWorkersRequest(namespace=client.namespace, query=query, page_size=MAX_WORKERS)
    try:
        response = await client.workflow_service.list_workers(request)
    except RPCError as error:
        if error.status in NOT_OFFERED:
            return {}
        raise
    works: dict[str, bool] = {}
    for heartbeat in (info.worker_heartbeat for info in response.workers_info):
        if heartbeat.sdk_name == SENDER and heartbeat.task_queue == task_queue:
            # After a restart in a container, the new process can have the identity of the old one.
            identity = heartbeat.worker_identity
            works[identity] = works.get(identity, False) or _is_fresh(heartbeat, now)
    return works


def _is_fresh(heartbeat: WorkerHeartbeat, now: datetime) -> bool:
    is_running = heartbeat.status == WorkerStatus.WORKER_STATUS_RUNNING
    return is_running and now - heartbeat.heartbeat_time.ToDatetime(UTC) < FRESH


async def _repeat(client: Client, heartbeat: WorkerHeartbeat, now: Callable[[], datetime]) -> None:
    while True:
        try:
            await _send(client, heartbeat, WorkerStatus.WORKER_STATUS_RUNNING, now())
        except RPCError as error:
            if error.status in NOT_OFFERED:
                return
        await asyncio.sleep(INTERVAL_SECONDS)


async def _send(
    client: Client,
    heartbeat: WorkerHeartbeat,
    status: WorkerStatus.ValueType,
    now: datetime,
    within: timedelta = CALL_TIMEOUT,
) -> None:
    heartbeat.status = status
    heartbeat.heartbeat_time.FromDatetime(now)
    request = RecordWorkerHeartbeatRequest(
        namespace=client.namespace, identity=client.identity, worker_heartbeat=[heartbeat]
    )
    await client.workflow_service.record_worker_heartbeat(request, timeout=within)

"""Which workers serve the task queue. A worker answers no HTTP, but Temporal knows its heartbeats, and when it last polled."""

import asyncio
from datetime import UTC, datetime, timedelta

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

from patient_visit_engine.runtime.worker_heartbeats import read_heartbeats

#: A poll waits one minute for work. Temporal remembers a poller for five minutes after its worker has died.
RECENT = timedelta(seconds=90)


async def find_workers(client: Client, task_queue: str, now: datetime) -> list[str]:
    """The identities of the workers that work now, each as `process@machine`.

    A worker is judged by its heartbeats. Only a worker that has sent none, because it or the server is older, is judged by its polls.
    Raises RPCError, with status NOT_FOUND when the namespace does not exist.
    """
    pollers, works = await asyncio.gather(
        _recent_pollers(client, task_queue, now), read_heartbeats(client, task_queue, now)
    )
    return [identity for identity in sorted({*pollers, *works}) if works.get(identity, True)]


async def _recent_pollers(client: Client, task_queue: str, now: datetime) -> list[str]:
    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=task_queue),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    )
    response = await client.workflow_service.describe_task_queue(request)
    return [poller.identity for poller in response.pollers if now - poller.last_access_time.ToDatetime(UTC) < RECENT]

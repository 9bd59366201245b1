"""Which workers poll the task queue. A worker answers no HTTP, but Temporal knows when each one last polled."""

from datetime import UTC, datetime, timedelta

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

#: A poll waits one minute for work. Temporal remembers a poller for five minutes after its worker has died.
RECENT = timedelta(seconds=90)


async def recent_pollers(client: Client, task_queue: str, now: datetime) -> list[str]:
    """The identities of the workers that have polled recently, each as `process@machine`.

    Raises RPCError, with status NOT_FOUND when the namespace does not exist.
    """
    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=task_queue),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    )
    response = await client.workflow_service.describe_task_queue(request)
    return [poller.identity for poller in response.pollers if now - poller.last_access_time.ToDatetime(UTC) < RECENT]

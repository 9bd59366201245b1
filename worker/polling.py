"""A program of its own: ends with 0 while a worker on this machine polls the task queue; it must not know what a worker does.

A worker answers no HTTP, so a process that lives says nothing of its connection. Temporal knows whom it last gave work to, or
could have.
"""

import asyncio
import os
import socket
import sys
from datetime import UTC, datetime, timedelta

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.service import RPCError

from patient_visit_engine.runtime.settings import Settings, load
from patient_visit_engine.runtime.temporal import connect

#: A poll waits a minute for work before it asks again; Temporal remembers one for five minutes after its worker has died.
FRESH = timedelta(seconds=90)
PATIENCE_SECONDS = 5.0


async def is_polled(settings: Settings, machine: str, now: datetime) -> bool:
    """Whether a worker of `machine` asked for visits just now."""
    client = await connect(settings)
    request = DescribeTaskQueueRequest(
        namespace=settings.temporal_namespace,
        task_queue=TaskQueue(name=settings.task_queue),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    )
    pollers = (await client.workflow_service.describe_task_queue(request)).pollers
    # The identity that the SDK gives itself: process and machine.
    ours = (poller for poller in pollers if poller.identity.partition("@")[2] == machine)
    return any(now - poller.last_access_time.ToDatetime(UTC) < FRESH for poller in ours)


async def _check(settings: Settings) -> str | None:
    """What is wrong, if anything."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            if await is_polled(settings, socket.gethostname(), datetime.now(UTC)):
                return None
            return f"no worker of {socket.gethostname()} polls {settings.task_queue}"
    except (RPCError, RuntimeError, TimeoutError):
        return f"Temporal does not answer at {settings.temporal}"


if __name__ == "__main__":
    wrong = asyncio.run(_check(load()))
    if wrong:
        print(wrong, file=sys.stderr, flush=True)
    # At once: the client's threads may outlive the interpreter, and it would abort, a process in health said to be ill.
    os._exit(bool(wrong))

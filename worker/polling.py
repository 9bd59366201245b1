"""The worker's health check, as a program: exit 0 while a worker on this machine works.

A worker answers no HTTP, so a running process alone says nothing about its connection. Temporal has the heartbeats of workers.
"""

import asyncio
import os
import socket
import sys
from datetime import UTC, datetime

from temporalio.service import RPCError, RPCStatusCode

from patient_visit_engine.runtime.namespace import describe_unknown_namespace
from patient_visit_engine.runtime.settings import Settings, load_settings
from patient_visit_engine.runtime.task_queue import find_workers
from patient_visit_engine.runtime.temporal import connect

TIMEOUT_SECONDS = 5.0


async def is_polled(settings: Settings, machine: str, now: datetime) -> bool:
    """Whether a worker of `machine` works."""
    workers = await find_workers(await connect(settings), settings.task_queue, now)
    return any(worker.partition("@")[2] == machine for worker in workers)


async def find_problem(settings: Settings) -> str | None:
    """What is wrong, or None."""
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            if await is_polled(settings, socket.gethostname(), datetime.now(UTC)):
                return None
            return f"no worker of {socket.gethostname()} polls {settings.task_queue}"
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return describe_unknown_namespace(settings.temporal_namespace)
    except (RuntimeError, TimeoutError):
        pass
    return f"Temporal does not answer at {settings.effective_temporal_address}"


if __name__ == "__main__":
    problem = asyncio.run(find_problem(load_settings()))
    if problem:
        print(problem, file=sys.stderr, flush=True)
    # Ends without Python's normal shutdown, because threads of Temporal's client may outlive the interpreter and abort
    # it. A healthy worker would then be reported as unhealthy.
    os._exit(bool(problem))

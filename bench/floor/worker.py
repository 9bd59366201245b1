"""The floor's worker process; it must not know HTTP."""

import asyncio
import signal
import sys
from pathlib import Path

from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from bench.floor.activity import Log
from bench.floor.workflow import FloorVisit

TASK_QUEUE = "floor"
# As the engine's worker has it.
CACHED_VISITS = 2_000


async def run(temporal: str, database: Path) -> None:
    """Carry out visits until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    log = Log(database)
    worker = Worker(
        await Client.connect(temporal),
        task_queue=TASK_QUEUE,
        workflows=[FloorVisit],
        activities=[log.start, log.refuse, log.complete],
        workflow_runner=UnsandboxedWorkflowRunner(),
        max_cached_workflows=CACHED_VISITS,
    )
    async with worker:
        await stop.wait()
    log.close()


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], Path(sys.argv[2])))

"""The floor's worker process."""

import asyncio
import signal
import sys
from pathlib import Path

from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from bench.floor.activity import ConsultationLog
from bench.floor.workflow import FloorVisit

TASK_QUEUE = "floor"
#: The same value as in the engine's worker.
CACHED_VISITS = 2_000


async def run(temporal: str, database: Path) -> None:
    """Run workflows and activities until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    log = ConsultationLog(database)
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

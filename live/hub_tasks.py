"""Starts the hub with its tasks (tailer, heartbeat, check of deadlines) and drains it at the end."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from patient_visit_engine.live.hub import Hub
from patient_visit_engine.live.limits import DEFAULT_LIMITS, StreamLimits
from patient_visit_engine.live.log import Log, LogHints
from patient_visit_engine.live.tailer import Tailer


@asynccontextmanager
async def run_hub(log: Log, hints: LogHints, limits: StreamLimits = DEFAULT_LIMITS) -> AsyncIterator[Hub]:
    """Run a hub that follows `log`. It admits subscribers once `hub.started`. Leaving the context drains it.

    Some servers wait for open responses before they end their lifespan. Such a server must call `hub.drain()` when it begins to
    stop. It waits for the streams before this context ends, so it would otherwise wait forever.
    """
    hub = Hub(log, limits)
    tasks = [
        asyncio.create_task(Tailer(log, hints, hub).run()),
        asyncio.create_task(_call_every(limits.heartbeat_interval, hub.heartbeat)),
        asyncio.create_task(_call_every(limits.deadline_check_interval, hub.end_overdue_streams)),
    ]
    try:
        yield hub
    finally:
        await hub.drain()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _call_every(seconds: float, function: Callable[[], None]) -> None:
    """One timer for all subscribers. A timer for each would wake thousands of tasks."""
    while True:
        await asyncio.sleep(seconds)
        function()

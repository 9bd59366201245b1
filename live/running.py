"""The hub with the tasks that drive it, from start to drain; it must not know the process that it runs in."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from patient_visit_engine.live.hub import Hub
from patient_visit_engine.live.limits import DEFAULT_LIMITS, StreamLimits
from patient_visit_engine.live.log import Changes, Log
from patient_visit_engine.live.tailer import Tailer


@asynccontextmanager
async def running(log: Log, changes: Changes, limits: StreamLimits = DEFAULT_LIMITS) -> AsyncIterator[Hub]:
    """A hub that follows `log`. It admits readers once `hub.started`; leaving drains it.

    A server that waits for open responses before it ends its lifespan has to call `hub.drain()` in its exit hook; here it
    would be too late for that.
    """
    hub = Hub(log, limits)
    tasks = [
        asyncio.create_task(Tailer(log, changes, hub).run()),
        asyncio.create_task(_every(limits.heartbeat_every, hub.heartbeat)),
        asyncio.create_task(_every(limits.sweep_every, hub.sweep)),
    ]
    try:
        yield hub
    finally:
        await hub.drain()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _every(seconds: float, act: Callable[[], None]) -> None:
    """One timer for all readers: a timer each would wake as many tasks as there are readers."""
    while True:
        await asyncio.sleep(seconds)
        act()

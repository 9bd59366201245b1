"""Notices a process that runs and does nothing: it is stopped, or its event loop waits forever."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from temporalio.client import Client
from temporalio.service import RPCError

#: Whether the process has shown that it works since the last call.
LifeCheck = Callable[[], Awaitable[bool]]

#: Seconds within which the Temporal server has to answer a check.
ANSWER_TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True)
class HangPatience:
    """How long a process may be silent. It is counted in checks, not by a clock: a laptop that was closed misses none.

    A very busy machine delays a process by seconds, and the interval alone is longer. A process that starts may be silent for
    longer, because it loads its modules and connects first.
    """

    interval_seconds: float = 10.0
    missed_checks: int = 3
    missed_checks_at_start: int = 12


PATIENCE = HangPatience()


async def wait_until_hung(shows_life: LifeCheck, patience: HangPatience) -> float:
    """Return when the process has missed too many checks in a row, with the seconds of its silence."""
    missed, limit = 0, patience.missed_checks_at_start
    while missed < limit:
        await asyncio.sleep(patience.interval_seconds)
        if await shows_life():
            missed, limit = 0, patience.missed_checks
        else:
            missed += 1
    return limit * patience.interval_seconds


def check_temporal(client: Client) -> LifeCheck:
    """A check of the Temporal server. `client` may be lazy."""

    async def shows_life() -> bool:
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_SECONDS):
                return await client.service_client.check_health(timeout=timedelta(seconds=ANSWER_TIMEOUT_SECONDS))
        except (RPCError, RuntimeError, TimeoutError):
            return False

    return shows_life

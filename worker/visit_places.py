"""How many visits a worker works on at the same time."""

import asyncio
from dataclasses import dataclass

from temporalio.worker import (
    CustomSlotSupplier,
    FixedSizeSlotSupplier,
    SlotMarkUsedContext,
    SlotPermit,
    SlotReleaseContext,
    SlotReserveContext,
    WorkerTuner,
)

# All visits share one processor, and a workflow task that takes longer than its time limit is lost and done again. With Temporal's
# default of 100 at a time, a machine that was too slow for a rush lost every task, and no visit got on.
#: Visits that the worker has in memory. Each needs some milliseconds. With four, the messages of 32 doctors at one moment waited so long
#: that Temporal gave some of them up as lost (`worker.builder.CACHED_VISIT_WAIT`), and their visits were rebuilt for nothing. A visit
#: that the worker has dropped from memory, because it had too many (`worker.builder.CACHED_VISITS`), takes such a place too.
CACHED_AT_A_TIME = 32
#: New visits, and visits to rebuild from their history. A long history needs a hundred times as long as a message. With eight, they took
#: longer than their limit on a busy machine.
REBUILT_AT_A_TIME = 4
#: Temporal's default, for the calls to the ledger. Each belongs to a visit that has a place.
LEDGER_CALLS = 100


@dataclass(frozen=True)
class _Place(SlotPermit):
    loop: asyncio.AbstractEventLoop
    free: asyncio.Semaphore


class VisitPlaces(CustomSlotSupplier):
    """The places for workflow tasks: some for visits in memory, and others for all other visits, which take longer."""

    def __init__(self, cached: int = CACHED_AT_A_TIME, rebuilt: int = REBUILT_AT_A_TIME) -> None:
        self._cached, self._rebuilt = asyncio.Semaphore(cached), asyncio.Semaphore(rebuilt)

    async def reserve_slot(self, ctx: SlotReserveContext) -> SlotPermit:
        """Wait for a place. Temporal asks for one before it asks the server for a task."""
        free = self._cached if ctx.is_sticky else self._rebuilt
        await free.acquire()
        return _Place(asyncio.get_running_loop(), free)

    def try_reserve_slot(self, ctx: SlotReserveContext) -> SlotPermit | None:
        """No place for a task that the server adds to another answer. It sends the task again in the ordinary way."""
        return None

    def mark_slot_used(self, ctx: SlotMarkUsedContext) -> None:
        """Nothing to do: a place counts from its reservation on."""

    def release_slot(self, ctx: SlotReleaseContext) -> None:
        """Free the place. Temporal calls this in a thread of its library."""
        place = ctx.permit
        assert isinstance(place, _Place)
        if not place.loop.is_closed():
            place.loop.call_soon_threadsafe(place.free.release)


def visit_tuner() -> WorkerTuner:
    """The numbers of tasks of a worker."""
    return WorkerTuner.create_composite(
        workflow_supplier=VisitPlaces(),
        activity_supplier=FixedSizeSlotSupplier(LEDGER_CALLS),
        local_activity_supplier=FixedSizeSlotSupplier(LEDGER_CALLS),
        nexus_supplier=FixedSizeSlotSupplier(1),
    )

"""The floor's workflow: one patient, one lock, one local activity a message; it must not know SQL or HTTP."""

import asyncio
from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from bench.floor.activity import Consultation, Log

TIMEOUT = timedelta(seconds=10)


@workflow.defn
class FloorVisit:
    """Who has the patient now, and nothing else."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._holder: Consultation | None = None

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: False)

    @workflow.update
    async def start(self, asked: Consultation) -> Consultation:
        """Begin the consultation; the answer is who holds the patient, the asker or another."""
        # Unlocked, two starts would both find the patient free.
        async with self._lock:
            if self._holder is not None and self._holder.doctor_id != asked.doctor_id:
                await workflow.execute_local_activity_method(Log.refuse, asked, start_to_close_timeout=TIMEOUT)
            elif self._holder is None:
                self._holder = await workflow.execute_local_activity_method(
                    Log.start, asked, start_to_close_timeout=TIMEOUT
                )
            assert self._holder is not None
            return self._holder

    @workflow.update
    async def complete(self, consultation_id: str) -> bool:
        """End the consultation; False when it is not the one that runs."""
        # Unlocked, a start could be decided between the commit and the change of state.
        async with self._lock:
            if self._holder is None or self._holder.id != consultation_id:
                return False
            await workflow.execute_local_activity_method(Log.complete, self._holder, start_to_close_timeout=TIMEOUT)
            self._holder = None
            return True

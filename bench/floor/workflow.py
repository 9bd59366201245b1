"""The floor's workflow: one patient, one lock, one local activity per message."""

import asyncio
from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from bench.floor.activity import Consultation, ConsultationLog

TIMEOUT = timedelta(seconds=10)


@workflow.defn
class FloorVisit:
    """Keeps the patient's running consultation."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._running: Consultation | None = None

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: False)

    @workflow.update
    async def start(self, consultation: Consultation) -> Consultation:
        """Start the consultation if the patient is free. Returns the patient's running consultation."""
        # Without the lock two starts could both find the patient free.
        async with self._lock:
            if self._running is not None and self._running.doctor_id != consultation.doctor_id:
                await workflow.execute_local_activity_method(
                    ConsultationLog.refuse, consultation, start_to_close_timeout=TIMEOUT
                )
            elif self._running is None:
                self._running = await workflow.execute_local_activity_method(
                    ConsultationLog.start, consultation, start_to_close_timeout=TIMEOUT
                )
            assert self._running is not None
            return self._running

    @workflow.update
    async def complete(self, consultation_id: str) -> bool:
        """Complete the running consultation. Returns False when the id is not the running one."""
        # Without the lock a start could be decided between the commit and the change of state.
        async with self._lock:
            if self._running is None or self._running.id != consultation_id:
                return False
            await workflow.execute_local_activity_method(
                ConsultationLog.complete, self._running, start_to_close_timeout=TIMEOUT
            )
            self._running = None
            return True

"""Looks at visits that did not answer, and has those rescued that can no longer decide."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date, datetime
from typing import Protocol

import structlog

from patient_visit_engine.runtime.temporal import is_unconnected
from patient_visit_engine.workflows.visit_errors import UNDECIDED_ERRORS
from patient_visit_engine.workflows.visit_rescue import VisitLook

logger = structlog.get_logger()

#: Seconds for one look at a visit, with its rescue.
LOOK_TIMEOUT_SECONDS = 10.0
#: Visits that one process looks at in the same moment. The others wait for their turn.
SIMULTANEOUS_LOOKS = 20
#: Looks that wait or run. The next visit is looked at after its next command without an answer.
MAX_LOOKS = 500


class Rescuer(Protocol):
    """The method that this module uses of `workflows.visit_rescue.VisitRescue`."""

    async def look_at(self, patient_id: int, day: date, now: datetime) -> VisitLook: ...


class VisitLooks:
    """The looks of one process. Without a rescuer it does not look."""

    def __init__(self, rescuer: Rescuer | None, now: Callable[[], datetime]) -> None:
        self._rescuer = rescuer
        self._now = now
        self._looks: dict[tuple[int, date], asyncio.Task[VisitLook]] = {}
        self._slots = asyncio.Semaphore(SIMULTANEOUS_LOOKS)

    def look_at(self, patient_id: int, day: date) -> Awaitable[VisitLook]:
        """Begin to look at this visit, and return what the look will find. Callers of the same visit share one look.

        Nothing is found when Temporal does not answer, or when the process looks at too many visits already.
        """
        visit = (patient_id, day)
        look = self._looks.get(visit)
        if look is None:
            if self._rescuer is None or len(self._looks) >= MAX_LOOKS:
                no_look: asyncio.Future[VisitLook] = asyncio.get_running_loop().create_future()
                no_look.set_result(VisitLook())
                return no_look
            look = asyncio.create_task(self._look(self._rescuer, patient_id, day))
            self._looks[visit] = look
            look.add_done_callback(lambda _: self._looks.pop(visit, None))
        return asyncio.shield(look)

    async def _look(self, rescuer: Rescuer, patient_id: int, day: date) -> VisitLook:
        try:
            async with self._slots, asyncio.timeout(LOOK_TIMEOUT_SECONDS):
                look = await rescuer.look_at(patient_id, day, self._now())
        except Exception as error:
            if isinstance(error, (*UNDECIDED_ERRORS, TimeoutError)) or is_unconnected(error):
                # Temporal is away or slow. The next command without an answer causes another look.
                return VisitLook()
            raise
        if look.rescued is not None:
            logger.warning("visit rescued", patient_id=patient_id, day=str(day), reason=look.rescued.value)
        return look

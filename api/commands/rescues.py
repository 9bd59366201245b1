"""Looks, in the background, at visits that did not answer, and has those rescued that can no longer decide."""

import asyncio
from collections.abc import Callable
from datetime import date, datetime
from typing import Protocol

import structlog

from patient_visit_engine.runtime.temporal import is_unconnected
from patient_visit_engine.visit.codes import RescueReason
from patient_visit_engine.workflows.visit_client import UNDECIDED_ERRORS

logger = structlog.get_logger()

#: Seconds for one look at a visit, with its rescue.
RESCUE_TIMEOUT_SECONDS = 10.0
#: Visits that one process looks at in the same moment. The others are looked at after their next command without an answer.
MAX_LOOKS = 20


class Rescuer(Protocol):
    """The method that this module uses of `workflows.visit_rescue.VisitRescue`."""

    async def rescue(self, patient_id: int, day: date, now: datetime) -> RescueReason | None: ...


class Rescues:
    """Looks at visits for one process. Without a rescuer it does nothing."""

    def __init__(self, rescuer: Rescuer | None, now: Callable[[], datetime]) -> None:
        self._rescuer = rescuer
        self._now = now
        self._looks: dict[tuple[int, date], asyncio.Task[None]] = {}

    def look_at(self, patient_id: int, day: date) -> None:
        """Look at this visit soon, unless this process looks at it already. Returns immediately."""
        visit = (patient_id, day)
        if self._rescuer is None or visit in self._looks or len(self._looks) >= MAX_LOOKS:
            return
        look = asyncio.create_task(self._look(self._rescuer, patient_id, day))
        self._looks[visit] = look
        look.add_done_callback(lambda _: self._looks.pop(visit, None))

    async def _look(self, rescuer: Rescuer, patient_id: int, day: date) -> None:
        try:
            async with asyncio.timeout(RESCUE_TIMEOUT_SECONDS):
                reason = await rescuer.rescue(patient_id, day, self._now())
        except Exception as error:
            if isinstance(error, (*UNDECIDED_ERRORS, TimeoutError)) or is_unconnected(error):
                # Temporal is away or slow. The next command without an answer causes another look.
                return
            raise
        if reason is not None:
            logger.warning("visit rescued", patient_id=patient_id, day=str(day), reason=reason.value)

"""Opens the visits of booked appointments shortly before their time, so that no doctor waits for Temporal to create a workflow.

It is a convenience: a visit that is not open is opened by its first command. So it stops whenever the staff may need the machine,
and a failure has no other effect than that the first command takes longer.
"""

import asyncio
import os
import random
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime

import structlog

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.upkeep.due_appointments import DueAppointment, find_due_appointments
from patient_visit_engine.storage.upkeep.pages import Pages
from patient_visit_engine.worker.opening_choice import OpeningChoice
from patient_visit_engine.workflows.visit_client import VisitClient
from patient_visit_engine.workflows.visit_errors import DayClosedError

logger = structlog.get_logger()

#: The pause between two steps.
STEP_EVERY_SECONDS = 5.0
#: How long an opening may take before it counts as failed.
OPENING_TIMEOUT_SECONDS = 5.0
#: The pause after a slow or failed opening.
PAUSE_SECONDS = 60.0


def is_machine_busy() -> bool:
    """Whether more processes want to run than this machine has processors, on average over the last minute.

    An average of a minute reacts late in both directions. That does no harm. An appointment has a quarter of an hour for its
    opening, and a sudden rush meets ten openings at most before a slow one stops them. A shorter average would change in every
    step. The load counts all containers of the machine, which is right, because the server and the database may be among them.
    """
    return os.getloadavg()[0] > (os.cpu_count() or 1)


class VisitOpener:
    """Opens visits ahead, one at a time. Each worker has one.

    Several workers open the same visits, because a worker does not know what another has opened. The first one opens the visit. Each
    other one makes one call to the server, which adds no event.
    """

    def __init__(
        self,
        database: Database,
        visit_client: VisitClient,
        choice: OpeningChoice,
        *,
        now: Callable[[], datetime],
        is_busy: Callable[[], bool] = is_machine_busy,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._appointments = Pages[DueAppointment](database)
        self._visit_client = visit_client
        self._choice = choice
        self._now = now
        self._is_busy = is_busy
        self._monotonic = monotonic
        self._paused_until = 0.0
        self._is_failing = False

    async def run(self) -> None:
        """Open visits until cancelled. Returns immediately when no visit is opened ahead."""
        if self._choice.is_off:
            return
        # Workers that start together would otherwise open each visit at the same moment.
        await asyncio.sleep(random.uniform(0, STEP_EVERY_SECONDS))  # noqa: S311 - not a secret
        while True:
            await self.run_step()
            await asyncio.sleep(STEP_EVERY_SECONDS)

    async def run_step(self) -> int:
        """Open some visits, unless the machine is busy. Returns how many. Never raises for a database or a server that is away."""
        if self._monotonic() < self._paused_until:
            return 0
        opened = 0
        try:
            if self._is_busy():
                return 0
            period = self._choice.find_period(self._now())
            if period is None:
                return 0
            due = await self._appointments.read_next(
                lambda connection, after, limit: find_due_appointments(connection, *period, after, limit)
            )
            patients = self._choice.choose((row.patient_id for row in due), period.day, self._monotonic())
            for patient_id in patients:
                seconds = await self._open(patient_id, period.day)
                opened += 1
                if seconds > self._choice.limits.slow_seconds:
                    self._pause()
                    break
            self._is_failing = False
        except Exception as error:  # noqa: BLE001 - a later step may succeed, for example when the database is back
            self._pause()
            if not self._is_failing:
                logger.warning("visits are not opened ahead", fault=type(error).__name__)
            self._is_failing = True
        if opened:
            logger.info("visits opened ahead", count=opened)
        return opened

    async def _open(self, patient_id: int, day: date) -> float:
        """Open the visit. Returns how many seconds it took."""
        start = self._monotonic()
        self._choice.note_sent(start)
        # If the visit has ended with its day in this moment, there is nothing to open.
        with suppress(DayClosedError):
            async with asyncio.timeout(OPENING_TIMEOUT_SECONDS):
                await self._visit_client.open(patient_id, day)
        self._choice.note_open(patient_id, day)
        return self._monotonic() - start

    def _pause(self) -> None:
        self._paused_until = self._monotonic() + PAUSE_SECONDS

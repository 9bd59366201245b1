"""The sweep: at regular intervals it finds the work that a crash left behind, and deletes old rows.

It sends `adopt` for late timers and for what is open from earlier days, and sends open requests again.
"""

import asyncio
from collections.abc import Callable
from datetime import date, datetime, timedelta

import structlog

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.requests import find_open_commands
from patient_visit_engine.storage.upkeep.sweep import find_late_patients, prune
from patient_visit_engine.visit.calendar import HospitalCalendar
from patient_visit_engine.visit.commands import Adopt, Command, SystemCommand, patient_of
from patient_visit_engine.workflows.visit_client import UNDECIDED_ERRORS, VisitClient
from patient_visit_engine.workflows.visit_rescue import VisitRescue

logger = structlog.get_logger()

# A running visit handles a timer within moments. If a timer is this late, no visit runs it.
LATE_AFTER = timedelta(seconds=10)
# A signal that is younger than this may still be on its way.
RESEND_AFTER = timedelta(seconds=5)
# The most rows of one query. A round after a long outage must not read everything into memory. The next round reads more.
BATCH = 200
SEND_TIMEOUT = timedelta(seconds=10)


class Sweep:
    """The rounds of one worker. Several workers may sweep at the same time, because a visit decides each request once."""

    def __init__(
        self,
        database: Database,
        visit_client: VisitClient,
        visit_rescue: VisitRescue,
        *,
        calendar: HospitalCalendar,
        every: timedelta,
        offers_expire: bool,
        retention: timedelta,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._visit_client = visit_client
        self._visit_rescue = visit_rescue
        self._calendar = calendar
        self._every = every
        self._offers_expire = offers_expire
        self._retention = retention
        self._now = now

    async def run(self) -> None:
        """Sweep until cancelled. A failed round is followed by the next one."""
        while True:
            try:
                await self.run_round()
            except Exception as error:  # noqa: BLE001 - the next round may succeed, for example when the database is back
                logger.warning("sweep failed", fault=type(error).__name__)
            await asyncio.sleep(self._every.total_seconds())

    async def run_round(self) -> None:
        """One round: have late timers and earlier days adopted, send open requests again, and prune."""
        now = self._now()
        today = self._calendar.day_of(now)
        into_day = now - self._calendar.starts_at(today)
        late_patients = await self._database.read(
            find_late_patients, now - LATE_AFTER, today, into_day, BATCH, offers_expire=self._offers_expire
        )
        for patient_id in late_patients:
            if await self._send(patient_id, today, Adopt()):
                logger.info("adopt sent to visit", patient_id=patient_id, day=str(today))
        for command in await self._database.read(find_open_commands, now - RESEND_AFTER, BATCH):
            await self._send_again(command, today)
        # In batches: between two of them, the ledger can write.
        while await self._database.write(prune, now - self._retention, now):
            logger.info("pruned a batch")

    async def _send_again(self, command: Command, today: date) -> None:
        if await self._send(patient_of(command), today, command, command.request.id):
            logger.info("open request sent again", request_id=command.request.id)

    async def _send(
        self, patient_id: int, day: date, command: Command | SystemCommand, update_id: str | None = None
    ) -> bool:
        try:
            async with asyncio.timeout(SEND_TIMEOUT.total_seconds()):
                await self._visit_client.send(patient_id, day, command, update_id)
        except (*UNDECIDED_ERRORS, TimeoutError) as error:
            # The next round tries again.
            logger.warning("command not carried out", patient_id=patient_id, day=str(day), fault=type(error).__name__)
            await self._rescue(patient_id, day)
            return False
        return True

    async def _rescue(self, patient_id: int, day: date) -> None:
        try:
            async with asyncio.timeout(SEND_TIMEOUT.total_seconds()):
                reason = await self._visit_rescue.rescue(patient_id, day, self._now())
        except (*UNDECIDED_ERRORS, TimeoutError):
            return
        if reason is not None:
            logger.warning("visit rescued", patient_id=patient_id, day=str(day), reason=reason.value)

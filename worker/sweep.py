"""Looks, once in a while, for what a crash left without a keeper, and sends it to its visit; it must not know how visits decide."""

import asyncio
from collections.abc import Callable
from datetime import date, datetime, timedelta

import structlog
from temporalio.client import RPCError, WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.requests import find_open_commands
from patient_visit_engine.storage.upkeep.sweep import OverdueVisit, find_overdue_visits, prune
from patient_visit_engine.visit.commands import Adopt, Command, patient_of
from patient_visit_engine.workflows.opening import DayClosedError, Visits

log = structlog.get_logger()

# A timer that is this late is nobody's: a visit that lives fires within moments.
NEGLECTED_AFTER = timedelta(seconds=10)
# A signal younger than this may still be on its way.
UNDECIDED_AFTER = timedelta(seconds=5)
BATCH = 200
CALL_TIMEOUT = 10.0
NOT_NOW = (RPCError, WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError, TimeoutError)


class Sweep:
    """One worker's rounds; several workers may go the same round, since visits repeat nothing."""

    def __init__(
        self,
        database: Database,
        visits: Visits,
        *,
        every: timedelta,
        offers_expire: bool,
        retention: timedelta,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._visits = visits
        self._every = every
        self._offers_expire = offers_expire
        self._retention = retention
        self._clock = clock

    async def run(self) -> None:
        """Go round until cancelled; a round that fails is followed by the next."""
        while True:
            try:
                await self.once()
            except Exception as fault:  # noqa: BLE001 - a database that is away for one round is no reason to stop looking
                log.warning("sweep failed", fault=type(fault).__name__)
            await asyncio.sleep(self._every.total_seconds())

    async def once(self) -> None:
        """Adopt what is neglected, send open requests again, and prune."""
        now = self._clock()
        today = self._visits.today(now)
        late = now - NEGLECTED_AFTER
        for visit in await self._database.read(
            find_overdue_visits, late, today, BATCH, offers_expire=self._offers_expire
        ):
            await self._adopt(visit)
        for command in await self._database.read(find_open_commands, now - UNDECIDED_AFTER, BATCH):
            await self._send_again(command, today)
        # In batches, so that between two of them the writers of visits get their turn.
        while await self._database.write(prune, now - self._retention, now):
            log.info("pruned a batch")

    async def _adopt(self, visit: OverdueVisit) -> None:
        adopt = Adopt(consultation_ids=tuple(visit.consultation_ids))
        if await self._update(visit.patient_id, visit.day, adopt):
            log.info("visit reminded of its rows", patient_id=visit.patient_id, day=str(visit.day))

    async def _send_again(self, command: Command, today: date) -> None:
        if await self._update(patient_of(command), today, command, command.request.id):
            log.info("open request sent again", request_id=command.request.id)

    async def _update(self, patient_id: int, day: date, command: Command | Adopt, update_id: str | None = None) -> bool:
        try:
            async with asyncio.timeout(CALL_TIMEOUT):
                try:
                    await self._visits.update(patient_id, day, command, update_id)
                except DayClosedError:
                    following = max(self._visits.today(self._clock()), day + timedelta(days=1))
                    await self._visits.update(patient_id, following, command, update_id)
        except (*NOT_NOW, DayClosedError) as fault:
            log.warning("visit not reached", patient_id=patient_id, day=str(day), fault=type(fault).__name__)
            return False
        return True

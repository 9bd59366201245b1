"""The sweep: at regular intervals it finds the work that a crash left behind, and deletes old rows.

It makes visits handle rows that are late, and sends open requests again. Each kind of work has its own loop. So slow visits in
one kind do not delay the others.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial

import structlog

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.requests import OpenRequest, find_open_requests, set_request_aside
from patient_visit_engine.storage.upkeep.earlier_days import (
    find_places_of_earlier_days,
    find_trackings_of_earlier_days,
)
from patient_visit_engine.storage.upkeep.pages import Pages
from patient_visit_engine.storage.upkeep.sweep import (
    LateRow,
    find_late_reservations,
    find_late_trackings,
    find_unserved_places,
    prune,
)
from patient_visit_engine.visit.calendar import HospitalCalendar
from patient_visit_engine.visit.commands import patient_of
from patient_visit_engine.visit.patient_commands import Adopt
from patient_visit_engine.worker.sending import MessageSender, VisitMessage
from patient_visit_engine.workflows.visit_client import VisitClient
from patient_visit_engine.workflows.visit_rescue import VisitRescue

logger = structlog.get_logger()

# A running visit handles a timer within moments. If a timer is this late, no visit runs it.
UNHANDLED_AFTER = timedelta(seconds=10)
# A signal that is younger than this may still be on its way.
RESEND_AFTER = timedelta(seconds=5)
#: The longest pause between two rounds for the waiting lines. A doctor who waits for a free patient gets an offer within a minute, if
#: the visits answer.
LINES_EVERY = timedelta(seconds=30)
#: How often the worker looks for visits of earlier days that fail, and how long after the start of a day it begins.
FAILED_VISITS_EVERY = timedelta(minutes=10)
#: A worker of the previous version cannot read the commands of a new one. It must not set them aside during an upgrade.
UNREADABLE_AFTER = timedelta(minutes=10)


@dataclass(frozen=True)
class _Kind:
    """One kind of work, and how often the sweep looks for it."""

    name: str
    every: timedelta
    run_round: Callable[[], Awaitable[None]]


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
        self._offers_expire = offers_expire
        self._retention = retention
        self._now = now
        self._sender = MessageSender(visit_rescue, now)
        self._trackings = Pages[LateRow](database)
        self._reservations = Pages[LateRow](database)
        self._places = Pages[LateRow](database)
        self._old_trackings = Pages[LateRow](database)
        self._old_places = Pages[LateRow](database)
        self._requests = Pages[OpenRequest](database)
        self._kinds = (
            _Kind("late time limits", every, self._adopt_late_trackings),
            _Kind("late reservations", min(every, LINES_EVERY), self._end_late_reservations),
            _Kind("waiting lines", min(every, LINES_EVERY), self._serve_lines),
            _Kind("open requests", every, self._send_open_requests),
            _Kind("trackings of earlier days", every, self._carry_over_trackings),
            _Kind("waiting lines of earlier days", every, self._carry_over_lines),
            _Kind("failed visits of earlier days", FAILED_VISITS_EVERY, self._end_failed_visits),
            _Kind("old rows", every, self._prune),
        )

    async def run(self) -> None:
        """Sweep until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for kind in self._kinds:
                tasks.create_task(self._repeat(kind))

    async def run_round(self) -> None:
        """Do one round of each kind, all at the same time. A round that fails does not end the others."""
        await asyncio.gather(*(self._run_round(kind) for kind in self._kinds))

    async def _repeat(self, kind: _Kind) -> None:
        while True:
            await self._run_round(kind)
            await asyncio.sleep(kind.every.total_seconds())

    async def _run_round(self, kind: _Kind) -> None:
        try:
            await kind.run_round()
        except Exception as error:  # noqa: BLE001 - the next round may succeed, for example when the database is back
            logger.warning("sweep failed", kind=kind.name, fault=type(error).__name__)

    async def _adopt_late_trackings(self) -> None:
        late_since = self._now() - UNHANDLED_AFTER
        rows = await self._trackings.read_next(
            lambda connection, after, limit: find_late_trackings(connection, late_since, after, limit)
        )
        await self._adopt(rows)

    async def _end_late_reservations(self) -> None:
        late_since = self._now() - UNHANDLED_AFTER
        rows = await self._reservations.read_next(
            lambda connection, after, limit: find_late_reservations(connection, late_since, after, limit)
        )
        await self._send_to_visits(rows, self._visit_client.serve_line)

    async def _carry_over_trackings(self) -> None:
        today, into_day = self._today(), self._into_day()
        rows = await self._old_trackings.read_next(
            lambda connection, after, limit: find_trackings_of_earlier_days(connection, today, into_day, after, limit)
        )
        await self._adopt(rows)

    async def _carry_over_lines(self) -> None:
        today, into_day = self._today(), self._into_day()
        rows = await self._old_places.read_next(
            lambda connection, after, limit: find_places_of_earlier_days(connection, today, into_day, after, limit)
        )
        await self._adopt(rows)

    async def _adopt(self, rows: Iterable[LateRow]) -> None:
        """Send one `adopt` to today's visit of each patient."""
        await self._send_to_visits(rows, lambda patient_id, today: self._visit_client.send(patient_id, today, Adopt()))

    async def _send_to_visits(self, rows: Iterable[LateRow], send: Callable[[int, date], Awaitable[object]]) -> None:
        today = self._today()
        patients = dict.fromkeys(row.patient_id for row in rows)
        await self._sender.send_all(
            VisitMessage(patient_id, today, partial(send, patient_id, today)) for patient_id in patients
        )

    async def _serve_lines(self) -> None:
        late_since, offers_expire = self._now() - UNHANDLED_AFTER, self._offers_expire
        rows = await self._places.read_next(
            lambda connection, after, limit: find_unserved_places(
                connection, late_since, after, limit, offers_expire=offers_expire
            )
        )
        await self._send_to_visits(rows, self._visit_client.serve_line)

    async def _send_open_requests(self) -> None:
        now = self._now()
        open_requests = await self._requests.read_next(
            lambda connection, after, limit: find_open_requests(connection, now - RESEND_AFTER, after, limit)
        )
        for request in open_requests:
            if request.command is None and request.created_at < now - UNREADABLE_AFTER:
                await self._set_aside(request.id, "unreadable")
        messages = [message for request in open_requests if (message := self._message_of(request)) is not None]
        for message in await self._sender.send_all(messages):
            await self._set_aside(str(message.request_id), "unrecordable")

    def _message_of(self, request: OpenRequest) -> VisitMessage | None:
        if request.command is None:
            return None
        visit = patient_of(request.command), self._today()
        send = partial(self._visit_client.send, *visit, request.command, request.id)
        return VisitMessage(*visit, send, request.id)

    async def _set_aside(self, request_id: str, reason: str) -> None:
        """Stop sending the request. Of several workers, only the one that sets it aside logs it."""
        if await self._database.write(set_request_aside, request_id, self._now()):
            logger.error("request set aside", request_id=request_id, reason=reason)

    async def _end_failed_visits(self) -> None:
        # At the start of a day, hundreds of visits of the day before end by themselves.
        before = self._calendar.day_of(self._now() - FAILED_VISITS_EVERY)
        async for visit in self._visit_rescue.end_failed_visits(before):
            logger.warning("failed visit of an earlier day ended", visit_id=visit)

    async def _prune(self) -> None:
        now = self._now()
        # In batches: between two of them, the ledger can write.
        while await self._database.write(prune, now - self._retention, now):
            logger.info("pruned a batch")

    def _today(self) -> date:
        return self._calendar.day_of(self._now())

    def _into_day(self) -> timedelta:
        """The time since the start of the day."""
        return self._now() - self._calendar.starts_at(self._today())

"""Reports the subscribers of this process to the other API processes, through the database.

A stream never waits for a report, and a failed report ends no stream. Only the difference to the last report is written. Sets are
compared: a loop over thousands of subscribers on the event loop would delay every stream.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from patient_visit_engine.api.problems import log_fault
from patient_visit_engine.live.cursor import write_cursor
from patient_visit_engine.live.hub import Hub
from patient_visit_engine.live.subscriber import Subscriber
from patient_visit_engine.storage import presence
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.presence import PresenceReport, ReportedSubscriber
from patient_visit_engine.visit.calendar import to_millisecond

logger = logging.getLogger(__name__)

#: Seconds between two checks whether there is something to report.
REPORT_INTERVAL_SECONDS = 5.0
#: Time after which a process without changes sends a keep-alive report. Well below `storage.presence.DEAD_AFTER`.
KEEP_ALIVE_INTERVAL = timedelta(seconds=20)
#: Subscribers of each kind (connected, disconnected, moved) in one transaction. A wave of reconnects must not occupy the event loop, or
#: SQLite's single writer, for long.
ROWS_PER_WRITE = 500
#: Seconds allowed for one write, and for the last write when the process stops.
WRITE_TIMEOUT, DELETE_TIMEOUT = 10.0, 2.0


@dataclass
class _Reported:
    """What the database has of this process. Empty before the first report, and after a report with an unknown outcome."""

    subscribers: set[Subscriber] = field(default_factory=set)
    #: The cursors of those subscribers that were behind.
    cursors_behind: dict[Subscriber, str] = field(default_factory=dict)
    cursor: str = ""
    at: datetime | None = None


class PresenceReports:
    """The reports of one process, named `process`. `now` returns an aware time."""

    def __init__(self, process: str, hub: Hub, database: Database, now: Callable[[], datetime]) -> None:
        self._process = process
        self._hub = hub
        self._database = database
        self._now = now
        self._reported = _Reported()
        #: Whether rows of this process may be in the database.
        self._stored = False
        self._failing = False

    async def run(self) -> None:
        """Report forever. Ends only when it is cancelled."""
        logger.info("stream subscribers are reported", extra={"reported_as": self._process})
        while True:
            await asyncio.sleep(REPORT_INTERVAL_SECONDS)
            await self.report()

    async def report(self) -> None:
        """Write the difference to the last report, or a keep-alive report. A failure is logged, and the next report is a whole one."""
        try:
            await self._report()
        except Exception as error:  # noqa: BLE001 - logged; an unreachable database must not end the reports
            self._reported = _Reported()
            if not self._failing:
                log_fault(error)
            self._failing = True
        else:
            self._failing = False

    async def _report(self) -> None:
        subscribers = self._hub.connected()
        if not subscribers:
            if self._stored:
                await self._delete_rows(WRITE_TIMEOUT)
            return
        current = self._snapshot(subscribers)
        if not self._must_report(current):
            return
        self._stored = True
        if not await self._write(current):
            # The other processes have deleted this one as dead, for example after the machine slept. Everything is reported again.
            self._reported = _Reported()
            await self._write(current)
        self._reported = current

    async def _write(self, current: _Reported) -> bool:
        for report in self._reports(current):
            async with asyncio.timeout(WRITE_TIMEOUT):
                if not await self._database.write(presence.write_report, report):
                    return False
        return True

    def _snapshot(self, subscribers: set[Subscriber]) -> _Reported:
        window = self._hub.window
        behind = self._hub.catching_up()
        cursors = {subscriber: write_cursor(window.epoch, subscriber.position) for subscriber in behind}
        return _Reported(subscribers, cursors, window.cursor, to_millisecond(self._now()))

    def _must_report(self, current: _Reported) -> bool:
        last = self._reported
        if last.at is None or current.at is None or current.at - last.at >= KEEP_ALIVE_INTERVAL:
            return True
        return (current.subscribers, current.cursors_behind, current.cursor) != (
            last.subscribers,
            last.cursors_behind,
            last.cursor,
        )

    def _reports(self, current: _Reported) -> Iterator[PresenceReport]:
        """Yield the difference as reports of limited size. There is at least one."""
        last = self._reported
        assert current.at is not None
        before, after = last.cursors_behind, current.cursors_behind
        connected = list(current.subscribers - last.subscribers)
        disconnected = [subscriber.number for subscriber in last.subscribers - current.subscribers]
        candidates = (after.keys() | before.keys()) & (current.subscribers & last.subscribers)
        moved = [(each.number, after.get(each)) for each in candidates if after.get(each) != before.get(each)]
        for first in range(0, max(len(connected), len(disconnected), len(moved), 1), ROWS_PER_WRITE):
            rows = slice(first, first + ROWS_PER_WRITE)
            yield PresenceReport(
                process=self._process,
                at=current.at,
                cursor=current.cursor,
                connected=[_as_reported(subscriber, after.get(subscriber)) for subscriber in connected[rows]],
                disconnected=disconnected[rows],
                moved=dict(moved[rows]),
                whole=last.at is None and first == 0,
            )

    async def _delete_rows(self, seconds: float) -> None:
        async with asyncio.timeout(seconds):
            await self._database.write(presence.delete_process, self._process)
        self._reported, self._stored = _Reported(), False

    async def end(self) -> None:
        """Delete this process's rows when it stops. If that fails, others show its subscribers until it counts as dead."""
        if self._stored:
            try:
                await self._delete_rows(DELETE_TIMEOUT)
            except Exception as error:  # noqa: BLE001 - logged; an unreachable database must not delay the stop
                log_fault(error)


def _as_reported(subscriber: Subscriber, cursor: str | None) -> ReportedSubscriber:
    subscription = subscriber.subscription
    return ReportedSubscriber(
        subscriber.number,
        subscription.user,
        subscription.name,
        str(subscription.role),
        to_millisecond(subscriber.since),
        cursor,
    )


@asynccontextmanager
async def report_presence(
    process: str, hub: Hub, database: Database, now: Callable[[], datetime]
) -> AsyncIterator[None]:
    """Report while the context is open, and delete the rows on exit. Closes neither `hub` nor `database`."""
    reports = PresenceReports(process, hub, database, now)
    task = asyncio.create_task(reports.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await reports.end()

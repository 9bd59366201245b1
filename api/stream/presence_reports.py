"""Tells the other API processes, through the database, who reads the stream here; it must not know who asks for it.

A stream never waits for a report, and one that fails ends nothing. What is written is only what differs from the last report, and
what is compared are two sets: with thousands of readers, a walk through all of them on the event loop would delay every stream.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from patient_visit_engine.api.problems import note_fault
from patient_visit_engine.live.cursor import write_cursor
from patient_visit_engine.live.hub import Hub
from patient_visit_engine.live.subscriber import Subscriber
from patient_visit_engine.storage import presence
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.presence import PresenceReport, ReportedReader
from patient_visit_engine.visit.calendar import to_millisecond

logger = logging.getLogger(__name__)

#: Seconds between two looks at whether there is something to report.
REPORT_EVERY = 5.0
#: After so long without anything to report the process says that it lives: well within `storage.presence.DEAD_AFTER`.
SIGN_OF_LIFE_EVERY = timedelta(seconds=20)
#: Readers of each kind (come, gone, elsewhere) in one transaction: a wave of them holds neither the event loop nor SQLite's one
#: writer for long.
ROWS_A_WRITE = 500
#: Seconds that the database is given for one write, and on the way out for the last one.
WRITE_WITHIN, WITHDRAW_WITHIN = 10.0, 2.0


@dataclass
class _Reported:
    """What the database has of this process; nothing before the first report, and after one whose outcome is unknown."""

    readers: set[Subscriber] = field(default_factory=set)
    #: Where those of them are that were behind.
    late: dict[Subscriber, str] = field(default_factory=dict)
    cursor: str = ""
    at: datetime | None = None


class PresenceReports:
    """The reports of one process, named `process`; `now` gives the moment, aware."""

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
        """Report for ever; ends only by cancellation."""
        logger.info("readers of the stream are reported", extra={"reported_as": self._process})
        while True:
            await asyncio.sleep(REPORT_EVERY)
            await self.report()

    async def report(self) -> None:
        """Write what differs from the last report, if anything does or it was long ago. A failure is noted, and made up for next time."""
        try:
            await self._report()
        except Exception as error:  # noqa: BLE001 - noted; a database that is away must not end the reports
            self._reported = _Reported()
            if not self._failing:
                note_fault(error)
            self._failing = True
        else:
            self._failing = False

    async def _report(self) -> None:
        readers = self._hub.connected()
        if not readers:
            if self._stored:
                await self._withdraw(WRITE_WITHIN)
            return
        now = self._seen(readers)
        if not self._differs(now):
            return
        self._stored = True
        if not await self._tell(now):
            # Taken for dead meanwhile, as after a long sleep of the machine: all is told anew.
            self._reported = _Reported()
            await self._tell(now)
        self._reported = now

    async def _tell(self, now: _Reported) -> bool:
        for part in self._parts(now):
            async with asyncio.timeout(WRITE_WITHIN):
                if not await self._database.write(presence.report, part):
                    return False
        return True

    def _seen(self, readers: set[Subscriber]) -> _Reported:
        window = self._hub.window
        late = {one: write_cursor(window.epoch, one.cursor) for one in self._hub.catching_up()}
        return _Reported(readers, late, window.cursor, to_millisecond(self._now()))

    def _differs(self, now: _Reported) -> bool:
        before = self._reported
        if before.at is None or now.at is None or now.at - before.at >= SIGN_OF_LIFE_EVERY:
            return True
        return (now.readers, now.late, now.cursor) != (before.readers, before.late, before.cursor)

    def _parts(self, now: _Reported) -> Iterator[PresenceReport]:
        """The difference as reports of bounded size, at least one."""
        before = self._reported
        assert now.at is not None
        came = list(now.readers - before.readers)
        gone = [one.number for one in before.readers - now.readers]
        elsewhere = (now.late.keys() | before.late.keys()) & (now.readers & before.readers)
        moved = [(one.number, now.late.get(one)) for one in elsewhere if now.late.get(one) != before.late.get(one)]
        for first in range(0, max(len(came), len(gone), len(moved), 1), ROWS_A_WRITE):
            part = slice(first, first + ROWS_A_WRITE)
            yield PresenceReport(
                process=self._process,
                at=now.at,
                cursor=now.cursor,
                came=[_reported(one, now.late.get(one)) for one in came[part]],
                gone=gone[part],
                moved=dict(moved[part]),
                whole=before.at is None and first == 0,
            )

    async def _withdraw(self, within: float) -> None:
        async with asyncio.timeout(within):
            await self._database.write(presence.withdraw, self._process)
        self._reported, self._stored = _Reported(), False

    async def end(self) -> None:
        """Delete what this process has reported, since it stops; where that fails, others see its readers until it counts as dead."""
        if self._stored:
            try:
                await self._withdraw(WITHDRAW_WITHIN)
            except Exception as error:  # noqa: BLE001 - noted; a database that is away must not hold up the stop
                note_fault(error)


def _reported(one: Subscriber, cursor: str | None) -> ReportedReader:
    who = one.reader
    return ReportedReader(one.number, who.user, who.name, str(who.role), to_millisecond(one.since), cursor)


@asynccontextmanager
async def reporting(process: str, hub: Hub, database: Database, now: Callable[[], datetime]) -> AsyncIterator[None]:
    """Reports are written as long as this is open; leaving deletes what they told. Neither `hub` nor `database` is closed."""
    reports = PresenceReports(process, hub, database, now)
    task = asyncio.create_task(reports.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await reports.end()

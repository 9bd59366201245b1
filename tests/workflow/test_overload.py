"""Many visits that have something to do at the same moment, on a machine that is too slow for them or with a ledger that hangs."""

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from temporalio.api.enums.v1 import TimeoutType
from temporalio.api.history.v1 import WorkflowTaskTimedOutEventAttributes
from temporalio.testing import WorkflowEnvironment

from patient_visit_engine.activities import ledger as ledger_activities
from patient_visit_engine.visit.calendar import HospitalCalendar
from patient_visit_engine.visit.facts import Facts
from patient_visit_engine.visit.names import visit_id
from patient_visit_engine.visit.record import LedgerEntry, LedgerReply
from patient_visit_engine.visit.state import Limits
from patient_visit_engine.worker.builder import build
from patient_visit_engine.worker.visit_places import CACHED_AT_A_TIME, REBUILT_AT_A_TIME
from patient_visit_engine.workflows.visit_client import VisitClient
from tests.support.waiting import wait_until_async

CALENDAR = HospitalCalendar(ZoneInfo("UTC"))
VISITS = 120
#: Seconds of processor time of each call. For all visits together it is twice the time limit of a workflow task.
BUSY = 0.08


class BusyLedger:
    """A ledger without patients, whose calls keep the only processor busy."""

    def __init__(self) -> None:
        self.loads = 0

    async def load(self, _patient_id: int) -> Facts:
        # Stands for computing: other tasks of the process do not run.
        time.sleep(BUSY)  # noqa: ASYNC251
        self.loads += 1
        return Facts()

    async def record(self, entry: LedgerEntry) -> LedgerReply:
        raise NotImplementedError


class HangingLedger:
    """A ledger without patients, in which someone has locked the rows of some of them for ever."""

    def __init__(self, locked: set[int]) -> None:
        self.locked = locked
        self.waiting: set[int] = set()
        self.read: set[int] = set()

    async def load(self, patient_id: int) -> Facts:
        if patient_id in self.locked:
            self.waiting.add(patient_id)
            await asyncio.Event().wait()
        self.read.add(patient_id)
        return Facts()

    async def record(self, entry: LedgerEntry) -> LedgerReply:
        raise NotImplementedError


class GatheringLedger:
    """A ledger without patients. Its calls wait while it is closed."""

    def __init__(self) -> None:
        self.seen: set[int] = set()
        self.waiting: set[int] = set()
        self.opened = asyncio.Event()
        self.opened.set()

    async def load(self, patient_id: int) -> Facts:
        self.seen.add(patient_id)
        if not self.opened.is_set():
            self.waiting.add(patient_id)
            await self.opened.wait()
        return Facts()

    async def record(self, entry: LedgerEntry) -> LedgerReply:
        raise NotImplementedError


def visit_client(server: WorkflowEnvironment, task_queue: str) -> VisitClient:
    return VisitClient(server.client, task_queue, CALENDAR, Limits(), lambda: datetime.now(UTC))


async def test_hanging_visits_do_not_stop_the_others(
    temporal_server: WorkflowEnvironment, patients: Iterator[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_activities, "LONGEST_CALL_SECONDS", 0.5)
    ledger = HangingLedger({next(patients) for _ in range(REBUILT_AT_A_TIME)})
    client, today, free = visit_client(temporal_server, "hanging"), CALENDAR.day_of(datetime.now(UTC)), next(patients)

    async with build(temporal_server.client, "hanging", ledger):
        await asyncio.gather(*(client.open(patient, today) for patient in ledger.locked))
        await wait_until_async(lambda: ledger.waiting == ledger.locked, "each place of the worker is taken")
        await client.open(free, today)
        await wait_until_async(lambda: free in ledger.read, "the other visit has read its facts")


async def test_visits_in_memory_are_decided_at_the_same_time(
    temporal_server: WorkflowEnvironment, patients: Iterator[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With fewer places the messages of a rush wait so long that Temporal has their visits rebuilt."""
    monkeypatch.setattr(ledger_activities, "LONGEST_CALL_SECONDS", 60.0)
    ledger, client, today = GatheringLedger(), visit_client(temporal_server, "rush"), CALENDAR.day_of(datetime.now(UTC))
    visits = {next(patients) for _ in range(CACHED_AT_A_TIME)}

    async with build(temporal_server.client, "rush", ledger):
        await asyncio.gather(*(client.open(patient, today) for patient in visits))
        await wait_until_async(lambda: ledger.seen == visits, "the worker has the visits in memory")
        ledger.opened.clear()
        rush = asyncio.gather(*(client.serve_line(patient, today) for patient in visits))
        try:
            await wait_until_async(lambda: ledger.waiting == visits, "the worker works on all of them")
        finally:
            ledger.opened.set()
        await rush


@pytest.mark.long
async def test_overloaded_worker_loses_no_workflow_task(
    temporal_server: WorkflowEnvironment, patients: Iterator[int]
) -> None:
    """A task that is lost is done again, which makes the overload worse, until no visit gets on."""
    ledger, client, today = BusyLedger(), visit_client(temporal_server, "overload"), CALENDAR.day_of(datetime.now(UTC))
    visits = [next(patients) for _ in range(VISITS)]
    # The worker starts after them, so all tasks wait at the server at the same time.
    await asyncio.gather(*(client.open(patient, today) for patient in visits))

    async with build(temporal_server.client, "overload", ledger):
        await wait_until_async(lambda: ledger.loads >= VISITS, "all visits have read their facts", 120)
        assert (await lost_tasks(temporal_server, visits, today), ledger.loads) == ([], VISITS)
        # Now the worker has them in memory. A visit that waits too long for that is given to another worker, which is no loss.
        await asyncio.gather(*(client.serve_line(patient, today) for patient in visits))
        await wait_until_async(lambda: ledger.loads >= 2 * VISITS, "all visits have read their facts again", 120)

    assert await lost_tasks(temporal_server, visits, today) == []


async def lost_tasks(
    server: WorkflowEnvironment, visits: list[int], day: date
) -> list[WorkflowTaskTimedOutEventAttributes]:
    """The workflow tasks that took longer than their time limit."""
    histories = [await server.client.get_workflow_handle(visit_id(patient, day)).fetch_history() for patient in visits]
    ended = [event.workflow_task_timed_out_event_attributes for history in histories for event in history.events]
    return [end for end in ended if end.timeout_type == TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE]

"""Many visits that have something to do at the same moment, on a machine that is too slow for them."""

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.testing import WorkflowEnvironment

from patient_visit_engine.visit.calendar import HospitalCalendar
from patient_visit_engine.visit.names import visit_id
from patient_visit_engine.visit.record import LedgerEntry, LedgerReply
from patient_visit_engine.visit.state import Facts, Limits
from patient_visit_engine.worker.builder import build
from patient_visit_engine.workflows.visit_client import VisitClient
from tests.support.waiting import wait_until_async

TASK_QUEUE = "overload"
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


@pytest.mark.long
async def test_overloaded_worker_loses_no_workflow_task(
    temporal_server: WorkflowEnvironment, patients: Iterator[int]
) -> None:
    """A task that is lost is done again, which makes the overload worse, until no visit gets on."""
    ledger, calendar = BusyLedger(), HospitalCalendar(ZoneInfo("UTC"))
    client = VisitClient(temporal_server.client, TASK_QUEUE, calendar, Limits(), lambda: datetime.now(UTC))
    today = calendar.day_of(datetime.now(UTC))
    visits = [next(patients) for _ in range(VISITS)]
    # The worker starts after them, so all tasks wait at the server at the same time.
    await asyncio.gather(*(client.open(patient, today) for patient in visits))

    async with build(temporal_server.client, TASK_QUEUE, ledger):
        await wait_until_async(lambda: ledger.loads >= VISITS, "all visits have read their facts", 120)

    lost = []
    for patient in visits:
        history = await temporal_server.client.get_workflow_handle(visit_id(patient, today)).fetch_history()
        lost += [event for event in history.events if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT]
    assert (lost, ledger.loads) == ([], VISITS)

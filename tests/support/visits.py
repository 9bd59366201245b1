"""Sends commands to the visits of one patient, on a real Temporal server and a real database."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle, WorkflowHistory
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker, WorkflowRunner

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.ledger.recording import SqlLedger
from patient_visit_engine.visit.names import visit_id
from patient_visit_engine.visit.state import Limits, VisitState
from patient_visit_engine.worker.builder import CACHED_VISITS, build
from patient_visit_engine.worker.sweep import Sweep
from patient_visit_engine.workflows.patient_visit import PatientVisit
from patient_visit_engine.workflows.visit_client import VisitClient
from patient_visit_engine.workflows.visit_rescue import VisitRescue
from tests.support.faulty_ledgers import FaultyLedger
from tests.support.visit_commands import VisitCommands
from tests.support.visit_rows import insert_patient
from tests.support.waiting import wait_until_async


def visits_in_memory(*counts: int) -> object:
    """A fixture with how many visits the worker keeps in memory. With 0 it rebuilds the visit from its history for every message."""

    @pytest.fixture(params=counts, ids=lambda count: "cached" if count else "uncached")
    def cached_visits(request: pytest.FixtureRequest) -> int:
        """How many visits the worker keeps in memory."""
        count: int = request.param
        return count

    return cached_visits


class VisitDriver(VisitCommands):
    """One patient with an appointment with each of 42 doctors, a worker, and the patient's visits."""

    def __init__(self, environment: WorkflowEnvironment, database: Database, patient: int) -> None:
        super().__init__(database, patient)
        self.environment = environment
        self.ledger = FaultyLedger(SqlLedger(database))
        self.set_limits(Limits())
        #: How far the clock of the client is ahead, for visits whose time was skipped.
        self.clock_ahead = timedelta(0)
        self._worker: Worker | None = None
        self._worker_task: asyncio.Task[None] | None = None

    # -- set-up

    def set_limits(self, limits: Limits) -> None:
        """Use these limits, and the current `calendar`, for visits that are opened from now on."""
        self.limits = limits
        self.client = VisitClient(
            self.environment.client,
            self._task_queue,
            self.calendar,
            limits,
            lambda: datetime.now(UTC) + self.clock_ahead,
        )
        self.visit_rescue = VisitRescue(self.environment.client, self.client, self._task_queue)

    @property
    def _task_queue(self) -> str:
        return f"visits-{self.patient}"

    async def insert_patient(self) -> None:
        """Write the patient, the doctors and the appointments into the empty database."""
        await self.database.write(insert_patient, self.patient)

    async def start_worker(self, *, cached: int = CACHED_VISITS, runner: WorkflowRunner | None = None) -> None:
        """Start a worker that keeps at most `cached` visits in memory."""
        self._worker = build(
            self.environment.client,
            self._task_queue,
            self.ledger,
            max_cached_workflows=cached,
            workflow_runner=runner,
        )
        self._worker_task = asyncio.create_task(self._worker.run())

    async def stop_worker(self) -> None:
        """Stop the worker, if there is one."""
        if self._worker is not None and self._worker_task is not None:
            await self._worker.shutdown()
            await self._worker_task
        self._worker = self._worker_task = None

    async def sweep(self, now: datetime) -> None:
        """Run the worker's sweep once, as it would run at `now`."""
        sweep = Sweep(
            self.database,
            self.client,
            self.visit_rescue,
            calendar=self.calendar,
            every=timedelta(minutes=1),
            offers_expire=bool(self.limits.offer),
            retention=timedelta(days=7),
            now=lambda: now,
        )
        await sweep.run_round()

    # -- workflows

    def workflow(self, day: date | None = None) -> WorkflowHandle[Any, Any]:
        """The workflow of the day's visit, in its latest run."""
        return self.environment.client.get_workflow_handle(visit_id(self.patient, day or self.today))

    async def snapshot(self, day: date | None = None) -> VisitState:
        """The state of the visit in its workflow."""
        return await self.workflow(day).query(PatientVisit.snapshot)

    async def histories(self, day: date | None = None) -> list[WorkflowHistory]:
        """The histories of all runs of the day's visit, the first run first."""
        histories: list[WorkflowHistory] = []
        run_id: str | None = None
        while run_id != "":
            handle = self.environment.client.get_workflow_handle(self.workflow(day).id, run_id=run_id)
            histories.insert(0, await handle.fetch_history())
            run_id = histories[0].events[0].workflow_execution_started_event_attributes.continued_execution_run_id
        return histories

    async def has_failed_call(self) -> bool:
        """Whether the visit has given up a call to the ledger: its history has the failure of a local activity."""
        markers = [
            event.marker_recorded_event_attributes
            for event in (await self.workflow().fetch_history()).events
            if event.HasField("marker_recorded_event_attributes")
        ]
        return any(marker.HasField("failure") for marker in markers)

    # -- time

    async def now(self, day: date | None = None) -> datetime:
        """The current moment of the day's visit, which time skipping can move into the future."""
        return await self.environment.get_current_time(self.workflow(day))

    async def skip_time(self, *, until: datetime, day: date | None = None) -> None:
        """Skip the visit's time to `until`. All timers that are due before then have fired."""
        await self.environment.fast_forward(self.workflow(day), until - await self.now(day))

    async def wait_until_closed(self, day: date) -> None:
        """Wait until the workflow of that day has ended."""

        async def is_closed() -> bool:
            return (await self.workflow(day).describe()).status is WorkflowExecutionStatus.COMPLETED

        await wait_until_async(is_closed, f"the visit of {day} is closed")

    async def wait_until_blocked(self) -> None:
        """Wait until a call is blocked in the faulty ledger."""
        await wait_until_async(lambda: self.ledger.waiting > 0, "a call that is blocked in the ledger")

"""Visits in each state that an operator searches for in Temporal's UI, on a real Temporal server."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from zoneinfo import ZoneInfo

from sqlalchemy import update
from temporalio import workflow
from temporalio.client import Client, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.tables import patient_trackings
from patient_visit_engine.visit.calendar import HospitalCalendar
from patient_visit_engine.visit.names import WORKFLOW_TYPE
from patient_visit_engine.visit.patient_commands import Adopt
from tests.support.visits import VisitDriver
from tests.support.waiting import wait_until_async

DR_1, DR_2, DR_3, DR_4 = range(1, 5)
#: The patient of each visit.
HELD, AWAITED, LONG, RESERVED, FREE, STUCK, ENDED = range(11, 18)
#: How long the consultation of the patient `LONG` is open.
LONG_OPEN = timedelta(hours=3)
#: Seconds after which the caller of the stuck visit gives up. The API waits longer.
GIVES_UP_AFTER = 5.0


@workflow.defn(name=WORKFLOW_TYPE)
class VisitOfOtherCode:
    """A visit whose code does not fit the history of any visit."""

    @workflow.run
    async def run(self, _opening: Any) -> None:
        """Wait for nothing that the history has."""
        await workflow.sleep(timedelta(hours=1))


async def hold(visits: VisitDriver) -> None:
    """Doctor 3 has the patient."""
    await visits.start(DR_3)


async def await_patient(visits: VisitDriver) -> None:
    """Doctor 1 has the patient, and doctor 3 waits."""
    await visits.start(DR_1)
    await visits.wait(DR_3)


async def hold_long(visits: VisitDriver) -> None:
    """Doctor 2 has the patient, for hours. Only the start is moved into the past."""
    await visits.start(DR_2)
    started_at = datetime.now(UTC) - LONG_OPEN
    await visits.database.write(
        lambda connection: connection.execute(update(patient_trackings).values(started_at=started_at))
    )
    await visits.client.update(visits.patient, visits.today, Adopt())


async def reserve(visits: VisitDriver) -> None:
    """The patient is reserved for doctor 4, who waited."""
    started = await visits.start(DR_1)
    await visits.wait(DR_4)
    await visits.complete(started)


async def leave_free(visits: VisitDriver) -> None:
    """The patient is only checked in."""
    await visits.check_in(DR_4)


async def end(visits: VisitDriver) -> None:
    """Doctor 3 has the patient, and someone has ended the workflow."""
    await visits.start(DR_3)
    await wait_for_attribute(visits, "VisitState = 'in_consultation'")
    await visits.workflow().terminate()


SCENE: dict[int, Callable[[VisitDriver], Awaitable[None]]] = {
    HELD: hold,
    AWAITED: await_patient,
    LONG: hold_long,
    RESERVED: reserve,
    FREE: leave_free,
    STUCK: leave_free,
    ENDED: end,
}


class RealTimeVisits(VisitDriver):
    """The visits of one patient on a server that skips no time."""

    def __init__(self, client: Client, database: Database, patient: int, zone: ZoneInfo | None) -> None:
        super().__init__(cast(WorkflowEnvironment, SimpleNamespace(client=client)), database, patient)
        if zone is not None:
            self.calendar = HospitalCalendar(zone)
            self.set_limits(self.limits)
            self.today = self.calendar.day_of(datetime.now(UTC))


async def wait_for_attribute(visits: VisitDriver, condition: str) -> None:
    """Wait until Temporal finds the patient's visit with this condition."""
    client = visits.environment.client

    async def is_found() -> bool:
        return bool((await client.count_workflows(f"PatientId = {visits.patient} AND {condition}")).count)

    await wait_until_async(is_found, f"the visit of {visits.patient} has {condition}")


@asynccontextmanager
async def open_scene(
    client: Client, migrated_file: Path, folder: Path, zone: ZoneInfo | None = None
) -> AsyncIterator[dict[int, str]]:
    """Perform the scene. Gives the workflow id of each visit. Afterwards the workers stop.

    `migrated_file` is an empty SQLite database, which is copied for each patient.
    """
    async with AsyncExitStack() as stack:
        visits_of: dict[int, VisitDriver] = {}
        for patient in SCENE:
            path = folder / f"{patient}.db"
            shutil.copyfile(migrated_file, path)
            database = Database(f"sqlite+aiosqlite:///{path}")
            stack.push_async_callback(database.close)
            visits = visits_of[patient] = RealTimeVisits(client, database, patient, zone)
            await visits.insert_patient()
            await visits.start_worker()
            stack.push_async_callback(visits.stop_worker)
        for patient, perform in SCENE.items():
            await perform(visits_of[patient])
        await break_code(visits_of[STUCK], stack)
        await wait_for_attribute(visits_of[AWAITED], "WaitingCount > 0")
        await wait_for_attribute(visits_of[RESERVED], "VisitState = 'reserved'")
        await wait_for_attribute(
            visits_of[LONG], f"ConsultationOpenSince < '{datetime.now(UTC) - LONG_OPEN / 2:%FT%TZ}'"
        )
        await wait_for_attribute(visits_of[STUCK], "TemporalReportedProblems IS NOT NULL")
        yield {patient: visits.workflow().id for patient, visits in visits_of.items()}


async def break_code(visits: VisitDriver, stack: AsyncExitStack) -> None:
    """Continue the visit with a worker whose code does not fit, and send it an update, which gets no answer."""
    await visits.stop_worker()
    client = visits.environment.client
    worker = Worker(
        client,
        task_queue=visits._task_queue,
        workflows=[VisitOfOtherCode],
        workflow_runner=UnsandboxedWorkflowRunner(),
        max_cached_workflows=0,
    )
    await stack.enter_async_context(worker)
    with suppress(TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError):
        async with asyncio.timeout(GIVES_UP_AFTER):
            await visits.check_in(DR_1)

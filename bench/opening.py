"""Opens visits ahead of their appointments, before the calls are timed."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from math import inf

from temporalio.client import Client

from bench.plan import Plan
from bench.workload import WrongAnswerError
from patient_visit_engine.runtime import temporal
from patient_visit_engine.runtime.settings import Settings
from patient_visit_engine.storage.database import Database
from patient_visit_engine.visit.names import visit_id
from patient_visit_engine.worker.opening_ahead import VisitOpener
from patient_visit_engine.worker.opening_choice import OpeningChoice, OpeningLimits
from patient_visit_engine.workflows.visit_client import VisitClient

#: A visit that was opened ahead and waits for its first message has so many events.
EVENTS_OF_AN_OPENING = 6
OPENING_TIMEOUT = 60.0


async def open_visits_ahead(
    settings: Settings, plan: Plan, cpu_seconds: Callable[[], dict[str, float]]
) -> dict[str, float]:
    """Open the visits of the plan that are opened ahead. Returns the CPU seconds of one opening, by process.

    The worker's own code chooses and opens the visits, in this process. It runs without the worker's limits, which would take
    minutes, and without the check whether the machine is busy, because in a benchmark it is.
    """
    client = await temporal.connect(settings)
    database = Database(settings.effective_database_url)
    visit_client = VisitClient(client, settings.task_queue, settings.calendar, settings.limits, _now)
    count = len(plan.opened_ahead())
    choice = OpeningChoice(settings.calendar, settings.open_ahead, OpeningLimits(count, count, slow_seconds=inf))
    opener = VisitOpener(database, visit_client, choice, now=_now, is_busy=lambda: False)
    before = cpu_seconds() | {"opener": time.process_time()}
    try:
        async with asyncio.timeout(OPENING_TIMEOUT):
            opened = 0
            while opened < count:
                opened_now = await opener.run_step()
                if not opened_now:
                    raise WrongAnswerError(f"{opened} of {count} visits could be opened ahead")
                opened += opened_now
            for appointment in plan.opened_ahead():
                await _wait_until_idle(client, visit_id(appointment.patient_id, settings.calendar.day_of(_now())))
    finally:
        await database.close()
    after = cpu_seconds() | {"opener": time.process_time()}
    return {name: (seconds - before[name]) / count for name, seconds in after.items()}


async def _wait_until_idle(client: Client, workflow_id: str) -> None:
    visit = client.get_workflow_handle(workflow_id)
    while (await visit.describe()).history_length < EVENTS_OF_AN_OPENING:  # noqa: ASYNC110 - another process opens it
        await asyncio.sleep(0.02)


def _now() -> datetime:
    return datetime.now(UTC)

"""Visits that the worker opens shortly before their appointments, on a real Temporal server."""

import asyncio
import signal
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import (
    Client,
    Interceptor,
    OutboundInterceptor,
    StartWorkflowInput,
    WorkflowExecutionStatus,
    WorkflowHandle,
)
from temporalio.service import RPCError

from patient_visit_engine.runtime.settings import Settings
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.upkeep.audit import audit
from patient_visit_engine.visit.carry_over import CARRY_OVER_WITHIN
from patient_visit_engine.worker import __main__ as worker
from patient_visit_engine.worker import opening_ahead
from patient_visit_engine.worker.builder import CACHED_VISITS
from patient_visit_engine.worker.opening_ahead import VisitOpener
from patient_visit_engine.worker.opening_choice import OpeningChoice
from patient_visit_engine.workflows.visit_client import VisitClient
from tests.support.builders import minutes, move_appointments
from tests.support.displayed_visits import events_of, summaries_of_timers
from tests.support.visit_rows import A_DAY, DR_AMRANI, DR_BENNIS
from tests.support.visits import VisitDriver
from tests.support.waiting import wait_until_async

AHEAD = minutes(15)
#: What an opening adds to a history, and the documentation says: the start, a workflow task, the facts, the timer of the day's end.
EVENTS_OF_AN_OPENING = 6
#: With the end of the day, and of the visit some minutes later.
EVENTS_OF_A_DAY_WITHOUT_MESSAGE = EVENTS_OF_AN_OPENING + 10
#: The most bytes of these events. They are 1,640 for a patient without anything open.
BYTES_OF_AN_OPENING = 1_800
#: The test's server adds these to the history when it skips time.
EVENTS_OF_SKIPPED_TIME = (
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_OPTIONS_UPDATED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIME_SKIPPING_TRANSITIONED,
)
MARKER = EventType.EVENT_TYPE_MARKER_RECORDED
TASK_STARTED = EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED


class CountedCalls(Interceptor, OutboundInterceptor):
    """Counts the calls of a client that start a workflow."""

    def __init__(self) -> None:
        self.starts = 0

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002
        OutboundInterceptor.__init__(self, next)
        return self

    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:  # noqa: A002
        self.starts += 1
        return await super().start_workflow(input)


@pytest.fixture
def database(on_sqlite: Database) -> Database:
    """A fresh database. Its kind makes no difference here."""
    return on_sqlite


@pytest.fixture
def cached_visits() -> int:
    """A worker that keeps visits in memory, as in production."""
    return CACHED_VISITS


def an_opener(visits: VisitDriver, visit_client: VisitClient | None = None) -> VisitOpener:
    """The opener of one worker, on a machine that is not busy."""
    choice = OpeningChoice(visits.calendar, AHEAD)
    client = visit_client or visits.client
    return VisitOpener(visits.database, client, choice, now=lambda: datetime.now(UTC), is_busy=lambda: False)


async def is_open(visits: VisitDriver) -> bool:
    """Whether a visit of today is open."""
    try:
        return (await visits.workflow().describe()).status is WorkflowExecutionStatus.RUNNING
    except RPCError:
        return False


async def has_set_timer(visits: VisitDriver) -> bool:
    """Whether the visit has read its facts and waits."""
    return bool(summaries_of_timers(await events_of(visits)))


async def open_ahead(visits: VisitDriver) -> None:
    """A worker opens the visit, and the visit waits for its first message."""
    assert await an_opener(visits).run_step() == 1
    await wait_until_async(lambda: has_set_timer(visits), "the visit waits")


async def count_markers(visits: VisitDriver) -> int:
    """How many calls to the ledger the visit has made."""
    return [event.event_type for event in await events_of(visits)].count(MARKER)


@pytest.mark.parametrize(
    ("distance", "is_opened"), [(minutes(10), True), (timedelta(hours=3), False)], ids=["near", "far"]
)
async def test_opens_visit_shortly_before_appointment(
    visits: VisitDriver, distance: timedelta, is_opened: bool
) -> None:
    await visits.database.write(move_appointments, datetime.now(UTC) + distance)

    await an_opener(visits).run_step()

    assert await is_open(visits) == is_opened


async def test_opening_costs_what_the_documentation_says(visits: VisitDriver) -> None:
    await open_ahead(visits)

    events = await events_of(visits)
    assert len(events) == EVENTS_OF_AN_OPENING
    assert [event.event_type for event in events].count(TASK_STARTED) == 1
    assert sum(event.ByteSize() for event in events) <= BYTES_OF_AN_OPENING
    assert summaries_of_timers(events) == ["end of the hospital day"]


async def test_second_worker_costs_one_call_and_no_event(visits: VisitDriver) -> None:
    await open_ahead(visits)
    calls = CountedCalls()
    options = visits.environment.client.config()
    options["interceptors"] = [calls]
    counted = Client(**options)
    client = VisitClient(counted, visits._task_queue, visits.calendar, visits.limits, now=lambda: datetime.now(UTC))
    second_worker = an_opener(visits, client)

    opened = [await second_worker.run_step(), await second_worker.run_step()]

    assert opened == [1, 0]
    assert calls.starts == 1
    assert len(await events_of(visits)) == EVENTS_OF_AN_OPENING


async def test_opening_does_not_disturb_an_open_visit(visits: VisitDriver) -> None:
    started = await visits.start(DR_AMRANI)
    before = await events_of(visits)

    await visits.client.open(visits.patient, visits.today)
    after = await events_of(visits)
    completed = await visits.complete(started)

    assert after == before
    assert completed.status == 200


async def test_start_and_openings_at_the_same_moment_share_a_visit(visits: VisitDriver) -> None:
    openings = [visits.client.open(visits.patient, visits.today) for _ in range(4)]

    first, second, *_ = await asyncio.gather(visits.start(DR_AMRANI), visits.start(DR_BENNIS), *openings)

    assert sorted((first.status, second.status)) == [201, 409]
    assert len(await visits.histories()) == 1
    assert (await visits.database.read(audit)).violations == []


async def test_check_in_has_opened_the_visit(visits: VisitDriver) -> None:
    await visits.check_in(DR_AMRANI)

    assert await is_open(visits)
    assert await an_opener(visits).run_step() == 0


async def test_first_start_waits_for_one_workflow_task(visits: VisitDriver) -> None:
    await open_ahead(visits)

    started = await visits.start(DR_AMRANI)
    refused = await visits.start(DR_BENNIS)

    events = await events_of(visits)
    first_start = [event.event_type for event in events[EVENTS_OF_AN_OPENING:]]
    assert (started.status, refused.status) == (201, 409)
    # One task and one call to the ledger for each of the two starts: no decision was overtaken.
    assert (first_start.count(TASK_STARTED), first_start.count(MARKER)) == (2, 2)


async def test_opened_visit_is_not_overtaken(visits: VisitDriver) -> None:
    await visits.start(DR_AMRANI)
    await visits.workflow().terminate()
    await visits.client.open(visits.patient, visits.today)
    await wait_until_async(lambda: has_set_timer(visits), "the visit has read the consultation")
    before = await count_markers(visits)

    refused = await visits.start(DR_BENNIS)

    assert refused.body["active_doctor_id"] == DR_AMRANI
    assert await count_markers(visits) == before + 1


async def test_opened_visit_ends_with_its_day(visits: VisitDriver) -> None:
    await open_ahead(visits)
    day_end = visits.calendar.ends_at(visits.today)

    await visits.skip_time(until=day_end + CARRY_OVER_WITHIN)
    await visits.wait_until_closed(visits.today)

    events = [event for event in await events_of(visits) if event.event_type not in EVENTS_OF_SKIPPED_TIME]
    assert len(events) == EVENTS_OF_A_DAY_WITHOUT_MESSAGE
    assert await visits.events() == []
    assert (await visits.database.read(audit)).violations == []


async def test_appointment_that_moves_to_tomorrow_does_no_harm(visits: VisitDriver) -> None:
    await open_ahead(visits)
    await visits.database.write(move_appointments, datetime.now(UTC) + A_DAY)

    refused = await visits.start(DR_AMRANI)

    assert refused.body["code"] == "appointment_not_today"


async def test_worker_runs_the_opener(
    visits_without_worker: VisitDriver, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    visits = visits_without_worker
    monkeypatch.setattr(opening_ahead, "STEP_EVERY_SECONDS", 0.1)
    monkeypatch.setattr("os.getloadavg", lambda: (0.0, 0.0, 0.0))
    settings = Settings(
        _env_file=None,
        database_url=database.url.render_as_string(hide_password=False),
        temporal_address=visits.environment.client.service_client.config.target_host,
        task_queue=visits._task_queue,
        timezone=visits.calendar.zone.key,
    )

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(worker._run(settings))
        await wait_until_async(lambda: is_open(visits), "the worker has opened the visit")
        signal.raise_signal(signal.SIGTERM)

    assert await is_open(visits)

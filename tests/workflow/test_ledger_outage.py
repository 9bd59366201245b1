"""During a long outage of the ledger a visit writes little history, and goes on immediately when the ledger is back."""

from datetime import timedelta

import pytest
from temporalio.client import WorkflowUpdateFailedError

from patient_visit_engine.visit.state import Limits
from patient_visit_engine.workflows.ledger_calls import RETRIES
from tests.support.refused_events import accept_events, refuse_events
from tests.support.visit_rows import DR_AMRANI, DR_BENNIS, DR_CHRAIBI
from tests.support.visits import VisitDriver
from tests.support.waiting import wait_until_async

A_SECOND = timedelta(seconds=1)
TEN_MINUTES = timedelta(minutes=10)
#: Each attempt adds six events: a timer that fires, a workflow task, a failed call and a new timer. Some 13 attempts are made, and
#: the first one is retried for nine seconds, with three events every four seconds. Without longer pauses it would be hundreds.
EVENTS_OF_TEN_MINUTES = 150
MOST_CALLS = 30
FOR_EVER = 1_000_000

# The faults are in front of the database, so its kind does not matter here.
pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


async def _count_events(visits: VisitDriver) -> int:
    """The events of all runs of the visit, without those of the test server, which notes each skip of time."""
    return sum(
        not event.HasField("workflow_execution_time_skipping_transitioned_event_attributes")
        for history in await visits.histories()
        for event in history.events
    )


async def _fail_to_load(visits: VisitDriver) -> None:
    """Make the ledger fail, and the visit read the facts again. Returns when the visit has failed."""
    visits.ledger.failures = FOR_EVER
    await visits.workflow().signal("patient_freed")
    await wait_until_async(lambda: visits.ledger.failed > 0, "the visit has called the ledger")


async def test_outage_adds_few_events(visits: VisitDriver) -> None:
    await visits.check_in(DR_BENNIS)
    before = await _count_events(visits)
    await _fail_to_load(visits)

    await visits.skip_time(until=await visits.now() + TEN_MINUTES)

    assert await _count_events(visits) - before < EVENTS_OF_TEN_MINUTES
    assert visits.ledger.failed < MOST_CALLS


async def _offer_to_bennis(visits: VisitDriver) -> None:
    """Open a visit in which an offer ends soon."""
    visits.set_limits(Limits(offer=4 * A_SECOND))
    started = await visits.start(DR_AMRANI)
    await visits.wait(DR_BENNIS)
    await visits.complete(started)


@pytest.mark.usefixtures("short_first_retries")
async def test_read_only_ledger_adds_few_events(visits: VisitDriver) -> None:
    await _offer_to_bennis(visits)
    before = await _count_events(visits)
    visits.ledger.read_only = True
    await wait_until_async(lambda: visits.ledger.failed > 0, "the end of the offer cannot be recorded")

    await visits.skip_time(until=await visits.now() + TEN_MINUTES)

    assert await _count_events(visits) - before < EVENTS_OF_TEN_MINUTES
    assert len((await visits.facts()).waiting) == 1


@pytest.mark.usefixtures("short_first_retries")
async def test_read_only_ledger_is_retried_for_one_command(visits: VisitDriver) -> None:
    await visits.check_in(DR_BENNIS)
    visits.ledger.read_only = True
    with pytest.raises(WorkflowUpdateFailedError):
        await visits.check_in(DR_CHRAIBI)
    first = visits.ledger.failed

    for _ in range(3):
        with pytest.raises(WorkflowUpdateFailedError):
            await visits.check_in(DR_CHRAIBI)

    # The client sends each of them twice, and the visit reads the facts in between.
    assert first > RETRIES.maximum_attempts
    assert visits.ledger.failed - first == 6


@pytest.mark.usefixtures("short_first_retries")
async def test_rejected_decision_is_no_outage(visits: VisitDriver) -> None:
    await visits.check_in(DR_BENNIS)
    await visits.database.write(refuse_events)
    with pytest.raises(WorkflowUpdateFailedError):
        await visits.start(DR_AMRANI)
    await visits.database.write(accept_events)
    visits.ledger.failures = 3

    started = await visits.start(DR_AMRANI)

    # The first call after a rejection is retried, as at any other time.
    assert started.status == 201
    assert visits.ledger.failures == 0


@pytest.mark.usefixtures("endless_ledger_pauses")
async def test_message_wakes_visit_that_pauses(visits: VisitDriver) -> None:
    await _offer_to_bennis(visits)
    offered = (await visits.facts()).waiting
    visits.ledger.read_only = True
    await wait_until_async(visits.has_failed_call, "the visit pauses")
    visits.ledger.read_only = False

    checked_in = await visits.check_in(DR_CHRAIBI)

    async def offer_has_ended() -> bool:
        return (await visits.facts()).waiting != offered

    await wait_until_async(offer_has_ended, "the end of the offer is recorded")
    assert checked_in.status == 201


@pytest.mark.usefixtures("endless_ledger_pauses")
async def test_commands_are_decided_when_ledger_is_back(visits: VisitDriver) -> None:
    await visits.check_in(DR_BENNIS)
    await _fail_to_load(visits)
    start = await visits.start_command(DR_AMRANI)
    for _ in range(2):
        with pytest.raises(WorkflowUpdateFailedError):
            await visits.send(start)
    visits.ledger.failures = 0

    started = await visits.send(start)
    completed = await visits.complete(started)

    assert (started.status, completed.status) == (201, 200)
    assert (await visits.snapshot()).facts == await visits.facts()


@pytest.mark.usefixtures("short_ledger_retries")
async def test_visit_continues_as_new_without_ledger(visits: VisitDriver) -> None:
    visits.set_limits(Limits(messages_per_run=3))
    running = await visits.start(DR_AMRANI)
    await _fail_to_load(visits)
    for _ in range(3):
        with pytest.raises(WorkflowUpdateFailedError):
            await visits.check_in(DR_BENNIS)

    await wait_until_async(lambda: _has_more_runs(visits), "a new run")
    during_outage = await visits.snapshot()
    visits.ledger.failures = 0
    completed = await visits.complete(running)

    assert [consultation.id for consultation in during_outage.facts.in_progress] == [running.body["id"]]
    assert completed.status == 200
    assert (await visits.snapshot()).facts == await visits.facts()


async def _has_more_runs(visits: VisitDriver) -> bool:
    return len(await visits.histories()) > 1

"""The ledger fails, recovers, or loses its answers. Every command is decided exactly once in the end."""

import asyncio
from datetime import timedelta

import pytest
from temporalio.client import WorkflowUpdateFailedError

from patient_visit_engine.storage.requests import open_request
from patient_visit_engine.visit.facts import Consultation
from patient_visit_engine.visit.state import Limits
from tests.support.visit_rows import DR_AMRANI, DR_BENNIS
from tests.support.visits import VisitDriver
from tests.support.waiting import wait_until_async

A_SECOND = timedelta(seconds=1)


async def test_start_is_decided_once_after_failures(visits: VisitDriver) -> None:
    visits.ledger.failures = 3

    started = await visits.start(DR_AMRANI)

    assert started.status == 201
    assert len(await visits.trackings()) == len(await visits.events()) == 1


async def test_waiting_starts_are_decided_after_outage(visits: VisitDriver) -> None:
    visits.ledger.block()
    starts = [asyncio.create_task(visits.start(doctor)) for doctor in (DR_AMRANI, DR_BENNIS)]
    await visits.wait_until_blocked()

    visits.ledger.unblock()
    answers = await asyncio.gather(*starts)

    assert sorted(answer.status for answer in answers) == [201, 409]
    assert sorted(event.name for event in await visits.events()) == ["consultation.blocked", "consultation.started"]


async def test_lost_answer_does_not_repeat_the_commit(visits: VisitDriver) -> None:
    visits.ledger.lost_answers = 1
    started = await visits.start(DR_AMRANI)
    visits.ledger.lost_answers = 2
    await visits.start(DR_BENNIS, wait=True)
    visits.ledger.lost_answers = 1
    completed = await visits.complete(started)

    names = [event.name for event in await visits.events() if event.name != "patient.updated"]
    assert (started.status, completed.status) == (201, 200)
    assert names == [
        "consultation.started",
        "consultation.blocked",
        "consultation.completed",
        "consultation.available",
    ]
    assert (await visits.snapshot()).facts == await visits.facts()


async def test_lost_answer_does_not_repeat_the_timer(visits: VisitDriver) -> None:
    visits.set_limits(Limits(offer=2 * A_SECOND))
    started = await visits.start(DR_AMRANI)
    await visits.wait(DR_BENNIS)
    await visits.complete(started)
    visits.ledger.lost_answers = 2

    await wait_until_async(lambda: visits.ledger.lost_answers == 0, "no more answers to lose")
    await visits.check_in(DR_BENNIS)

    changes = [event.data.get("why") for event in await visits.events("patient.updated")]
    assert changes.count("moved_down") == 1


async def test_failed_start_is_decided_when_sent_again(visits: VisitDriver, short_ledger_retries: None) -> None:
    start = await visits.start_command(DR_AMRANI)
    visits.ledger.failures = 1_000
    with pytest.raises(WorkflowUpdateFailedError):
        await visits.send(start)
    visits.ledger.failures = 0

    started = await visits.send(start)

    assert started.status == 201
    assert len(await visits.trackings()) == 1


async def test_visit_reads_ledger_after_lost_answers(visits: VisitDriver, short_ledger_retries: None) -> None:
    await visits.check_in(DR_BENNIS)
    visits.ledger.lost_answers = 1_000
    with pytest.raises(WorkflowUpdateFailedError):
        await visits.start(DR_AMRANI)
    visits.ledger.lost_answers = 0

    running = await wait_until_async(lambda: _running_in_visit(visits), "the visit has the consultation")

    assert running == (await visits.facts()).in_progress


async def test_sweep_resends_signal_that_failed(visits: VisitDriver, short_ledger_retries: None) -> None:
    await visits.check_in(DR_BENNIS)
    start = await visits.start_command(DR_AMRANI)
    await visits.database.write(open_request, start.request, await visits.now(), command=start)
    visits.ledger.failures = 1_000
    await visits.send_signal(start)
    await wait_until_async(visits.has_failed_call, "the visit gives up")
    visits.ledger.failures = 0

    await visits.sweep(await visits.now() + timedelta(minutes=1))

    answer = await visits.answer(start.request)
    assert answer is not None
    assert answer.status == 201


async def test_timer_due_during_outage_fires_later(visits: VisitDriver, short_ledger_retries: None) -> None:
    visits.set_limits(Limits(offer=2 * A_SECOND))
    started = await visits.start(DR_AMRANI)
    await visits.wait(DR_BENNIS)
    await visits.complete(started)
    visits.ledger.failures = 1_000
    await wait_until_async(visits.has_failed_call, "the visit gives up")

    visits.ledger.failures = 0

    (ended,) = await visits.wait_for_events("waiting.ended")
    assert (ended.channel, ended.data["reason"]) == (f"doctor.{DR_BENNIS}", "missed")


async def _running_in_visit(visits: VisitDriver) -> tuple[Consultation, ...]:
    return (await visits.snapshot()).facts.in_progress

"""A start that waited too long in its visit has no effect, and its key can be used again."""

import asyncio
from datetime import datetime, timedelta
from functools import partial

import pytest
from temporalio.client import WorkflowUpdateFailedError

from patient_visit_engine.storage.requests import open_request
from patient_visit_engine.visit.consultation_commands import StartConsultation
from tests.support.clocks import clock_has_passed, read_clock
from tests.support.commands import stamped
from tests.support.visit_rows import DR_AMRANI, DR_BENNIS
from tests.support.visits import VisitDriver
from tests.support.waiting import wait_until_async

A_MINUTE = timedelta(minutes=1)


async def _now(visits: VisitDriver) -> datetime:
    return await visits.database.read(read_clock)


async def _late_start(visits: VisitDriver, *, asynchronous: bool = False) -> StartConsultation:
    """A start of an hour ago."""
    asked_at = await _now(visits) - timedelta(hours=1)
    start: StartConsultation = stamped(
        await visits.start_command(DR_AMRANI), asked_at, valid_for=A_MINUTE, asynchronous=asynchronous
    )
    return start


async def test_start_expires_while_ledger_is_blocked(visits: VisitDriver) -> None:
    asked_at = await _now(visits)
    start = stamped(await visits.start_command(DR_AMRANI), asked_at, valid_for=timedelta(seconds=1))
    visits.ledger.block()
    sending = asyncio.create_task(visits.send(start))
    await visits.wait_until_blocked()
    await wait_until_async(partial(clock_has_passed, visits.database, start.request.valid_until), "the start is late")

    visits.ledger.unblock()
    with pytest.raises(WorkflowUpdateFailedError):
        await sending

    assert (await visits.trackings(), await visits.events()) == ([], [])
    assert await visits.answer(start.request) is None


async def test_same_update_id_is_decided_again_after_expiry(visits: VisitDriver) -> None:
    late = await _late_start(visits)
    for _ in range(2):
        with pytest.raises(WorkflowUpdateFailedError):
            await visits.send(late)

    repeated = await visits.send(stamped(late, await _now(visits), valid_for=A_MINUTE))

    assert repeated.status == 201
    assert len(await visits.trackings()) == len(await visits.events()) == 1


async def test_late_start_does_not_disturb_the_visit(visits: VisitDriver) -> None:
    with pytest.raises(WorkflowUpdateFailedError):
        await visits.send(await _late_start(visits))

    started = await visits.start(DR_BENNIS)
    completed = await visits.complete(started)

    assert (started.status, completed.status) == (201, 200)


async def test_late_transfer_has_no_effect(visits: VisitDriver) -> None:
    started = await visits.start(DR_AMRANI)
    transfer = await visits.transfer_command(started, DR_AMRANI, DR_BENNIS)
    now = await _now(visits)

    with pytest.raises(WorkflowUpdateFailedError):
        await visits.send(stamped(transfer, now - timedelta(hours=1), valid_for=A_MINUTE))
    events = len(await visits.events())
    in_time = await visits.send(stamped(transfer, now, valid_for=A_MINUTE))

    assert events == 1
    assert (in_time.status, in_time.body["outcome"]) == (200, "transferred")


async def test_late_reopening_has_no_effect(visits: VisitDriver) -> None:
    started = await visits.start(DR_AMRANI)
    await visits.complete(started)
    reopening = await visits.reopen_command(started, DR_AMRANI)
    now = await _now(visits)

    with pytest.raises(WorkflowUpdateFailedError):
        await visits.send(stamped(reopening, now - timedelta(hours=1), valid_for=A_MINUTE))
    # The patient was free all the time.
    assert (await visits.start(DR_BENNIS)).status == 201
    in_time = await visits.send(stamped(reopening, now, valid_for=A_MINUTE))

    assert (in_time.status, in_time.body["code"]) == (409, "patient_in_consultation")


async def test_late_signal_is_refused(visits: VisitDriver) -> None:
    start = await _late_start(visits, asynchronous=True)
    await visits.database.write(partial(open_request, command=start), start.request, await _now(visits))

    await visits.send_signal(start)

    answer = await visits.wait_for_answer(start.request)
    assert (answer.status, answer.body["code"]) == (409, "request_expired")
    assert await visits.trackings() == []


async def test_sweep_gets_the_refusal_of_a_late_start(visits: VisitDriver) -> None:
    start = await _late_start(visits, asynchronous=True)
    await visits.database.write(partial(open_request, command=start), start.request, await _now(visits))

    await visits.sweep(await _now(visits) + A_MINUTE)

    answer = await visits.answer(start.request)
    assert answer is not None
    assert (answer.status, answer.body["code"]) == (409, "request_expired")
    assert await visits.trackings() == []

"""Long visits continue as a new run at any moment. Nothing is lost, and nothing happens twice."""

import asyncio
from datetime import datetime, timedelta

from temporalio.service import RPCError, RPCStatusCode

from patient_visit_engine.visit.state import Limits
from tests.support.patient_records import Answer, LoggedEvent
from tests.support.visit_rows import (
    CARDIOLOGISTS,
    CARDIOLOGY_MINUTES,
    DR_AMRANI,
    DR_BENNIS,
    DR_CHRAIBI,
    DR_DAOUDI,
    DR_IMAGING,
)
from tests.support.visits import VisitDriver
from tests.support.waiting import wait_until_async

A_MINUTE = timedelta(minutes=1)


async def _force_new_run(visits: VisitDriver) -> None:
    """Send so many messages that the visit continues as a new run, and wait for that run."""
    runs = len(await visits.histories())
    for _ in range(visits.limits.messages_per_run):
        await visits.check_in(DR_IMAGING)
    await wait_until_async(lambda: _has_more_runs(visits, runs), "a new run")


async def _has_more_runs(visits: VisitDriver, runs: int) -> bool:
    return len(await visits.histories()) > runs


async def _start_until_decided(visits: VisitDriver, doctor: int) -> Answer:
    """Start with `wait`, and repeat the start with the same key while the server has too many messages for this visit."""
    while True:
        try:
            return await visits.start(doctor, key=f"start of {doctor}", wait=True)
        except RPCError as error:
            if error.status is not RPCStatusCode.RESOURCE_EXHAUSTED:
                raise


async def test_forty_starts_across_runs_are_decided(visits: VisitDriver) -> None:
    visits.set_limits(Limits(messages_per_run=3))

    answers = await asyncio.gather(*(_start_until_decided(visits, doctor) for doctor in CARDIOLOGISTS))

    (winner,) = (answer for answer in answers if answer.status == 201)
    refused = [answer for answer in answers if answer.status == 409]
    names = [event.name for event in await visits.events()]
    snapshot = await visits.snapshot()
    assert len(await visits.histories()) > 1
    assert {answer.body["consultation_id"] for answer in refused} == {winner.body["id"]}
    assert sorted(answer.body["position"] for answer in refused) == list(range(1, 40))
    assert (names.count("consultation.started"), names.count("consultation.blocked")) == (1, 39)
    assert names.count("patient.updated") == 39
    assert snapshot.facts == await visits.facts()
    assert len(snapshot.line()) == 39


async def test_all_message_kinds_survive_a_new_run(visits: VisitDriver) -> None:
    visits.set_limits(Limits(messages_per_run=2))
    started = await visits.start(DR_AMRANI)
    signal = await visits.start_command(DR_CHRAIBI)

    extended, _, waiting, imaging, checked_in = await asyncio.gather(
        visits.extend(started, 30),
        visits.send_signal(signal),
        visits.wait(DR_BENNIS),
        visits.start(DR_IMAGING),
        visits.check_in(DR_DAOUDI),
    )
    refused = await visits.wait_for_answer(signal.request)
    completed = await visits.complete(started)

    assert [answer.status for answer in (extended, waiting, imaging, checked_in)] == [200, 200, 201, 201]
    assert (refused.status, refused.body["active_doctor_id"]) == (409, DR_AMRANI)
    assert completed.status == 200
    assert len(await visits.histories()) > 1
    assert (await visits.snapshot()).facts == await visits.facts()


async def test_timers_fire_in_the_next_run(visits: VisitDriver) -> None:
    visits.set_limits(Limits(messages_per_run=2, abandon_after=timedelta(minutes=30)))
    started = await visits.start(DR_AMRANI)
    await _force_new_run(visits)
    started_at = datetime.fromisoformat(started.body["started_at"])

    await visits.skip_time(until=started_at + timedelta(minutes=CARDIOLOGY_MINUTES) + A_MINUTE)
    reminders = await visits.events("consultation.overdue")
    await visits.skip_time(until=started_at + timedelta(minutes=CARDIOLOGY_MINUTES + 31))

    assert len(reminders) == 1
    assert [event.data["outcome"] for event in await visits.events("consultation.completed")] == ["timed_out"]


async def test_open_offer_expires_in_the_next_run(visits: VisitDriver) -> None:
    visits.set_limits(Limits(messages_per_run=5))
    started = await visits.start(DR_AMRANI)
    await visits.wait(DR_BENNIS)
    await visits.wait(DR_CHRAIBI)
    await visits.complete(started)
    (first,) = await visits.events("consultation.available")
    await _force_new_run(visits)

    async def later_offers() -> list[LoggedEvent]:
        return (await visits.events("consultation.available"))[1:]

    reserved = await visits.start(DR_DAOUDI)
    await visits.skip_time(until=first.at + A_MINUTE + timedelta(seconds=20))

    # On a busy machine the time can end before the decision is recorded.
    (second,) = await wait_until_async(later_offers, "the offer to the next doctor")
    assert reserved.body["reserved_for_id"] == DR_BENNIS
    assert second.channel == f"doctor.{DR_CHRAIBI}"


async def test_request_of_earlier_run_is_not_repeated(visits: VisitDriver) -> None:
    visits.set_limits(Limits(messages_per_run=2))
    start = await visits.start_command(DR_AMRANI)
    started = await visits.send(start)
    await visits.complete(started)
    await _force_new_run(visits)
    before = await visits.events()

    repeated = await visits.send(start)

    assert repeated == started
    assert await visits.events() == before
    assert (await visits.facts()).in_progress == ()


async def test_limits_of_the_visit_survive_a_new_run(visits: VisitDriver) -> None:
    visits.set_limits(Limits(messages_per_run=2, abandon_after=timedelta(minutes=7)))
    await visits.check_in(DR_BENNIS)
    await _force_new_run(visits)
    visits.set_limits(Limits())

    started = await visits.start(DR_AMRANI)

    (running,) = (await visits.snapshot()).facts.in_progress
    assert running.id == started.body["id"]
    assert running.abandon_at - running.overdue_at == timedelta(minutes=7)

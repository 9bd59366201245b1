"""The timers of a consultation: reminders, timeouts, and a completion at the same moment as the timeout."""

import asyncio
from datetime import datetime, timedelta

from patient_visit_engine.visit.codes import AppointmentStatus
from patient_visit_engine.visit.state import Limits
from tests.support.databases import LATER_ON_POSTGRES, database_on
from tests.support.patient_records import Answer
from tests.support.visit_rows import CARDIOLOGY_MINUTES, DR_AMRANI, DR_BENNIS, DR_SURGERY
from tests.support.visits import VisitDriver
from tests.support.waiting import wait_until_async

database = database_on("sqlite", LATER_ON_POSTGRES)

A_SECOND = timedelta(seconds=1)
A_MINUTE = timedelta(minutes=1)
EXPECTED = timedelta(minutes=CARDIOLOGY_MINUTES)
#: After time has skipped to a timer, the server fires it within about a second.
TOLERANCE = timedelta(seconds=10)


#: With the reminder every 15 minutes, a consultation is ended with its third reminder.
ABANDON_AFTER = timedelta(minutes=30)
LIMITS = Limits(abandon_after=ABANDON_AFTER)


def _started_at(start: Answer) -> datetime:
    return datetime.fromisoformat(start.body["started_at"])


async def _come_close_to_timeout(visits: VisitDriver, start: Answer) -> datetime:
    """Skip the time to three seconds before the consultation is ended. Returns this moment."""
    limit = _started_at(start) + EXPECTED + ABANDON_AFTER
    await visits.skip_time(until=limit - 3 * A_SECOND)
    return limit


async def test_reminds_when_due_and_every_15_minutes(visits: VisitDriver) -> None:
    started = await visits.start(DR_AMRANI)
    due = _started_at(started) + EXPECTED

    await visits.skip_time(until=due - A_MINUTE)
    too_early = await visits.events("consultation.overdue")
    await visits.skip_time(until=due + timedelta(minutes=31))

    reminders = await visits.events("consultation.overdue")
    assert too_early == []
    assert [event.channel for event in reminders] == [f"doctor.{DR_AMRANI}"] * 3
    assert [event.data["overdue_minutes"] for event in reminders] == [0, 15, 30]
    for n, event in enumerate(reminders):
        assert timedelta(0) <= event.at - (due + n * timedelta(minutes=15)) < TOLERANCE


async def test_extension_moves_the_reminder(visits: VisitDriver) -> None:
    started = await visits.start(DR_AMRANI)
    await visits.extend(started, 30)
    due = _started_at(started) + EXPECTED + timedelta(minutes=30)

    await visits.skip_time(until=due - A_MINUTE)
    too_early = await visits.events("consultation.overdue")
    await visits.skip_time(until=due + A_MINUTE)

    (reminder,) = await visits.events("consultation.overdue")
    assert too_early == []
    assert timedelta(0) <= reminder.at - due < TOLERANCE


async def test_timed_out_appointment_can_start_again(visits: VisitDriver) -> None:
    visits.set_limits(LIMITS)
    started = await visits.start(DR_AMRANI)
    due = _started_at(started) + EXPECTED + ABANDON_AFTER

    await visits.skip_time(until=due + A_MINUTE)
    appointment = await visits.appointment(DR_AMRANI)
    refused = await visits.complete(started)
    restarted = await visits.start(DR_AMRANI)

    *_, completed, released, second_start = await visits.events()
    timed_out, running = await visits.trackings()
    assert (completed.name, completed.data["outcome"]) == ("consultation.completed", "timed_out")
    assert (released.name, released.channel) == ("consultation.released", f"doctor.{DR_AMRANI}")
    assert timedelta(0) <= completed.at - due < TOLERANCE
    assert appointment.status is AppointmentStatus.confirmed
    assert (refused.status, refused.body["code"], refused.body["outcome"]) == (409, "consultation_ended", "timed_out")
    assert (restarted.status, second_start.name) == (201, "consultation.started")
    assert (timed_out.outcome, running.status) == ("timed_out", "in_progress")


async def test_old_timer_does_not_end_next_consultation(visits: VisitDriver) -> None:
    visits.set_limits(LIMITS)
    first = await visits.start(DR_BENNIS)
    await visits.skip_time(until=_started_at(first) + EXPECTED - A_MINUTE)
    await visits.complete(first)
    second = await visits.start(DR_SURGERY)

    await visits.skip_time(until=_started_at(first) + EXPECTED + ABANDON_AFTER + A_MINUTE)

    (running,) = (await visits.snapshot()).facts.in_progress
    assert running.id == second.body["id"]
    assert [event.name for event in await visits.events()] == [
        "consultation.started",
        "consultation.completed",
        "consultation.started",
    ]


async def test_completion_wins_over_timeout(visits_without_worker: VisitDriver, cached_visits: int) -> None:
    visits = visits_without_worker
    visits.set_limits(LIMITS)
    await visits.start_worker(cached=cached_visits)
    started = await visits.start(DR_AMRANI)
    await _come_close_to_timeout(visits, started)
    await visits.stop_worker()
    fired = await _fired_timers(visits)

    async def timeout_has_fired() -> bool:
        return await _fired_timers(visits) > fired

    await wait_until_async(timeout_has_fired, "the timer of the timeout fires")

    completing = asyncio.create_task(visits.complete(started))
    await wait_until_async(lambda: _update_has_arrived(visits), "the server has the update")
    await visits.start_worker(cached=cached_visits)

    assert (await completing).status == 200
    assert [event.data.get("outcome") for event in await visits.events("consultation.completed")] == ["done"]


async def _fired_timers(visits: VisitDriver) -> int:
    history = await visits.workflow().fetch_history()
    return sum(event.HasField("timer_fired_event_attributes") for event in history.events)


async def _update_has_arrived(visits: VisitDriver) -> bool:
    # An update that no worker has taken is not in the history. A pending workflow task shows that the server has it.
    description = await visits.workflow().describe()
    return description.raw_description.HasField("pending_workflow_task")


async def test_timeout_during_completion_ends_nothing(visits: VisitDriver) -> None:
    visits.set_limits(LIMITS)
    started = await visits.start(DR_AMRANI)
    limit = await _come_close_to_timeout(visits, started)
    visits.ledger.block()
    completing = asyncio.create_task(visits.complete(started))
    await visits.wait_until_blocked()

    await _wait_until_past(visits, limit)
    visits.ledger.unblock()
    first = await completing
    second = await visits.complete(started)

    assert (first.status, first.body["outcome"]) == (200, "done")
    assert second == first
    assert len(await visits.events("consultation.completed")) == 1
    assert await visits.events("consultation.released") == []


async def test_completion_during_timeout_is_refused(visits: VisitDriver) -> None:
    visits.set_limits(LIMITS)
    started = await visits.start(DR_AMRANI)
    await _come_close_to_timeout(visits, started)
    visits.ledger.block()
    await visits.wait_until_blocked()

    completing = asyncio.create_task(visits.complete(started))
    visits.ledger.unblock()
    refused = await completing

    assert (refused.status, refused.body["outcome"]) == (409, "timed_out")
    assert [event.data["outcome"] for event in await visits.events("consultation.completed")] == ["timed_out"]


async def test_missed_timeout_fires_when_worker_starts(visits_without_worker: VisitDriver, cached_visits: int) -> None:
    visits = visits_without_worker
    visits.set_limits(LIMITS)
    await visits.start_worker(cached=cached_visits)
    started = await visits.start(DR_AMRANI)
    limit = await _come_close_to_timeout(visits, started)
    await visits.stop_worker()
    await _wait_until_past(visits, limit)

    await visits.start_worker(cached=cached_visits)
    (completed,) = await visits.wait_for_events("consultation.completed")

    assert completed.data["outcome"] == "timed_out"
    assert (await visits.facts()).in_progress == ()


async def _wait_until_past(visits: VisitDriver, moment: datetime) -> None:
    async def is_past() -> bool:
        return await visits.now() > moment

    await wait_until_async(is_past, f"it is later than {moment}")

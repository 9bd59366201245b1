"""The end of the day: what midnight closes, what continues, and how the visits of two days work together."""

import gc
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from patient_visit_engine.visit.calendar import day_ends_at, day_starts_at
from patient_visit_engine.visit.codes import AppointmentStatus
from patient_visit_engine.visit.state import Limits
from patient_visit_engine.workflows.visit_client import DayClosedError
from tests.support.visit_rows import A_DAY, DR_AMRANI, DR_BENNIS, DR_CHRAIBI, DR_DAOUDI, DR_SURGERY
from tests.support.visits import VisitDriver

A_MINUTE = timedelta(minutes=1)
PARIS = ZoneInfo("Europe/Paris")


def _next_day_with(hours: int) -> date:
    day = datetime.now(PARIS).date() + A_DAY
    while day_ends_at(day, PARIS) - day_starts_at(day, PARIS) != timedelta(hours=hours):
        day += A_DAY
    return day


@pytest.mark.parametrize("hours", [23, 25])
async def test_midnight_closes_check_ins_and_line(visits: VisitDriver, hours: int) -> None:
    day = _next_day_with(hours)
    visits.zone = PARIS
    visits.set_limits(Limits(abandon_after=timedelta(hours=24)))
    await visits.check_in(DR_BENNIS, day=day)
    await visits.skip_time(until=day_starts_at(day, PARIS) + timedelta(hours=8), day=day)
    running = await visits.start(DR_SURGERY, day=day)
    await visits.wait(DR_CHRAIBI, day=day)
    midnight = day_starts_at(day, PARIS) + timedelta(hours=hours)

    await visits.skip_time(until=midnight - A_MINUTE, day=day)
    before = await visits.facts()
    await visits.skip_time(until=midnight + A_MINUTE, day=day)

    after = await visits.facts()
    closed = [event for event in await visits.events("appointment.updated") if event.data.get("outcome")]
    assert len(before.pending) == len(before.waiting) == 1
    assert (after.pending, after.waiting) == ((), ())
    assert [consultation.id for consultation in after.in_progress] == [running.body["id"]]
    assert [event.data["outcome"] for event in closed] == ["not_seen"]
    assert timedelta(0) <= closed[0].at - midnight < timedelta(seconds=10)
    assert (await visits.appointment(DR_BENNIS)).status is AppointmentStatus.confirmed


async def test_consultation_blocks_the_next_day(visits: VisitDriver) -> None:
    tomorrow = visits.today + A_DAY
    await visits.check_in(DR_SURGERY)
    await visits.skip_time(until=day_ends_at(visits.today, visits.zone) - A_MINUTE)
    started = await visits.start(DR_SURGERY)
    await visits.skip_time(until=day_ends_at(visits.today, visits.zone) + A_MINUTE)

    blocked = await visits.start(DR_AMRANI, day=tomorrow, wait=True)
    completed = await visits.complete(started)
    (offer,) = await visits.wait_for_events("consultation.available")
    reserved = await visits.start(DR_BENNIS, day=tomorrow)
    await visits.wait_until_closed(visits.today)
    accepted = await visits.start(DR_AMRANI, day=tomorrow)

    assert (blocked.status, blocked.body["active_doctor_id"]) == (409, DR_SURGERY)
    assert blocked.body["consultation_id"] == started.body["id"]
    assert (completed.status, completed.body["outcome"]) == (200, "done")
    assert offer.channel == f"doctor.{DR_AMRANI}"
    assert (reserved.status, reserved.body["code"]) == (409, "patient_reserved")
    assert accepted.status == 201


async def test_timeout_after_midnight_frees_next_day(visits: VisitDriver) -> None:
    visits.set_limits(Limits(abandon_after=timedelta(hours=24)))
    tomorrow = visits.today + A_DAY
    started = await visits.start(DR_SURGERY)
    await visits.skip_time(until=day_ends_at(visits.today, visits.zone) + A_MINUTE)
    await visits.start(DR_AMRANI, day=tomorrow, wait=True)

    await visits.skip_time(until=datetime.fromisoformat(started.body["started_at"]) + A_DAY + A_MINUTE)

    (offer,) = await visits.wait_for_events("consultation.available")
    await visits.wait_until_closed(visits.today)
    assert offer.channel == f"doctor.{DR_AMRANI}"
    assert [event.data["outcome"] for event in await visits.events("consultation.completed")] == ["timed_out"]


async def test_ended_day_takes_no_start(visits: VisitDriver) -> None:
    visits.set_limits(Limits(abandon_after=timedelta(hours=24)))
    started = await visits.start(DR_SURGERY)
    await visits.skip_time(until=day_ends_at(visits.today, visits.zone) + A_MINUTE)

    with pytest.raises(DayClosedError):
        await visits.start(DR_DAOUDI)
    extended = await visits.extend(started, 10)
    completed = await visits.complete(started)

    assert (extended.status, completed.status) == (200, 200)


async def test_closed_day_stays_closed(visits: VisitDriver) -> None:
    yesterday, today = visits.today - A_DAY, visits.today
    started = await visits.start(DR_AMRANI, day=today)
    await visits.complete(started)
    await visits.skip_time(until=day_ends_at(today, visits.zone) + A_MINUTE)
    await visits.wait_until_closed(today)
    visits.clock_ahead = A_DAY
    start, complete = await visits.start_command(DR_BENNIS), visits.complete_command(started)

    with pytest.raises(DayClosedError):
        await visits.send(start, today)
    with pytest.raises(DayClosedError):
        await visits.send(complete, today)
    with pytest.raises(DayClosedError):
        await visits.send_signal(start, today)
    with pytest.raises(DayClosedError):
        await visits.send(await visits.start_command(DR_CHRAIBI), yesterday)
    next_day_start = await visits.send(start, today + A_DAY)
    next_day_completion = await visits.send(complete, today + A_DAY)

    assert next_day_start.status == 201
    assert (next_day_completion.status, next_day_completion.body["outcome"]) == (200, "done")


async def test_closed_day_leaves_no_unread_exception(visits: VisitDriver, caplog: pytest.LogCaptureFixture) -> None:
    yesterday = visits.today - A_DAY
    with pytest.raises(DayClosedError):
        await visits.start(DR_AMRANI, day=yesterday)
    await visits.wait_until_closed(yesterday)

    with pytest.raises(DayClosedError):
        await visits.start(DR_AMRANI, day=yesterday)
    gc.collect()

    assert [record.message for record in caplog.records if record.name == "asyncio"] == []


async def test_unused_day_closes_at_midnight(visits: VisitDriver) -> None:
    await visits.check_in(DR_AMRANI)

    await visits.skip_time(until=day_ends_at(visits.today, visits.zone) + A_MINUTE)

    await visits.wait_until_closed(visits.today)
    assert [row.outcome for row in await visits.trackings()] == ["not_seen"]
    assert datetime.now(UTC) < day_ends_at(visits.today, visits.zone)

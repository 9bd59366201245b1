"""The end of the day: what passes to the visit of the new day, and how the visits of two days work together."""

import gc
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from patient_visit_engine.visit.calendar import HospitalCalendar
from patient_visit_engine.visit.carry_over import CARRY_OVER_WITHIN
from patient_visit_engine.visit.codes import AppointmentStatus
from patient_visit_engine.visit.state import Limits
from patient_visit_engine.workflows.visit_client import DayClosedError
from tests.support.visit_rows import A_DAY, DR_AMRANI, DR_BENNIS, DR_CHRAIBI, DR_DAOUDI, DR_SURGERY
from tests.support.visits import VisitDriver

A_MINUTE = timedelta(minutes=1)
PARIS = HospitalCalendar(ZoneInfo("Europe/Paris"))
PARIS_AT_MIDNIGHT = HospitalCalendar(ZoneInfo("Europe/Paris"), time(0))


@pytest.mark.parametrize(("hours", "calendar"), [(23, PARIS), (25, PARIS_AT_MIDNIGHT)], ids=["at four", "at midnight"])
async def test_visit_ends_without_a_decision(visits: VisitDriver, hours: int, calendar: HospitalCalendar) -> None:
    day = calendar.day_of(datetime.now(UTC)) + A_DAY
    while calendar.ends_at(day) - calendar.starts_at(day) != timedelta(hours=hours):
        day += A_DAY
    visits.calendar = calendar
    visits.set_limits(Limits())
    await visits.check_in(DR_BENNIS, day=day)
    await visits.skip_time(until=calendar.ends_at(day) - timedelta(minutes=10), day=day)
    await visits.start(DR_SURGERY, day=day)
    await visits.wait(DR_CHRAIBI, day=day)
    facts, events = await visits.facts(), await visits.events()

    await visits.skip_time(until=calendar.ends_at(day) + CARRY_OVER_WITHIN, day=day)
    await visits.wait_until_closed(day)

    assert (len(facts.in_progress), len(facts.pending), len(facts.waiting)) == (1, 1, 1)
    assert await visits.facts() == facts
    assert await visits.events() == events


async def test_consultation_blocks_the_next_day(visits: VisitDriver) -> None:
    tomorrow = visits.today + A_DAY
    await visits.check_in(DR_SURGERY)
    await visits.skip_time(until=visits.calendar.ends_at(visits.today) - A_MINUTE)
    started = await visits.start(DR_SURGERY)
    await visits.skip_time(until=visits.calendar.ends_at(visits.today) + A_MINUTE)

    blocked = await visits.start(DR_AMRANI, day=tomorrow, wait=True)
    completed = await visits.complete(started, day=tomorrow)
    (offer,) = await visits.wait_for_events("consultation.available")
    reserved = await visits.start(DR_BENNIS, day=tomorrow)
    accepted = await visits.start(DR_AMRANI, day=tomorrow)

    assert (blocked.status, blocked.body["active_doctor_id"]) == (409, DR_SURGERY)
    assert blocked.body["consultation_id"] == started.body["id"]
    assert (completed.status, completed.body["outcome"]) == (200, "done")
    assert offer.channel == f"doctor.{DR_AMRANI}"
    assert (reserved.status, reserved.body["code"]) == (409, "patient_reserved")
    assert accepted.status == 201


async def test_line_and_timers_pass_to_the_new_day(visits: VisitDriver) -> None:
    visits.set_limits(Limits(abandon_after=timedelta(minutes=20)))
    tomorrow = visits.today + A_DAY
    await visits.check_in(DR_CHRAIBI)
    await visits.skip_time(until=visits.calendar.ends_at(visits.today) - timedelta(minutes=10))
    started = await visits.start(DR_BENNIS)
    await visits.wait(DR_AMRANI)
    await visits.skip_time(until=visits.calendar.ends_at(visits.today) + CARRY_OVER_WITHIN)
    await visits.wait_until_closed(visits.today)

    await visits.sweep(visits.calendar.ends_at(visits.today) + CARRY_OVER_WITHIN)
    carried = await visits.facts()
    abandoned_at = datetime.fromisoformat(started.body["overdue_at"]) + timedelta(minutes=20)
    await visits.skip_time(until=abandoned_at + A_MINUTE, day=tomorrow)

    (offer,) = await visits.wait_for_events("consultation.available")
    assert (carried.in_progress[0].day, carried.waiting[0].day) == (tomorrow, tomorrow)
    assert offer.channel == f"doctor.{DR_AMRANI}"
    assert [event.data["outcome"] for event in await visits.events("consultation.completed")] == ["timed_out"]


async def test_check_in_ends_as_not_seen(visits: VisitDriver) -> None:
    await visits.check_in(DR_AMRANI)
    ended_at = visits.calendar.ends_at(visits.today)
    await visits.skip_time(until=ended_at + CARRY_OVER_WITHIN)
    await visits.wait_until_closed(visits.today)

    await visits.sweep(ended_at + CARRY_OVER_WITHIN)

    assert [row.outcome for row in await visits.trackings()] == ["not_seen"]
    assert (await visits.appointment(DR_AMRANI)).status is AppointmentStatus.confirmed


async def test_ended_day_takes_no_command(visits: VisitDriver) -> None:
    started = await visits.start(DR_SURGERY)
    await visits.skip_time(until=visits.calendar.ends_at(visits.today) + timedelta(milliseconds=1))

    with pytest.raises(DayClosedError):
        await visits.start(DR_DAOUDI)
    with pytest.raises(DayClosedError):
        await visits.extend(started, 10)
    with pytest.raises(DayClosedError):
        await visits.complete(started)


async def test_closed_day_stays_closed(visits: VisitDriver) -> None:
    yesterday, today = visits.today - A_DAY, visits.today
    started = await visits.start(DR_AMRANI, day=today)
    await visits.complete(started)
    await visits.skip_time(until=visits.calendar.ends_at(today) + CARRY_OVER_WITHIN)
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

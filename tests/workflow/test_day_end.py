"""The end of the day: what passes to the visit of the new day, and how the visits of two days work together."""

import asyncio
import gc
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select

from patient_visit_engine.storage.tables import timeline
from patient_visit_engine.visit.appointment_commands import CheckIn
from patient_visit_engine.visit.calendar import HospitalCalendar
from patient_visit_engine.visit.carry_over import CARRY_OVER_WITHIN
from patient_visit_engine.visit.codes import AppointmentStatus
from patient_visit_engine.visit.state import Limits
from patient_visit_engine.workflows.visit_errors import DayClosedError
from tests.support.databases import LATER_ON_POSTGRES, database_on
from tests.support.visit_rows import A_DAY, DR_AMRANI, DR_BENNIS, DR_CHRAIBI, DR_DAOUDI, DR_SURGERY
from tests.support.visits import VisitDriver
from tests.support.waiting import wait_until_async

database = database_on("sqlite", LATER_ON_POSTGRES)

A_MINUTE = timedelta(minutes=1)
#: The rest of a day in real time: enough for a start, also on a busy machine.
LAST_SECONDS = timedelta(seconds=5)
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
    # The sweep has opened the new visit before its day, because only the time of the old one was skipped.
    grace = visits.limits.remind_every
    await visits.skip_time(until=ended_at + grace + A_MINUTE, day=visits.today + A_DAY)

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
    await visits.book(today + A_DAY)
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


async def test_lost_answer_does_not_repeat_carry_over(visits: VisitDriver) -> None:
    tomorrow = visits.today + A_DAY
    started = await visits.start(DR_SURGERY)
    await visits.wait(DR_AMRANI)
    visits.ledger.lost_answers = 2

    refused = await visits.start(DR_BENNIS, day=tomorrow)
    completed = await visits.complete(started, day=tomorrow)

    (offer,) = await visits.events("consultation.available")
    assert (refused.status, refused.body["active_doctor_id"]) == (409, DR_SURGERY)
    assert (completed.status, completed.body["outcome"]) == (200, "done")
    assert offer.channel == f"doctor.{DR_AMRANI}"
    assert await _count_entries(visits, "carried_over") == 1


async def test_command_overtaken_at_day_end_is_sent_on(visits: VisitDriver) -> None:
    ends_at = datetime.now(UTC) + LAST_SECONDS
    visits.calendar = HospitalCalendar(ZoneInfo("UTC"), ends_at.time())
    visits.set_limits(Limits())
    old_day = visits.calendar.day_of(datetime.now(UTC))
    await visits.start(DR_SURGERY, day=old_day)
    await visits.book(old_day + A_DAY)
    visits.ledger.block(old_day)
    check_in = CheckIn(request=visits.request(), appointment=await visits.appointment(DR_AMRANI))
    checking_in = asyncio.create_task(visits.client.send(visits.patient, old_day, check_in, check_in.request.id))
    await visits.wait_until_blocked()
    await wait_until_async(lambda: datetime.now(UTC) > ends_at, "the day has ended")

    refused = await visits.send(await visits.start_command(DR_BENNIS), old_day + A_DAY)
    visits.ledger.unblock()
    await checking_in

    answer = await visits.answer(check_in.request)
    facts = await visits.facts()
    assert answer is not None
    assert (refused.status, answer.status) == (409, 201)
    assert [consultation.day for consultation in facts.in_progress] == [old_day + A_DAY]
    assert [tracking.day for tracking in facts.pending] == [old_day + A_DAY]
    assert await _count_entries(visits, "carried_over") == 1


@pytest.mark.parametrize("old_visit_is_slow", [False, True], ids=["old first", "new first"])
async def test_two_visits_decide_an_expired_offer_once(
    visits_without_worker: VisitDriver, old_visit_is_slow: bool
) -> None:
    visits = visits_without_worker
    # With visits in memory. Without them a worker runs one visit at a time.
    await visits.start_worker()
    visits.set_limits(Limits(offer=timedelta(seconds=2)))
    tomorrow = visits.today + A_DAY
    started = await visits.start(DR_AMRANI)
    await visits.wait(DR_BENNIS)
    await visits.wait(DR_CHRAIBI)
    await visits.complete(started)
    visits.ledger.block(visits.today if old_visit_is_slow else None)
    # The timer of the old visit has decided, and waits for the ledger.
    await visits.wait_until_blocked()

    starting = asyncio.create_task(visits.start(DR_DAOUDI, day=tomorrow))
    if old_visit_is_slow:
        await starting
    else:
        await wait_until_async(lambda: visits.ledger.waiting == 2, "both visits wait for the ledger")
    visits.ledger.unblock()
    refused = await starting

    await wait_until_async(lambda: _has_empty_line(visits), "both offers have expired")
    offers = await visits.events("consultation.available")
    assert (refused.status, refused.body["code"]) == (409, "patient_reserved")
    # Each doctor misses two offers.
    assert [offer.channel for offer in offers] == [f"doctor.{DR_BENNIS}", f"doctor.{DR_CHRAIBI}"] * 2
    assert await _count_entries(visits, "left_line") == 2


async def _has_empty_line(visits: VisitDriver) -> bool:
    return not (await visits.facts()).waiting


async def _count_entries(visits: VisitDriver, event: str) -> int:
    """The number of entries of this kind in the patient's timeline."""
    query = select(func.count()).where(timeline.c.patient_id == visits.patient, timeline.c.event == event)
    return await visits.database.read(lambda connection: connection.scalar(query) or 0)

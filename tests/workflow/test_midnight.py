"""The end of the day: what midnight closes, what runs on, and how two days' visits of one patient meet."""

import gc
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from temporalio.client import WorkflowExecutionStatus

from patient_visit_engine.visit.calendar import day_ends_at, day_starts_at
from patient_visit_engine.visit.codes import AppointmentStatus
from patient_visit_engine.visit.state import Limits
from patient_visit_engine.workflows.visit_client import DayClosedError
from tests.support.visits import A_DAY, DR_AMRANI, DR_BENNIS, DR_CHRAIBI, DR_DAOUDI, DR_SURGERY, VisitDriver

A_MINUTE = timedelta(minutes=1)
PARIS = ZoneInfo("Europe/Paris")


def _next_day_of(hours: int) -> date:
    day = datetime.now(PARIS).date() + A_DAY
    while day_ends_at(day, PARIS) - day_starts_at(day, PARIS) != timedelta(hours=hours):
        day += A_DAY
    return day


async def _is_closed(clinic: VisitDriver, day: date) -> bool:
    description = await clinic.visit(day).describe()
    return description.status is WorkflowExecutionStatus.COMPLETED


@pytest.mark.parametrize("hours", [23, 25])
async def test_midnight_closes_the_check_ins_and_empties_the_line_on_days_of_odd_length(
    clinic: VisitDriver, hours: int
) -> None:
    day = _next_day_of(hours)
    clinic.zone = PARIS
    clinic.goes_by(Limits(abandon_after=timedelta(hours=24)))
    await clinic.check_in(DR_BENNIS, day=day)
    await clinic.time_passes(until=day_starts_at(day, PARIS) + timedelta(hours=8), day=day)
    running = await clinic.start(DR_SURGERY, day=day)
    await clinic.wait(DR_CHRAIBI, day=day)
    midnight = day_starts_at(day, PARIS) + timedelta(hours=hours)

    await clinic.time_passes(until=midnight - A_MINUTE, day=day)
    before = await clinic.facts()
    await clinic.time_passes(until=midnight + A_MINUTE, day=day)

    after = await clinic.facts()
    seen_to = [event for event in await clinic.told("appointment.updated") if event.data.get("outcome")]
    assert len(before.pending) == len(before.waiting) == 1
    assert (after.pending, after.waiting) == ((), ())
    assert [consultation.id for consultation in after.in_progress] == [running.body["id"]]
    assert [event.data["outcome"] for event in seen_to] == ["not_seen"]
    assert timedelta(0) <= seen_to[0].at - midnight < timedelta(seconds=10)
    assert (await clinic.appointment(DR_BENNIS)).status is AppointmentStatus.confirmed


async def test_a_consultation_that_runs_over_midnight_blocks_the_next_day_and_then_frees_it(
    clinic: VisitDriver,
) -> None:
    tomorrow = clinic.today + A_DAY
    await clinic.check_in(DR_SURGERY)
    await clinic.time_passes(until=day_ends_at(clinic.today, clinic.zone) - A_MINUTE)
    begun = await clinic.start(DR_SURGERY)
    await clinic.time_passes(until=day_ends_at(clinic.today, clinic.zone) + A_MINUTE)

    blocked = await clinic.start(DR_AMRANI, day=tomorrow, wait=True)
    ended = await clinic.complete(begun)
    (offer,) = await clinic.eventually(lambda: clinic.told("consultation.available"))
    reserved = await clinic.start(DR_BENNIS, day=tomorrow)
    await clinic.eventually(lambda: _is_closed(clinic, clinic.today))
    taken_up = await clinic.start(DR_AMRANI, day=tomorrow)

    assert (blocked.status, blocked.body["active_doctor_id"]) == (409, DR_SURGERY)
    assert blocked.body["consultation_id"] == begun.body["id"]
    assert (ended.status, ended.body["outcome"]) == (200, "done")
    assert offer.channel == f"doctor.{DR_AMRANI}"
    assert (reserved.status, reserved.body["code"]) == (409, "patient_reserved")
    assert taken_up.status == 201


async def test_a_consultation_that_times_out_after_midnight_frees_the_next_day_as_well(clinic: VisitDriver) -> None:
    clinic.goes_by(Limits(abandon_after=timedelta(hours=24)))
    tomorrow = clinic.today + A_DAY
    begun = await clinic.start(DR_SURGERY)
    await clinic.time_passes(until=day_ends_at(clinic.today, clinic.zone) + A_MINUTE)
    await clinic.start(DR_AMRANI, day=tomorrow, wait=True)

    await clinic.time_passes(until=datetime.fromisoformat(begun.body["started_at"]) + A_DAY + A_MINUTE)

    (offer,) = await clinic.eventually(lambda: clinic.told("consultation.available"))
    await clinic.eventually(lambda: _is_closed(clinic, clinic.today))
    assert offer.channel == f"doctor.{DR_AMRANI}"
    assert [event.data["outcome"] for event in await clinic.told("consultation.completed")] == ["timed_out"]


async def test_a_day_that_is_over_takes_no_start_while_its_last_consultation_runs(clinic: VisitDriver) -> None:
    clinic.goes_by(Limits(abandon_after=timedelta(hours=24)))
    begun = await clinic.start(DR_SURGERY)
    await clinic.time_passes(until=day_ends_at(clinic.today, clinic.zone) + A_MINUTE)

    with pytest.raises(DayClosedError):
        await clinic.start(DR_DAOUDI)
    extended = await clinic.extend(begun, 10)
    ended = await clinic.complete(begun)

    assert (extended.status, ended.status) == (200, 200)


async def test_a_day_that_has_closed_stays_closed_and_the_next_one_takes_what_comes(clinic: VisitDriver) -> None:
    yesterday, today = clinic.today - A_DAY, clinic.today
    begun = await clinic.start(DR_AMRANI, day=today)
    await clinic.complete(begun)
    await clinic.time_passes(until=day_ends_at(today, clinic.zone) + A_MINUTE)
    await clinic.eventually(lambda: _is_closed(clinic, today))
    start, complete = await clinic.to_start(DR_BENNIS), clinic.to_complete(begun)

    with pytest.raises(DayClosedError):
        await clinic.send(start, today)
    with pytest.raises(DayClosedError):
        await clinic.send(complete, today)
    with pytest.raises(DayClosedError):
        await clinic.visits.signal(clinic.patient, today, start)
    with pytest.raises(DayClosedError):
        await clinic.send(await clinic.to_start(DR_CHRAIBI), yesterday)
    following = await clinic.send(start, today + A_DAY)
    late = await clinic.send(complete, today + A_DAY)

    assert following.status == 201
    assert (late.status, late.body["outcome"]) == (200, "done")


async def test_a_message_to_a_closed_day_leaves_nothing_unread_behind(
    clinic: VisitDriver, caplog: pytest.LogCaptureFixture
) -> None:
    yesterday = clinic.today - A_DAY
    with pytest.raises(DayClosedError):
        await clinic.start(DR_AMRANI, day=yesterday)
    await clinic.eventually(lambda: _is_closed(clinic, yesterday))

    with pytest.raises(DayClosedError):
        await clinic.start(DR_AMRANI, day=yesterday)
    gc.collect()

    assert [record.message for record in caplog.records if record.name == "asyncio"] == []


async def test_a_day_that_nobody_asked_about_again_closes_by_itself(clinic: VisitDriver) -> None:
    await clinic.check_in(DR_AMRANI)

    await clinic.time_passes(until=day_ends_at(clinic.today, clinic.zone) + A_MINUTE)

    await clinic.eventually(lambda: _is_closed(clinic, clinic.today))
    assert [row.outcome for row in await clinic.trackings()] == ["not_seen"]
    assert datetime.now(UTC) < day_ends_at(clinic.today, clinic.zone)

"""Recovery after a crash, after a termination by an operator, and after a message to a closed day."""

from datetime import UTC, date, datetime, timedelta

import pytest

from patient_visit_engine.storage.ledger.recording import SqlLedger
from patient_visit_engine.storage.requests import open_request
from patient_visit_engine.visit.calendar import to_millisecond
from patient_visit_engine.visit.policy import decide
from patient_visit_engine.visit.record import LedgerEntry
from patient_visit_engine.visit.state import Limits, VisitState
from patient_visit_engine.workflows.visit_errors import DayClosedError
from tests.support.patient_records import Answer
from tests.support.visit_rows import A_DAY, CARDIOLOGY_MINUTES, DR_AMRANI, DR_BENNIS, DR_CHRAIBI
from tests.support.visits import VisitDriver
from tests.support.waiting import wait_until_async

A_MINUTE = timedelta(minutes=1)


async def _record_start_without_visit(visits: VisitDriver, doctor: int, *, day: date, at: datetime) -> Answer:
    """Commit a start directly in the ledger, so that the visit does not know it."""
    await visits.book(day)
    start = await visits.start_command(doctor)
    facts = await visits.facts()
    state = VisitState(
        patient_id=visits.patient,
        day=day,
        day_starts_at=visits.calendar.starts_at(day),
        day_ends_at=visits.calendar.ends_at(day),
        limits=visits.limits,
        facts=facts,
    )
    decision = decide(start, state, to_millisecond(at))
    entry = LedgerEntry(
        patient_id=visits.patient,
        day=day,
        decision=decision,
        seen=facts,
        request=start.request,
        appointment=start.appointment,
    )
    assert not (await SqlLedger(visits.database).record(entry)).overtaken
    answer = await visits.answer(start.request)
    assert answer is not None
    return answer


async def _close_yesterday(visits: VisitDriver) -> date:
    yesterday = visits.today - A_DAY
    with pytest.raises(DayClosedError):
        await visits.start(DR_CHRAIBI, day=yesterday)
    await visits.wait_until_closed(yesterday)
    return yesterday


async def test_terminated_visit_restarts_from_ledger(visits: VisitDriver) -> None:
    started = await visits.start(DR_AMRANI)
    await visits.workflow().terminate("by mistake")

    refused = await visits.start(DR_BENNIS, wait=True)
    facts = (await visits.snapshot()).facts
    completed = await visits.complete(started)

    assert (refused.status, refused.body["consultation_id"]) == (409, started.body["id"])
    assert [consultation.id for consultation in facts.in_progress] == [started.body["id"]]
    assert (completed.status, completed.body["outcome"]) == (200, "done")
    assert [event.channel for event in await visits.events("consultation.available")] == [f"doctor.{DR_BENNIS}"]


async def test_terminated_visit_accepts_a_completion(visits: VisitDriver) -> None:
    started = await visits.start(DR_AMRANI)
    await visits.workflow().terminate("by mistake")

    completed = await visits.complete(started)

    assert (completed.status, completed.body["outcome"]) == (200, "done")


async def test_timers_survive_a_termination(visits: VisitDriver) -> None:
    visits.set_limits(Limits(abandon_after=timedelta(minutes=30)))
    started = await visits.start(DR_AMRANI)
    await visits.workflow().terminate("by mistake")
    await visits.check_in(DR_BENNIS)
    overdue_at = datetime.fromisoformat(started.body["overdue_at"])

    await visits.skip_time(until=overdue_at + timedelta(minutes=31))

    assert [event.name for event in await visits.events("consultation.overdue", "consultation.completed")] == [
        "consultation.overdue",
        "consultation.overdue",
        "consultation.completed",
    ]


async def test_unknown_consultation_blocks_the_patient(visits: VisitDriver) -> None:
    await visits.check_in(DR_CHRAIBI)
    started = await _record_start_without_visit(visits, DR_AMRANI, day=visits.today, at=datetime.now(UTC))

    refused = await visits.start(DR_BENNIS)

    (running,) = (await visits.snapshot()).facts.in_progress
    assert (refused.status, refused.body["consultation_id"]) == (409, started.body["id"])
    assert running.id == started.body["id"]


async def test_visit_keeps_timers_of_new_consultation(visits: VisitDriver) -> None:
    await visits.check_in(DR_CHRAIBI)
    started = await _record_start_without_visit(visits, DR_AMRANI, day=visits.today, at=datetime.now(UTC))
    await visits.start(DR_BENNIS)
    due = datetime.fromisoformat(started.body["started_at"]) + timedelta(minutes=CARDIOLOGY_MINUTES)

    await visits.skip_time(until=due + A_MINUTE)

    (reminder,) = await visits.events("consultation.overdue")
    assert reminder.channel == f"doctor.{DR_AMRANI}"


async def test_sweep_wakes_visit_with_late_reminder(visits: VisitDriver) -> None:
    await visits.check_in(DR_CHRAIBI)
    long_ago = datetime.now(UTC) - timedelta(minutes=CARDIOLOGY_MINUTES + 1)
    started = await _record_start_without_visit(visits, DR_AMRANI, day=visits.today, at=long_ago)

    await visits.sweep(datetime.now(UTC))

    (reminder,) = await visits.wait_for_events("consultation.overdue")
    assert reminder.data["consultation_id"] == started.body["id"]


async def test_sweep_opens_visit_for_lost_consultation(visits: VisitDriver) -> None:
    long_ago = datetime.now(UTC) - timedelta(hours=5)
    await _record_start_without_visit(visits, DR_AMRANI, day=visits.today, at=long_ago)

    await visits.sweep(datetime.now(UTC))
    (reminder,) = await visits.wait_for_events("consultation.overdue")
    still_running = await visits.facts()
    await visits.skip_time(until=reminder.at + visits.limits.remind_every + A_MINUTE)

    (completed,) = await visits.wait_for_events("consultation.completed")
    assert len(still_running.in_progress) == 1
    assert completed.data["outcome"] == "timed_out"
    assert (await visits.facts()).in_progress == ()


async def test_todays_visit_adopts_old_consultation(visits: VisitDriver) -> None:
    yesterday = await _close_yesterday(visits)
    long_ago = datetime.now(UTC) - timedelta(minutes=CARDIOLOGY_MINUTES + 1)
    started = await _record_start_without_visit(visits, DR_AMRANI, day=yesterday, at=long_ago)

    await visits.sweep(datetime.now(UTC))
    (reminder,) = await visits.wait_for_events("consultation.overdue")
    completed = await visits.complete(started)

    assert reminder.data["consultation_id"] == started.body["id"]
    assert [row.visit_day for row in await visits.trackings()] == [visits.today]
    assert completed.status == 200


async def test_sweep_ignores_visits_that_are_not_late(visits: VisitDriver) -> None:
    await visits.start(DR_AMRANI)
    before = len((await visits.workflow().fetch_history()).events)

    await visits.sweep(datetime.now(UTC))

    assert len((await visits.workflow().fetch_history()).events) == before


async def test_sweep_resends_signal_of_closed_day(visits: VisitDriver) -> None:
    yesterday = await _close_yesterday(visits)
    await visits.book(visits.today)
    start = await visits.start_command(DR_AMRANI)
    await visits.database.write(open_request, start.request, datetime.now(UTC), command=start)
    with pytest.raises(DayClosedError):
        await visits.send_signal(start, yesterday)

    await visits.sweep(datetime.now(UTC) + A_MINUTE)

    answer = await visits.answer(start.request)
    assert answer is not None
    assert answer.status == 201
    assert [row.visit_day for row in await visits.trackings()] == [visits.today]


async def test_sweep_resends_signal_of_closing_day(visits: VisitDriver) -> None:
    yesterday = visits.today - A_DAY
    started = await _record_start_without_visit(visits, DR_AMRANI, day=yesterday, at=datetime.now(UTC))
    await visits.book(visits.today)
    start = await visits.start_command(DR_BENNIS)
    await visits.database.write(open_request, start.request, datetime.now(UTC), command=start)
    await visits.send_signal(start, yesterday)
    await wait_until_async(lambda: _is_closing(visits, yesterday), "yesterday's visit is closing")
    first_answer = await visits.answer(start.request)

    await visits.sweep(datetime.now(UTC) + A_MINUTE)

    refused = await visits.answer(start.request)
    assert first_answer is None
    assert refused is not None
    assert (refused.status, refused.body["consultation_id"]) == (409, started.body["id"])


async def _is_closing(visits: VisitDriver, day: date) -> bool:
    return (await visits.snapshot(day)).phase == "closing"


async def test_swept_request_and_its_signal_count_once(visits: VisitDriver) -> None:
    start = await visits.start_command(DR_AMRANI)
    await visits.database.write(open_request, start.request, datetime.now(UTC), command=start)

    await visits.send_signal(start)
    await visits.sweep(datetime.now(UTC) + A_MINUTE)
    await visits.sweep(datetime.now(UTC) + A_MINUTE)

    assert len(await visits.trackings()) == len(await visits.events()) == 1

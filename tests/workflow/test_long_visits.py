"""Visits so long that they go on in a new run, in the middle of everything: nothing is lost and nothing done twice."""

import asyncio
from datetime import datetime, timedelta

from patient_visit_engine.visit.state import Limits
from tests.support.visits import (
    CARDIOLOGISTS,
    CARDIOLOGY_MINUTES,
    DR_AMRANI,
    DR_BENNIS,
    DR_CHRAIBI,
    DR_DAOUDI,
    DR_IMAGING,
    VisitDriver,
)

A_MINUTE = timedelta(minutes=1)


async def _goes_on_in_a_new_run(clinic: VisitDriver) -> None:
    """Wait until the visit has begun its next run, and has nothing under way."""
    earlier = len(await clinic.histories())
    for _ in range(clinic.limits.messages_per_run):
        await clinic.check_in(DR_IMAGING)
    await clinic.eventually(lambda: _has_more_runs(clinic, earlier))


async def _has_more_runs(clinic: VisitDriver, than: int) -> bool:
    return len(await clinic.histories()) > than


async def test_forty_doctors_at_once_are_each_answered_once_though_the_visit_changes_runs_among_them(
    clinic: VisitDriver,
) -> None:
    clinic.goes_by(Limits(messages_per_run=3))

    answers = await asyncio.gather(*(clinic.start(doctor, wait=True) for doctor in CARDIOLOGISTS))

    (winner,) = (answer for answer in answers if answer.status == 201)
    refused = [answer for answer in answers if answer.status == 409]
    told = [event.name for event in await clinic.told()]
    snapshot = await clinic.snapshot()
    assert len(await clinic.histories()) > 1
    assert {answer.body["consultation_id"] for answer in refused} == {winner.body["id"]}
    assert sorted(answer.body["position"] for answer in refused) == list(range(1, 40))
    assert (told.count("consultation.started"), told.count("consultation.blocked")) == (1, 39)
    assert told.count("patient.updated") == 39
    assert snapshot.facts == await clinic.facts()
    assert len(snapshot.line()) == 39


async def test_messages_of_every_kind_survive_the_change_of_runs(clinic: VisitDriver) -> None:
    clinic.goes_by(Limits(messages_per_run=2))
    begun = await clinic.start(DR_AMRANI)
    signalled = await clinic.to_start(DR_CHRAIBI)

    extended, _, placed, imaging, arrived = await asyncio.gather(
        clinic.extend(begun, 30),
        clinic.visits.signal(clinic.patient, clinic.today, signalled),
        clinic.wait(DR_BENNIS),
        clinic.start(DR_IMAGING),
        clinic.check_in(DR_DAOUDI),
    )
    refused = await clinic.eventually(lambda: clinic.answer(signalled.request))
    ended = await clinic.complete(begun)

    assert [answer.status for answer in (extended, placed, imaging, arrived)] == [200, 200, 201, 201]
    assert (refused.status, refused.body["active_doctor_id"]) == (409, DR_AMRANI)
    assert ended.status == 200
    assert len(await clinic.histories()) > 1
    assert (await clinic.snapshot()).facts == await clinic.facts()


async def test_the_timers_of_a_consultation_are_still_due_in_the_next_run(clinic: VisitDriver) -> None:
    clinic.goes_by(Limits(messages_per_run=2, abandon_after=timedelta(minutes=30)))
    begun = await clinic.start(DR_AMRANI)
    await _goes_on_in_a_new_run(clinic)
    started_at = datetime.fromisoformat(begun.body["started_at"])

    await clinic.time_passes(until=started_at + timedelta(minutes=CARDIOLOGY_MINUTES) + A_MINUTE)
    reminders = await clinic.told("consultation.overdue")
    await clinic.time_passes(until=started_at + timedelta(minutes=31))

    assert len(reminders) == 1
    assert [event.data["outcome"] for event in await clinic.told("consultation.completed")] == ["timed_out"]


async def test_an_open_offer_is_carried_over_and_still_passes_on(clinic: VisitDriver) -> None:
    clinic.goes_by(Limits(messages_per_run=5))
    begun = await clinic.start(DR_AMRANI)
    await clinic.wait(DR_BENNIS)
    await clinic.wait(DR_CHRAIBI)
    await clinic.complete(begun)
    (first,) = await clinic.told("consultation.available")
    await _goes_on_in_a_new_run(clinic)

    reserved = await clinic.start(DR_DAOUDI)
    await clinic.time_passes(until=first.at + A_MINUTE + timedelta(seconds=20))

    _, second = await clinic.told("consultation.available")
    assert reserved.body["reserved_for_id"] == DR_BENNIS
    assert second.channel == f"doctor.{DR_CHRAIBI}"


async def test_a_request_that_was_carried_out_in_an_earlier_run_is_not_carried_out_again(clinic: VisitDriver) -> None:
    clinic.goes_by(Limits(messages_per_run=2))
    start = await clinic.to_start(DR_AMRANI)
    begun = await clinic.send(start)
    await clinic.complete(begun)
    await _goes_on_in_a_new_run(clinic)
    before = await clinic.told()

    again = await clinic.send(start)

    assert again == begun
    assert await clinic.told() == before
    assert (await clinic.facts()).in_progress == ()


async def test_time_limits_given_at_the_opening_are_kept_from_run_to_run(clinic: VisitDriver) -> None:
    clinic.goes_by(Limits(messages_per_run=2, abandon_after=timedelta(minutes=7)))
    await clinic.check_in(DR_BENNIS)
    await _goes_on_in_a_new_run(clinic)
    clinic.goes_by(Limits())

    begun = await clinic.start(DR_AMRANI)

    (running,) = (await clinic.snapshot()).facts.in_progress
    assert running.id == begun.body["id"]
    assert running.abandon_at - running.started_at == timedelta(minutes=7)

"""The ledger fails, comes back, or loses its answer on the way: everything is decided in the end, and once."""

import asyncio
from datetime import timedelta

import pytest
from temporalio.client import WorkflowUpdateFailedError

from patient_visit_engine.storage.requests import open_request
from patient_visit_engine.visit.state import Consultation, Limits
from tests.support.visits import DR_AMRANI, DR_BENNIS, VisitDriver

A_SECOND = timedelta(seconds=1)


async def test_a_start_is_decided_once_after_the_ledger_has_failed_a_few_times(clinic: VisitDriver) -> None:
    clinic.ledger.fails = 3

    begun = await clinic.start(DR_AMRANI)

    assert begun.status == 201
    assert len(await clinic.trackings()) == len(await clinic.told()) == 1


async def test_those_who_ask_while_the_ledger_is_away_are_answered_when_it_is_back(clinic: VisitDriver) -> None:
    clinic.ledger.shut()
    asked = [asyncio.create_task(clinic.start(doctor)) for doctor in (DR_AMRANI, DR_BENNIS)]
    await clinic.eventually(lambda: _somebody_is_at_the_door(clinic))

    clinic.ledger.reopen()
    answers = await asyncio.gather(*asked)

    assert sorted(answer.status for answer in answers) == [201, 409]
    assert sorted(event.name for event in await clinic.told()) == ["consultation.blocked", "consultation.started"]


async def test_a_commit_whose_answer_was_lost_is_not_made_again(clinic: VisitDriver) -> None:
    clinic.ledger.loses_answers = 1
    begun = await clinic.start(DR_AMRANI)
    clinic.ledger.loses_answers = 2
    await clinic.start(DR_BENNIS, wait=True)
    clinic.ledger.loses_answers = 1
    ended = await clinic.complete(begun)

    names = [event.name for event in await clinic.told() if event.name != "patient.updated"]
    assert (begun.status, ended.status) == (201, 200)
    assert names == [
        "consultation.started",
        "consultation.blocked",
        "consultation.completed",
        "consultation.available",
    ]
    assert (await clinic.snapshot()).facts == await clinic.facts()


async def test_a_timeout_whose_answer_was_lost_is_not_told_twice(clinic: VisitDriver) -> None:
    clinic.goes_by(Limits(abandon_after=2 * A_SECOND))
    await clinic.start(DR_AMRANI)
    clinic.ledger.loses_answers = 2

    await clinic.eventually(lambda: _all_losses_are_over(clinic))
    await clinic.check_in(DR_BENNIS)

    assert len(await clinic.told("consultation.completed")) == 1
    assert len(await clinic.told("consultation.released")) == 1


async def test_a_visit_that_gave_the_ledger_up_tells_the_asker_and_decides_when_asked_again(
    clinic: VisitDriver, impatient_visits: None
) -> None:
    start = await clinic.to_start(DR_AMRANI)
    clinic.ledger.fails = 1_000
    with pytest.raises(WorkflowUpdateFailedError):
        await clinic.send(start)
    clinic.ledger.fails = 0

    begun = await clinic.send(start)

    assert begun.status == 201
    assert len(await clinic.trackings()) == 1


async def test_a_visit_that_never_got_the_answer_to_its_commit_reads_the_ledger_by_itself(
    clinic: VisitDriver, impatient_visits: None
) -> None:
    await clinic.check_in(DR_BENNIS)
    clinic.ledger.loses_answers = 1_000
    with pytest.raises(WorkflowUpdateFailedError):
        await clinic.start(DR_AMRANI)
    clinic.ledger.loses_answers = 0

    known = await clinic.eventually(lambda: _what_the_visit_knows_to_run(clinic))

    assert known == (await clinic.facts()).in_progress


async def test_a_signal_that_could_not_be_recorded_ends_no_visit_and_is_sent_again(
    clinic: VisitDriver, impatient_visits: None
) -> None:
    await clinic.check_in(DR_BENNIS)
    start = await clinic.to_start(DR_AMRANI)
    await clinic.database.write(open_request, start.request, await clinic.now(), command=start)
    clinic.ledger.fails = 1_000
    await clinic.visits.signal(clinic.patient, clinic.today, start)
    await clinic.eventually(lambda: _the_visit_gave_up(clinic))
    clinic.ledger.fails = 0

    await clinic.sweep(await clinic.now() + timedelta(minutes=1)).once()

    begun = await clinic.answer(start.request)
    assert begun is not None
    assert begun.status == 201


async def test_a_timer_that_fell_due_while_the_ledger_was_away_is_made_up_for(
    clinic: VisitDriver, impatient_visits: None
) -> None:
    clinic.goes_by(Limits(abandon_after=2 * A_SECOND))
    await clinic.start(DR_AMRANI)
    clinic.ledger.fails = 1_000
    await clinic.eventually(lambda: _the_visit_gave_up(clinic))

    clinic.ledger.fails = 0

    (completed,) = await clinic.eventually(lambda: clinic.told("consultation.completed"))
    assert completed.data["outcome"] == "timed_out"


async def _somebody_is_at_the_door(clinic: VisitDriver) -> bool:
    return clinic.ledger.waiting > 0


async def _all_losses_are_over(clinic: VisitDriver) -> bool:
    return clinic.ledger.loses_answers == 0


async def _the_visit_gave_up(clinic: VisitDriver) -> bool:
    """Whether a local activity's failure stands in the history."""
    markers = [
        event.marker_recorded_event_attributes
        for event in (await clinic.visit().fetch_history()).events
        if event.HasField("marker_recorded_event_attributes")
    ]
    return any(marker.HasField("failure") for marker in markers)


async def _what_the_visit_knows_to_run(clinic: VisitDriver) -> tuple[Consultation, ...]:
    return (await clinic.snapshot()).facts.in_progress

"""What a crash, an operator or a closed day leaves behind, and how it finds a visit again."""

from datetime import UTC, date, datetime, timedelta

import pytest
from temporalio.client import WorkflowExecutionStatus

from patient_visit_engine.storage.facts import NameCache, read_appointment
from patient_visit_engine.storage.ledger.recording import Ledger
from patient_visit_engine.storage.requests import open_request
from patient_visit_engine.visit.calendar import day_ends_at, to_millisecond
from patient_visit_engine.visit.commands import StartConsultation
from patient_visit_engine.visit.policy import decide
from patient_visit_engine.visit.record import LedgerEntry
from patient_visit_engine.visit.state import Limits, VisitState
from patient_visit_engine.workflows.visit_client import DayClosedError
from tests.support.visits import (
    A_DAY,
    CARDIOLOGY_MINUTES,
    DR_AMRANI,
    DR_BENNIS,
    DR_CHRAIBI,
    Answer,
    VisitDriver,
    appointment_id,
)

A_MINUTE = timedelta(minutes=1)


async def _started_behind_the_visits_back(clinic: VisitDriver, doctor: int, *, day: date, at: datetime) -> Answer:
    """A start that was committed while nobody lived to tell the visit."""
    mine = await clinic.database.read(read_appointment, appointment_id(clinic.patient, doctor), NameCache())
    assert mine is not None
    start = StartConsultation(request=clinic.request(), appointment=mine)
    seen = await clinic.facts()
    state = VisitState(
        patient_id=clinic.patient,
        day=day,
        day_ends_at=day_ends_at(day, clinic.zone),
        limits=clinic.limits,
        facts=seen,
    )
    decision = decide(state, start, to_millisecond(at))
    entry = LedgerEntry(
        patient_id=clinic.patient, day=day, decision=decision, seen=seen, request=start.request, appointment=mine
    )
    assert not (await Ledger(clinic.database).record(entry)).overtaken
    answer = await clinic.answer(start.request)
    assert answer is not None
    return answer


async def _a_closed_day(clinic: VisitDriver) -> date:
    yesterday = clinic.today - A_DAY
    with pytest.raises(DayClosedError):
        await clinic.start(DR_CHRAIBI, day=yesterday)
    await clinic.eventually(lambda: _is_closed(clinic, yesterday))
    return yesterday


async def _is_closed(clinic: VisitDriver, day: date) -> bool:
    return (await clinic.visit(day).describe()).status is WorkflowExecutionStatus.COMPLETED


async def test_a_visit_that_was_terminated_starts_again_from_the_ledger_at_the_next_message(
    clinic: VisitDriver,
) -> None:
    begun = await clinic.start(DR_AMRANI)
    await clinic.visit().terminate("by mistake")

    refused = await clinic.start(DR_BENNIS, wait=True)
    known = (await clinic.snapshot()).facts
    ended = await clinic.complete(begun)

    assert (refused.status, refused.body["consultation_id"]) == (409, begun.body["id"])
    assert [consultation.id for consultation in known.in_progress] == [begun.body["id"]]
    assert (ended.status, ended.body["outcome"]) == (200, "done")
    assert [event.channel for event in await clinic.told("consultation.available")] == [f"doctor.{DR_BENNIS}"]


async def test_a_visit_that_was_terminated_takes_a_completion_as_its_first_message(clinic: VisitDriver) -> None:
    begun = await clinic.start(DR_AMRANI)
    await clinic.visit().terminate("by mistake")

    ended = await clinic.complete(begun)

    assert (ended.status, ended.body["outcome"]) == (200, "done")


async def test_timers_are_kept_through_a_termination(clinic: VisitDriver) -> None:
    clinic.goes_by(Limits(abandon_after=timedelta(minutes=30)))
    begun = await clinic.start(DR_AMRANI)
    await clinic.visit().terminate("by mistake")
    await clinic.check_in(DR_BENNIS)
    started_at = datetime.fromisoformat(begun.body["started_at"])

    await clinic.time_passes(until=started_at + timedelta(minutes=31))

    assert [event.name for event in await clinic.told("consultation.overdue", "consultation.completed")] == [
        "consultation.overdue",
        "consultation.completed",
    ]


async def test_a_consultation_that_the_visit_does_not_know_of_still_has_the_patient(clinic: VisitDriver) -> None:
    await clinic.check_in(DR_CHRAIBI)
    begun = await _started_behind_the_visits_back(clinic, DR_AMRANI, day=clinic.today, at=datetime.now(UTC))

    refused = await clinic.start(DR_BENNIS)

    (running,) = (await clinic.snapshot()).facts.in_progress
    assert (refused.status, refused.body["consultation_id"]) == (409, begun.body["id"])
    assert running.id == begun.body["id"]


async def test_a_visit_that_learns_of_a_consultation_keeps_its_timers(clinic: VisitDriver) -> None:
    await clinic.check_in(DR_CHRAIBI)
    begun = await _started_behind_the_visits_back(clinic, DR_AMRANI, day=clinic.today, at=datetime.now(UTC))
    await clinic.start(DR_BENNIS)
    due = datetime.fromisoformat(begun.body["started_at"]) + timedelta(minutes=CARDIOLOGY_MINUTES)

    await clinic.time_passes(until=due + A_MINUTE)

    (reminder,) = await clinic.told("consultation.overdue")
    assert reminder.channel == f"doctor.{DR_AMRANI}"


async def test_the_sweep_reminds_a_living_visit_of_a_consultation_whose_time_is_over(clinic: VisitDriver) -> None:
    await clinic.check_in(DR_CHRAIBI)
    long_ago = datetime.now(UTC) - timedelta(minutes=CARDIOLOGY_MINUTES + 1)
    begun = await _started_behind_the_visits_back(clinic, DR_AMRANI, day=clinic.today, at=long_ago)

    await clinic.sweep(datetime.now(UTC)).once()

    (reminder,) = await clinic.eventually(lambda: clinic.told("consultation.overdue"))
    assert reminder.data["consultation_id"] == begun.body["id"]


async def test_the_sweep_opens_a_visit_for_a_consultation_that_has_none(clinic: VisitDriver) -> None:
    long_ago = datetime.now(UTC) - timedelta(hours=5)
    await _started_behind_the_visits_back(clinic, DR_AMRANI, day=clinic.today, at=long_ago)

    await clinic.sweep(datetime.now(UTC)).once()

    (completed,) = await clinic.eventually(lambda: clinic.told("consultation.completed"))
    assert completed.data["outcome"] == "timed_out"
    assert (await clinic.facts()).in_progress == ()


async def test_a_consultation_from_a_day_that_has_closed_is_adopted_by_todays_visit(clinic: VisitDriver) -> None:
    yesterday = await _a_closed_day(clinic)
    late = datetime.now(UTC) - timedelta(minutes=CARDIOLOGY_MINUTES + 1)
    begun = await _started_behind_the_visits_back(clinic, DR_AMRANI, day=yesterday, at=late)

    await clinic.sweep(datetime.now(UTC)).once()
    (reminder,) = await clinic.eventually(lambda: clinic.told("consultation.overdue"))
    ended = await clinic.complete(begun)

    assert reminder.data["consultation_id"] == begun.body["id"]
    assert [row.visit_day for row in await clinic.trackings()] == [clinic.today]
    assert ended.status == 200


async def test_the_sweep_leaves_alone_what_is_not_late(clinic: VisitDriver) -> None:
    await clinic.start(DR_AMRANI)
    before = len((await clinic.visit().fetch_history()).events)

    await clinic.sweep(datetime.now(UTC)).once()

    assert len((await clinic.visit().fetch_history()).events) == before


async def test_a_signal_that_met_a_closed_day_is_sent_again_to_todays_visit(clinic: VisitDriver) -> None:
    yesterday = await _a_closed_day(clinic)
    start = await clinic.to_start(DR_AMRANI)
    await clinic.database.write(open_request, start.request, datetime.now(UTC), command=start)
    with pytest.raises(DayClosedError):
        await clinic.visits.signal(clinic.patient, yesterday, start)

    await clinic.sweep(datetime.now(UTC) + A_MINUTE).once()

    answer = await clinic.answer(start.request)
    assert answer is not None
    assert answer.status == 201
    assert [row.visit_day for row in await clinic.trackings()] == [clinic.today]


async def test_a_signal_to_a_day_that_only_runs_out_is_sent_again_as_well(clinic: VisitDriver) -> None:
    yesterday = clinic.today - A_DAY
    begun = await _started_behind_the_visits_back(clinic, DR_AMRANI, day=yesterday, at=datetime.now(UTC))
    start = await clinic.to_start(DR_BENNIS)
    await clinic.database.write(open_request, start.request, datetime.now(UTC), command=start)
    await clinic.visits.signal(clinic.patient, yesterday, start)
    await clinic.eventually(lambda: _is_running_out(clinic, yesterday))
    undecided = await clinic.answer(start.request)

    await clinic.sweep(datetime.now(UTC) + A_MINUTE).once()

    refused = await clinic.answer(start.request)
    assert undecided is None
    assert refused is not None
    assert (refused.status, refused.body["consultation_id"]) == (409, begun.body["id"])


async def _is_running_out(clinic: VisitDriver, day: date) -> bool:
    return (await clinic.snapshot(day)).phase == "closing"


async def test_a_request_that_is_swept_while_its_signal_arrives_is_carried_out_once(clinic: VisitDriver) -> None:
    start = await clinic.to_start(DR_AMRANI)
    await clinic.database.write(open_request, start.request, datetime.now(UTC), command=start)

    await clinic.visits.signal(clinic.patient, clinic.today, start)
    await clinic.sweep(datetime.now(UTC) + A_MINUTE).once()
    await clinic.sweep(datetime.now(UTC) + A_MINUTE).once()

    assert len(await clinic.trackings()) == len(await clinic.told()) == 1

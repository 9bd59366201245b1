"""Starts, refusals, completions and the other messages of a visit, on a real Temporal server."""

import asyncio

import pytest
from sqlalchemy import update

from patient_visit_engine.storage.tables import appointments
from patient_visit_engine.visit.codes import AppointmentStatus
from tests.support.visit_rows import CARDIOLOGISTS, DR_AMRANI, DR_BENNIS, DR_CHRAIBI, DR_IMAGING, appointment_id
from tests.support.visits import VisitDriver


async def test_free_patient_starts_consultation(visits: VisitDriver) -> None:
    started = await visits.start(DR_AMRANI)

    (row,) = await visits.trackings()
    (event,) = await visits.events()
    assert (started.status, started.body["status"]) == (201, "in_progress")
    assert (row.status, row.consultation_id, row.doctor_id) == ("in_progress", started.body["id"], DR_AMRANI)
    assert (event.name, event.data["consultation_id"]) == ("consultation.started", started.body["id"])
    assert (await visits.appointment(DR_AMRANI)).status is AppointmentStatus.in_progress


async def test_snapshot_has_the_facts_of_the_ledger(visits: VisitDriver) -> None:
    await visits.check_in(DR_CHRAIBI)
    await visits.start(DR_AMRANI)
    await visits.wait(DR_BENNIS)

    snapshot = await visits.snapshot()

    assert (snapshot.patient_id, snapshot.day, snapshot.phase) == (visits.patient, visits.today, "open")
    assert snapshot.facts == await visits.facts()
    assert [place.doctor_id for place in snapshot.line()] == [DR_BENNIS]


async def test_second_doctor_is_refused_with_holder(visits: VisitDriver) -> None:
    started = await visits.start(DR_AMRANI)

    refused = await visits.start(DR_BENNIS)

    blocked = (await visits.events())[-1]
    assert (refused.status, refused.body["code"]) == (409, "patient_in_consultation")
    assert (refused.body["active_doctor"], refused.body["consultation_id"]) == ("Dr. Amrani", started.body["id"])
    assert (blocked.name, blocked.channel) == ("consultation.blocked", f"doctor.{DR_BENNIS}")
    assert blocked.data["request_id"] == refused.body["request_id"]


async def test_one_of_forty_doctors_gets_the_patient(visits: VisitDriver) -> None:
    answers = await asyncio.gather(*(visits.start(doctor) for doctor in CARDIOLOGISTS))

    (winner,) = (answer for answer in answers if answer.status == 201)
    refused = [answer for answer in answers if answer.status == 409]
    (row,) = await visits.trackings()
    events = await visits.events()
    assert len(refused) == 39
    assert {answer.body["consultation_id"] for answer in refused} == {winner.body["id"]} == {row.consultation_id}
    assert {answer.body["active_doctor_id"] for answer in refused} == {winner.body["doctor_id"]} == {row.doctor_id}
    assert [event.name for event in events] == ["consultation.started"] + ["consultation.blocked"] * 39
    assert {event.channel for event in events[1:]} == {
        f"doctor.{doctor}" for doctor in CARDIOLOGISTS if doctor != winner.body["doctor_id"]
    }


async def test_imaging_runs_next_to_a_consultation(visits: VisitDriver) -> None:
    await visits.start(DR_AMRANI)

    imaging = await visits.start(DR_IMAGING)

    assert imaging.status == 201
    assert [row.status for row in await visits.trackings()] == ["in_progress", "in_progress"]


async def test_second_start_returns_same_consultation(visits: VisitDriver) -> None:
    started = await visits.start(DR_AMRANI)

    repeated = await visits.start(DR_AMRANI)

    assert (repeated.status, repeated.body) == (200, started.body)
    assert len(await visits.events()) == 1


async def test_repeated_request_counts_once(visits: VisitDriver) -> None:
    start = await visits.start_command(DR_AMRANI, key="double click")

    answers = await asyncio.gather(*(visits.send(start) for _ in range(5)))

    assert {answer.status for answer in answers} == {201}
    assert len(await visits.trackings()) == len(await visits.events()) == 1


async def test_completion_frees_the_patient(visits: VisitDriver) -> None:
    await visits.check_in(DR_BENNIS)
    started = await visits.start(DR_AMRANI)

    completed = await visits.complete(started)
    next_start = await visits.start(DR_CHRAIBI)

    waiting, closed, running = await visits.trackings()
    assert (completed.status, completed.body["outcome"]) == (200, "done")
    assert next_start.status == 201
    assert (waiting.status, closed.outcome, running.status) == ("pending", "done", "in_progress")
    assert (await visits.appointment(DR_AMRANI)).status is AppointmentStatus.done


async def test_second_completion_changes_nothing(visits: VisitDriver) -> None:
    started = await visits.start(DR_AMRANI)
    first = await visits.complete(started)

    second = await visits.complete(started)

    assert second == first
    assert len(await visits.events("consultation.completed")) == 1


async def test_simultaneous_completions_count_once(visits: VisitDriver) -> None:
    started = await visits.start(DR_AMRANI)

    answers = await asyncio.gather(*(visits.complete(started) for _ in range(8)))

    assert all(answer == answers[0] and answer.status == 200 for answer in answers)
    assert len(await visits.events("consultation.completed")) == 1


async def test_other_doctor_cannot_complete(visits: VisitDriver) -> None:
    started = await visits.start(DR_AMRANI)

    refused = await visits.complete(started, by=DR_BENNIS)

    assert (refused.status, refused.body["code"]) == (403, "not_yours")
    assert [row.status for row in await visits.trackings()] == ["in_progress"]


async def test_start_and_completion_work_as_signals(visits: VisitDriver) -> None:
    start = await visits.start_command(DR_AMRANI)

    await visits.send_signal(start)
    started = await visits.wait_for_answer(start.request)
    complete = visits.complete_command(started)
    await visits.send_signal(complete)
    completed = await visits.wait_for_answer(complete.request)

    assert (started.status, completed.status) == (201, 200)
    assert [event.name for event in await visits.events()] == ["consultation.started", "consultation.completed"]


async def test_signal_and_update_of_one_key_count_once(visits: VisitDriver) -> None:
    start = await visits.start_command(DR_AMRANI)
    await visits.send_signal(start)

    started = await visits.send(start)

    assert started.status == 201
    assert len(await visits.trackings()) == len(await visits.events()) == 1


async def test_supervisor_releases_consultation(visits: VisitDriver) -> None:
    started = await visits.start(DR_AMRANI)

    released = await visits.release(started)
    refused = await visits.complete(started)
    restarted = await visits.start(DR_AMRANI)

    assert (released.status, released.body["outcome"]) == (200, "released")
    assert (refused.status, refused.body["code"], refused.body["outcome"]) == (409, "consultation_ended", "released")
    assert restarted.status == 201
    assert (await visits.events("consultation.released"))[0].channel == f"doctor.{DR_AMRANI}"


async def test_reception_checks_in_and_out_and_cancels(visits: VisitDriver) -> None:
    checked_in = await visits.check_in(DR_AMRANI)
    repeated = await visits.check_in(DR_AMRANI)
    checked_out = await visits.check_out(DR_AMRANI)
    canceled = await visits.set_status(DR_AMRANI, AppointmentStatus.canceled)
    refused = await visits.start(DR_AMRANI)

    assert [answer.status for answer in (checked_in, repeated, checked_out, canceled)] == [201, 200, 200, 200]
    assert repeated.body["id"] == checked_in.body["id"]
    assert checked_out.body["outcome"] == "left"
    assert (refused.status, refused.body["appointment_status"]) == (409, "canceled")


async def test_check_outs_at_one_moment_have_the_same_answer(visits: VisitDriver) -> None:
    """Both were read while the patient was checked in."""
    await visits.check_in(DR_AMRANI)
    commands = [await visits.check_out_command(DR_AMRANI) for _ in range(2)]

    first, second = await asyncio.gather(*map(visits.send, commands))

    assert (first.status, first.body["outcome"]) == (200, "left")
    assert (second.status, second.body) == (200, first.body)
    assert (await visits.appointment(DR_AMRANI)).status is AppointmentStatus.confirmed


async def test_extension_moves_the_expected_end(visits: VisitDriver) -> None:
    started = await visits.start(DR_AMRANI)

    extended = await visits.extend(started, 30)

    (running,) = (await visits.snapshot()).facts.in_progress
    assert extended.status == 200
    assert running.overdue_at.isoformat() > started.body["overdue_at"]
    assert (running.overdue_at - running.started_at).total_seconds() == 50 * 60


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"status": AppointmentStatus.canceled.value}, 409, "appointment_closed"),
        ({"doctor_id": DR_BENNIS}, 422, "appointment_mismatch"),
    ],
    ids=["canceled", "given to another doctor"],
)
async def test_start_is_decided_on_stored_appointment(
    visits: VisitDriver, changed: dict[str, int], status: int, code: str
) -> None:
    start = await visits.start_command(DR_AMRANI)
    change = (
        update(appointments).where(appointments.c.id == appointment_id(visits.patient, DR_AMRANI)).values(**changed)
    )
    await visits.database.write(lambda connection: connection.execute(change))

    refused = await visits.send(start)

    assert (refused.status, refused.body["code"]) == (status, code)
    assert await visits.trackings() == []

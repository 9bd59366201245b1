"""A doctor starts, another is refused, the first completes: what the messages of a visit do, on a real server."""

import asyncio

import pytest
from sqlalchemy import update

from patient_visit_engine.storage.tables import appointments
from patient_visit_engine.visit.codes import AppointmentStatus
from tests.support.visits import (
    CARDIOLOGISTS,
    DR_AMRANI,
    DR_BENNIS,
    DR_CHRAIBI,
    DR_IMAGING,
    VisitDriver,
    appointment_id,
)


async def test_a_patient_who_is_free_may_start_a_consultation(clinic: VisitDriver) -> None:
    begun = await clinic.start(DR_AMRANI)

    (row,) = await clinic.trackings()
    (told,) = await clinic.told()
    assert (begun.status, begun.body["status"]) == (201, "in_progress")
    assert (row.status, row.consultation_id, row.doctor_id) == ("in_progress", begun.body["id"], DR_AMRANI)
    assert (told.name, told.data["consultation_id"]) == ("consultation.started", begun.body["id"])
    assert (await clinic.appointment(DR_AMRANI)).status is AppointmentStatus.in_progress


async def test_a_visit_shows_the_facts_that_the_ledger_has(clinic: VisitDriver) -> None:
    await clinic.check_in(DR_CHRAIBI)
    await clinic.start(DR_AMRANI)
    await clinic.wait(DR_BENNIS)

    snapshot = await clinic.snapshot()

    assert (snapshot.patient_id, snapshot.day, snapshot.phase) == (clinic.patient, clinic.today, "open")
    assert snapshot.facts == await clinic.facts()
    assert [place.doctor_id for place in snapshot.line()] == [DR_BENNIS]


async def test_a_second_doctor_is_refused_and_told_who_has_the_patient(clinic: VisitDriver) -> None:
    begun = await clinic.start(DR_AMRANI)

    refused = await clinic.start(DR_BENNIS)

    blocked = (await clinic.told())[-1]
    assert (refused.status, refused.body["code"]) == (409, "patient_in_consultation")
    assert (refused.body["active_doctor"], refused.body["consultation_id"]) == ("Dr. Amrani", begun.body["id"])
    assert (blocked.name, blocked.channel) == ("consultation.blocked", f"doctor.{DR_BENNIS}")
    assert blocked.data["request_id"] == refused.body["request_id"]


async def test_of_forty_doctors_at_once_one_has_the_patient_and_the_others_hear_who(clinic: VisitDriver) -> None:
    answers = await asyncio.gather(*(clinic.start(doctor) for doctor in CARDIOLOGISTS))

    (winner,) = (answer for answer in answers if answer.status == 201)
    refused = [answer for answer in answers if answer.status == 409]
    (row,) = await clinic.trackings()
    told = await clinic.told()
    assert len(refused) == 39
    assert {answer.body["consultation_id"] for answer in refused} == {winner.body["id"]} == {row.consultation_id}
    assert {answer.body["active_doctor_id"] for answer in refused} == {winner.body["doctor_id"]} == {row.doctor_id}
    assert [event.name for event in told] == ["consultation.started"] + ["consultation.blocked"] * 39
    assert {event.channel for event in told[1:]} == {
        f"doctor.{doctor}" for doctor in CARDIOLOGISTS if doctor != winner.body["doctor_id"]
    }


async def test_imaging_runs_beside_a_consultation(clinic: VisitDriver) -> None:
    await clinic.start(DR_AMRANI)

    beside = await clinic.start(DR_IMAGING)

    assert beside.status == 201
    assert [row.status for row in await clinic.trackings()] == ["in_progress", "in_progress"]


async def test_starting_what_one_has_already_started_gives_the_same_consultation(clinic: VisitDriver) -> None:
    begun = await clinic.start(DR_AMRANI)

    again = await clinic.start(DR_AMRANI)

    assert (again.status, again.body) == (200, begun.body)
    assert len(await clinic.told()) == 1


async def test_a_request_sent_many_times_at_once_is_carried_out_once(clinic: VisitDriver) -> None:
    same = await clinic.to_start(DR_AMRANI, key="double click")

    answers = await asyncio.gather(*(clinic.send(same) for _ in range(5)))

    assert {answer.status for answer in answers} == {201}
    assert len(await clinic.trackings()) == len(await clinic.told()) == 1


async def test_a_completion_ends_its_own_consultation_and_frees_the_patient(clinic: VisitDriver) -> None:
    await clinic.check_in(DR_BENNIS)
    begun = await clinic.start(DR_AMRANI)

    ended = await clinic.complete(begun)
    following = await clinic.start(DR_CHRAIBI)

    waiting, completed, running = await clinic.trackings()
    assert (ended.status, ended.body["outcome"]) == (200, "done")
    assert following.status == 201
    assert (waiting.status, completed.outcome, running.status) == ("pending", "done", "in_progress")
    assert (await clinic.appointment(DR_AMRANI)).status is AppointmentStatus.done


async def test_a_second_completion_answers_as_the_first_and_changes_nothing(clinic: VisitDriver) -> None:
    begun = await clinic.start(DR_AMRANI)
    first = await clinic.complete(begun)

    second = await clinic.complete(begun)

    assert second == first
    assert len(await clinic.told("consultation.completed")) == 1


async def test_completions_at_the_same_moment_end_the_consultation_once(clinic: VisitDriver) -> None:
    begun = await clinic.start(DR_AMRANI)

    answers = await asyncio.gather(*(clinic.complete(begun) for _ in range(8)))

    assert all(answer == answers[0] and answer.status == 200 for answer in answers)
    assert len(await clinic.told("consultation.completed")) == 1


async def test_another_doctor_cannot_complete_the_consultation(clinic: VisitDriver) -> None:
    begun = await clinic.start(DR_AMRANI)

    refused = await clinic.complete(begun, by=DR_BENNIS)

    assert (refused.status, refused.body["code"]) == (403, "not_yours")
    assert [row.status for row in await clinic.trackings()] == ["in_progress"]


async def test_a_start_and_a_completion_travel_as_signals_too(clinic: VisitDriver) -> None:
    start = await clinic.to_start(DR_AMRANI)

    await clinic.visits.signal(clinic.patient, clinic.today, start)
    begun = await clinic.eventually(lambda: clinic.answer(start.request))
    complete = clinic.to_complete(begun)
    await clinic.visits.signal(clinic.patient, clinic.today, complete)
    ended = await clinic.eventually(lambda: clinic.answer(complete.request))

    assert (begun.status, ended.status) == (201, 200)
    assert [event.name for event in await clinic.told()] == ["consultation.started", "consultation.completed"]


async def test_a_signal_and_an_update_of_one_request_are_carried_out_once(clinic: VisitDriver) -> None:
    start = await clinic.to_start(DR_AMRANI)
    await clinic.visits.signal(clinic.patient, clinic.today, start)

    begun = await clinic.send(start)

    assert begun.status == 201
    assert len(await clinic.trackings()) == len(await clinic.told()) == 1


async def test_a_supervisor_releases_a_forgotten_consultation(clinic: VisitDriver) -> None:
    begun = await clinic.start(DR_AMRANI)

    released = await clinic.release(begun)
    late = await clinic.complete(begun)
    again = await clinic.start(DR_AMRANI)

    assert (released.status, released.body["outcome"]) == (200, "released")
    assert (late.status, late.body["code"], late.body["outcome"]) == (409, "consultation_ended", "released")
    assert again.status == 201
    assert (await clinic.told("consultation.released"))[0].channel == f"doctor.{DR_AMRANI}"


async def test_a_desk_checks_in_out_and_cancels(clinic: VisitDriver) -> None:
    arrived = await clinic.check_in(DR_AMRANI)
    again = await clinic.check_in(DR_AMRANI)
    gone = await clinic.check_out(DR_AMRANI)
    cancelled = await clinic.set_status(DR_AMRANI, AppointmentStatus.canceled)
    refused = await clinic.start(DR_AMRANI)

    assert [answer.status for answer in (arrived, again, gone, cancelled)] == [201, 200, 200, 200]
    assert again.body["id"] == arrived.body["id"]
    assert gone.body["outcome"] == "cancelled"
    assert (refused.status, refused.body["appointment_status"]) == (409, "canceled")


async def test_an_extension_moves_the_expected_end(clinic: VisitDriver) -> None:
    begun = await clinic.start(DR_AMRANI)

    extended = await clinic.extend(begun, 30)

    (running,) = (await clinic.snapshot()).facts.in_progress
    assert extended.status == 200
    assert running.overdue_at.isoformat() > begun.body["overdue_at"]
    assert (running.overdue_at - running.started_at).total_seconds() == 50 * 60


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"status": AppointmentStatus.canceled.value}, 409, "appointment_closed"),
        ({"doctor_id": DR_BENNIS}, 422, "appointment_mismatch"),
    ],
    ids=["canceled", "given to another doctor"],
)
async def test_a_start_is_decided_on_the_appointment_as_it_is_stored(
    clinic: VisitDriver, changed: dict[str, int], status: int, code: str
) -> None:
    start = await clinic.to_start(DR_AMRANI)
    change = (
        update(appointments).where(appointments.c.id == appointment_id(clinic.patient, DR_AMRANI)).values(**changed)
    )
    await clinic.database.write(lambda connection: connection.execute(change))

    refused = await clinic.send(start)

    assert (refused.status, refused.body["code"]) == (status, code)
    assert await clinic.trackings() == []

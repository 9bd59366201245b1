"""One decision is one transaction, written once, and only on facts that still stand."""

from datetime import timedelta

import pytest
from sqlalchemy import Connection, select, update

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.requests import open_request
from patient_visit_engine.storage.tables import appointments, events, timeline
from patient_visit_engine.visit.codes import AppointmentStatus
from tests.support.builders import (
    DR_AMRANI,
    DR_OKAFOR,
    DR_SMITH,
    JOHN_DOE,
    MARIA_SILVA,
    MIDNIGHT,
    NOON,
    X_RAY,
    a_check_in,
    a_completion,
    a_release,
    a_request,
    a_start,
    a_wait,
    an_appointment,
    minutes,
    seed,
)
from tests.support.ledger import LedgerDriver, column, everything, kept_answer

MINE, OF_SMITH = an_appointment(DR_AMRANI), an_appointment(DR_SMITH)


def set_status(connection: Connection, number: int, status: AppointmentStatus) -> None:
    """Somebody else has written the appointment's status meanwhile."""
    connection.execute(update(appointments).where(appointments.c.id == number).values(status=status.value))


async def test_a_decision_recorded_twice_is_written_once_with_one_answer(database: Database) -> None:
    await database.write(seed, MINE)
    desk = LedgerDriver(database)
    entry = desk.entry(a_start(MINE))

    first = await desk.ledger.record(entry)
    written = await database.read(everything)
    again = await desk.ledger.record(entry)

    assert first == again
    assert await database.read(everything) == written
    assert (await database.read(kept_answer, a_request("start").id)).status == 201
    assert len(written["events"]) == len(written["timeline"]) == 1


async def test_a_refusal_too_is_written_once_and_told_once(database: Database) -> None:
    await database.write(seed, MINE, OF_SMITH)
    desk = LedgerDriver(database)
    await desk.ask(a_start(OF_SMITH, "smith"))
    entry = desk.entry(a_start(MINE, "amrani"), NOON + minutes(14))

    await desk.ledger.record(entry)
    written = await database.read(everything)
    await desk.ledger.record(entry)

    answer = await database.read(kept_answer, a_request("amrani").id)
    assert await database.read(everything) == written
    assert (answer.status, answer.body["active_doctor"], answer.body["elapsed_seconds"]) == (409, "Dr. Smith", 840)
    assert await database.read(column, "events", "name") == ["consultation.started", "consultation.blocked"]


async def test_a_visit_with_stale_facts_writes_nothing_and_learns_who_has_the_patient(database: Database) -> None:
    await database.write(seed, MINE, OF_SMITH)
    yesterdays, todays = LedgerDriver(database), LedgerDriver(database, day=MIDNIGHT.date() + timedelta(days=1))
    await yesterdays.ask(a_start(OF_SMITH, "smith"))
    before = await database.read(everything)

    stale = await todays.record(todays.entry(a_start(MINE, "amrani")))
    unchanged = await database.read(everything)
    answer = await todays.ask(a_start(MINE, "amrani"), NOON + minutes(1))

    assert stale.overtaken
    assert unchanged == before
    assert [c.doctor_id for c in stale.facts.in_progress] == [DR_SMITH.id]
    assert (answer.status, answer.body["active_doctor_id"]) == (409, DR_SMITH.id)


async def test_an_appointment_that_changed_meanwhile_overtakes_the_decision(database: Database) -> None:
    await database.write(seed, MINE)
    desk = LedgerDriver(database)
    entry = desk.entry(a_start(MINE))
    await database.write(set_status, MINE.id, AppointmentStatus.canceled)
    before = await database.read(everything)

    recorded = await desk.record(entry)

    assert recorded.overtaken
    assert recorded.appointment is not None
    assert recorded.appointment.status is AppointmentStatus.canceled
    assert await database.read(everything) == before


async def test_an_appointment_that_is_gone_overtakes_the_decision(database: Database) -> None:
    await database.write(seed)
    desk = LedgerDriver(database)
    before = await database.read(everything)

    recorded = await desk.record(desk.entry(a_start(MINE)))

    assert (recorded.overtaken, recorded.appointment) == (True, None)
    assert await database.read(everything) == before


async def test_two_patients_lines_that_end_in_one_millisecond_are_both_told(database: Database) -> None:
    desks = []
    for patient in (JOHN_DOE, MARIA_SILVA):
        busy, waits = an_appointment(DR_SMITH, patient=patient), an_appointment(DR_AMRANI, patient=patient)
        await database.write(seed, busy, waits)
        desk = LedgerDriver(database, patient_id=patient.id)
        await desk.ask(a_start(busy, f"start {patient.id}"), MIDNIGHT - minutes(2))
        await desk.ask(a_wait(waits, f"wait {patient.id}"), MIDNIGHT - minutes(1))
        desks.append(desk)

    for desk in desks:
        await desk.let_time_decide(MIDNIGHT)

    def told_at_midnight(connection: Connection) -> list[int]:
        query = select(events.c.patient_id).where(events.c.name == "patient.updated", events.c.at == MIDNIGHT)
        return list(connection.scalars(query.order_by(events.c.seq)))

    assert await database.read(told_at_midnight) == [JOHN_DOE.id, MARIA_SILVA.id]


async def test_a_reason_stays_in_the_database_and_reaches_the_story(database: Database) -> None:
    await database.write(seed, MINE)
    desk = LedgerDriver(database)
    await desk.ask(a_start(MINE))
    release = a_release(desk.state.facts.in_progress[0])
    await database.write(open_request, release.request, NOON, reason="Dr. Amrani has gone home")

    answer = await desk.ask(release, NOON + minutes(5))

    assert (answer.status, answer.body["outcome"]) == (200, "released")
    assert await database.read(column, "timeline", "reason") == [None, "Dr. Amrani has gone home"]
    assert not any("home" in data for data in await database.read(column, "events", "data"))


async def test_a_check_in_by_reception_makes_nobody_but_the_doctor_the_holder(database: Database) -> None:
    await database.write(seed, MINE, OF_SMITH)
    desk = LedgerDriver(database)
    checked_in = await desk.ask(a_check_in(OF_SMITH))
    await desk.ask(a_start(await desk.appointment(OF_SMITH.id), "smith"), NOON + minutes(1))

    refused = await desk.ask(a_start(MINE, "amrani"), NOON + minutes(2))

    assert checked_in.body["created_by"] == "2"
    assert (refused.body["active_doctor"], refused.body["active_doctor_id"]) == ("Dr. Smith", DR_SMITH.id)
    assert "consultation.blocked" in await database.read(column, "events", "name")
    assert await database.read(column, "patient_trackings", "created_by") == [2]
    assert await database.read(column, "patient_trackings", "check_in_time") == [NOON]


async def test_a_start_takes_its_own_check_in_and_a_completion_closes_its_own_row(database: Database) -> None:
    x_ray = an_appointment(DR_OKAFOR, prestation=X_RAY)
    await database.write(seed, MINE, OF_SMITH, x_ray)
    desk = LedgerDriver(database)
    for mine in (MINE, OF_SMITH, x_ray):
        await desk.ask(a_check_in(mine, f"check in {mine.id}"))

    await desk.ask(a_start(await desk.appointment(OF_SMITH.id), "smith"))
    after_one = await database.read(column, "patient_trackings", "status")
    await desk.ask(a_start(await desk.appointment(x_ray.id), "x-ray"))
    after_two = await database.read(column, "patient_trackings", "status")
    await desk.ask(a_completion(desk.state.facts.in_progress[0]), NOON + minutes(9))

    assert after_one == ["pending", "in_progress", "pending"]
    assert after_two == ["pending", "in_progress", "in_progress"]
    assert await database.read(column, "patient_trackings", "status") == ["pending", "completed", "in_progress"]


async def test_a_second_completion_gets_the_same_answer_and_tells_nobody(database: Database) -> None:
    await database.write(seed, MINE)
    desk = LedgerDriver(database)
    await desk.ask(a_start(MINE))
    running = desk.state.facts.in_progress[0]

    first = await desk.ask(a_completion(running, "once"), NOON + minutes(9))
    again = await desk.ask(a_completion(running, "once more"), NOON + minutes(10))

    assert first == again
    assert first.status == 200
    assert await database.read(column, "events", "name") == ["consultation.started", "consultation.completed"]


@pytest.mark.parametrize("how", ["released", "timed_out"])
async def test_an_appointment_that_ended_undone_is_confirmed_and_may_be_started_again(
    database: Database, how: str
) -> None:
    await database.write(seed, MINE)
    desk = LedgerDriver(database)
    await desk.ask(a_start(MINE))
    running = desk.state.facts.in_progress[0]

    if how == "released":
        await desk.ask(a_release(running), NOON + minutes(5))
    else:
        await desk.let_time_decide(NOON + timedelta(hours=4))
    confirmed = await desk.appointment(MINE.id)
    too_late = await desk.ask(a_completion(running), NOON + timedelta(hours=5))
    again = await desk.ask(a_start(confirmed, "again"), NOON + timedelta(hours=5))

    assert confirmed.status is AppointmentStatus.confirmed
    assert (too_late.status, too_late.body["code"], too_late.body["outcome"]) == (409, "consultation_ended", how)
    assert again.status == 201
    assert again.body["id"] != running.id
    assert await database.read(column, "patient_trackings", "outcome") == [how, None]


async def test_the_story_says_who_asked_and_in_which_visit(database: Database) -> None:
    await database.write(seed, MINE)
    desk = LedgerDriver(database)

    await desk.ask(a_check_in(MINE))
    await desk.let_time_decide(MIDNIGHT)

    def story(connection: Connection) -> list[tuple[object, ...]]:
        query = select(timeline.c.event, timeline.c.caller_id, timeline.c.visit_day).order_by(timeline.c.id)
        return [tuple(row) for row in connection.execute(query)]

    assert await database.read(story) == [("checked_in", 2, desk.state.day), ("left", None, desk.state.day)]

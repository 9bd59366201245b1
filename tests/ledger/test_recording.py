"""One decision is one transaction. It is written once, and only if its facts are still true."""

from datetime import timedelta

import pytest
from sqlalchemy import Connection, select, update

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.requests import open_request
from patient_visit_engine.storage.tables import appointments, events, timeline
from patient_visit_engine.visit.codes import AppointmentStatus
from patient_visit_engine.visit.record import UnrecordableError
from tests.support.builders import (
    DAY,
    DAY_END,
    DR_AMRANI,
    DR_OKAFOR,
    DR_SMITH,
    JOHN_DOE,
    MARIA_SILVA,
    NOON,
    RECEPTIONIST,
    X_RAY,
    a_request,
    an_appointment,
    minutes,
    move_appointments,
    seed,
)
from tests.support.commands import a_check_in, a_completion, a_release, a_start, a_wait
from tests.support.ledger import LedgerDriver, all_rows, column, stored_answer

OF_AMRANI, OF_SMITH = an_appointment(DR_AMRANI), an_appointment(DR_SMITH)


def set_status(connection: Connection, number: int, status: AppointmentStatus) -> None:
    """Change the status directly, as another program would."""
    connection.execute(update(appointments).where(appointments.c.id == number).values(status=status.value))


async def test_decision_recorded_twice_is_written_once(database: Database, ledger: LedgerDriver) -> None:
    await database.write(seed, OF_AMRANI)
    entry = ledger.entry(a_start(OF_AMRANI))

    first = await ledger.record(entry)
    rows = await database.read(all_rows)
    second = await ledger.record(entry)

    assert first == second
    assert await database.read(all_rows) == rows
    assert (await database.read(stored_answer, a_request("start").id)).status == 201
    assert len(rows["events"]) == len(rows["timeline"]) == 1


async def test_refusal_recorded_twice_is_written_once(database: Database, ledger: LedgerDriver) -> None:
    await database.write(seed, OF_AMRANI, OF_SMITH)
    await ledger.send(a_start(OF_SMITH, "smith"))
    entry = ledger.entry(a_start(OF_AMRANI, "amrani"), NOON + minutes(14))

    await ledger.record(entry)
    rows = await database.read(all_rows)
    await ledger.record(entry)

    answer = await database.read(stored_answer, a_request("amrani").id)
    assert await database.read(all_rows) == rows
    assert (answer.status, answer.body["active_doctor"], answer.body["elapsed_seconds"]) == (409, "Dr. Smith", 840)
    assert await database.read(column, "events", "name") == ["consultation.started", "consultation.blocked"]


async def test_each_status_is_a_new_version(database: Database, ledger: LedgerDriver) -> None:
    await database.write(seed, OF_AMRANI)

    await ledger.send(a_check_in(OF_AMRANI))
    await ledger.send(a_start(OF_AMRANI))
    await ledger.send(a_completion(ledger.running))

    assert await database.read(column, "appointments", "version") == [4]


async def test_stale_visit_only_gets_new_facts(database: Database) -> None:
    await database.write(seed, OF_AMRANI, OF_SMITH)
    other_visit, visit = LedgerDriver(database), LedgerDriver(database, day=DAY + timedelta(days=1))
    await other_visit.send(a_start(OF_SMITH, "smith"))
    await database.write(move_appointments, NOON + timedelta(days=1))
    before = await database.read(all_rows)

    stale = await visit.record(visit.entry(a_start(OF_AMRANI, "amrani")))
    unchanged = await database.read(all_rows)
    answer = await visit.send(a_start(OF_AMRANI, "amrani"), NOON + minutes(1))

    assert stale.overtaken
    assert unchanged == before
    assert [c.doctor_id for c in stale.facts.in_progress] == [DR_SMITH.id]
    assert (answer.status, answer.body["active_doctor_id"]) == (409, DR_SMITH.id)


async def test_changed_appointment_overtakes_decision(database: Database, ledger: LedgerDriver) -> None:
    await database.write(seed, OF_AMRANI)
    entry = ledger.entry(a_start(OF_AMRANI))
    await database.write(set_status, OF_AMRANI.id, AppointmentStatus.canceled)
    before = await database.read(all_rows)

    recorded = await ledger.record(entry)

    assert recorded.overtaken
    assert recorded.appointment is not None
    assert recorded.appointment.status is AppointmentStatus.canceled
    assert await database.read(all_rows) == before


async def test_appointment_of_another_patient_is_refused(database: Database) -> None:
    await database.write(seed, OF_AMRANI, OF_SMITH)
    await LedgerDriver(database).send(a_start(OF_SMITH, "smith"))
    other_visit = LedgerDriver(database, patient_id=MARIA_SILVA.id)
    entry = other_visit.entry(a_start(OF_AMRANI))
    before = await database.read(all_rows)

    with pytest.raises(UnrecordableError):
        await other_visit.record(entry)

    assert await database.read(all_rows) == before


async def test_missing_appointment_overtakes_decision(database: Database, ledger: LedgerDriver) -> None:
    await database.write(seed)
    before = await database.read(all_rows)

    recorded = await ledger.record(ledger.entry(a_start(OF_AMRANI)))

    assert (recorded.overtaken, recorded.appointment) == (True, None)
    assert await database.read(all_rows) == before


async def test_offers_that_end_together_each_send_events(database: Database) -> None:
    ledgers = []
    for patient in (JOHN_DOE, MARIA_SILVA):
        running, waiting = an_appointment(DR_SMITH, patient=patient), an_appointment(DR_AMRANI, patient=patient)
        await database.write(seed, running, waiting)
        ledger = LedgerDriver(database, patient_id=patient.id)
        await ledger.send(a_start(running, f"start {patient.id}"))
        await ledger.send(a_wait(waiting, f"wait {patient.id}"))
        await ledger.send(a_completion(ledger.running, f"complete {patient.id}"))
        ledgers.append(ledger)
    ended_at = NOON + minutes(1)

    for ledger in ledgers:
        await ledger.record_due(ended_at)

    def patients_at_that_moment(connection: Connection) -> list[int]:
        query = select(events.c.patient_id).where(events.c.name == "patient.updated", events.c.at == ended_at)
        return list(connection.scalars(query.order_by(events.c.seq)))

    # The doctor goes one place down, and is the only one to be offered the patient again.
    assert await database.read(patients_at_that_moment) == [JOHN_DOE.id, JOHN_DOE.id, MARIA_SILVA.id, MARIA_SILVA.id]


async def test_reason_is_in_timeline_and_in_holders_event(database: Database, ledger: LedgerDriver) -> None:
    await database.write(seed, OF_AMRANI)
    await ledger.send(a_start(OF_AMRANI))
    release = a_release(ledger.running)
    await database.write(open_request, release.request, NOON, reason="Dr. Amrani has gone home")

    answer = await ledger.send(release, NOON + minutes(5))

    assert (answer.status, answer.body["outcome"]) == (200, "released")
    assert await database.read(column, "timeline", "reason") == [None, "Dr. Amrani has gone home"]
    names, texts = [await database.read(column, "events", name) for name in ("name", "data")]
    assert [name for name, text in zip(names, texts, strict=True) if "home" in text] == ["consultation.released"]


async def test_reception_check_in_makes_doctor_holder(database: Database, ledger: LedgerDriver) -> None:
    await database.write(seed, OF_AMRANI, OF_SMITH)
    checked_in = await ledger.send(a_check_in(OF_SMITH))
    await ledger.send(a_start(await ledger.appointment(OF_SMITH.id), "smith"), NOON + minutes(1))

    refused = await ledger.send(a_start(OF_AMRANI, "amrani"), NOON + minutes(2))

    assert checked_in.body["created_by"] == "2"
    assert (refused.body["active_doctor"], refused.body["active_doctor_id"]) == ("Dr. Smith", DR_SMITH.id)
    assert "consultation.blocked" in await database.read(column, "events", "name")
    assert await database.read(column, "patient_trackings", "created_by") == [2]
    assert await database.read(column, "patient_trackings", "check_in_time") == [NOON]


async def test_start_and_completion_change_only_own_row(database: Database, ledger: LedgerDriver) -> None:
    x_ray = an_appointment(DR_OKAFOR, prestation=X_RAY)
    await database.write(seed, OF_AMRANI, OF_SMITH, x_ray)
    for appointment in (OF_AMRANI, OF_SMITH, x_ray):
        await ledger.send(a_check_in(appointment, f"check in {appointment.id}"))

    await ledger.send(a_start(await ledger.appointment(OF_SMITH.id), "smith"))
    after_first_start = await database.read(column, "patient_trackings", "status")
    await ledger.send(a_start(await ledger.appointment(x_ray.id), "x-ray"))
    after_second_start = await database.read(column, "patient_trackings", "status")
    await ledger.send(a_completion(ledger.running), NOON + minutes(9))

    assert after_first_start == ["pending", "in_progress", "pending"]
    assert after_second_start == ["pending", "in_progress", "in_progress"]
    assert await database.read(column, "patient_trackings", "status") == ["pending", "completed", "in_progress"]


async def test_second_completion_sends_no_event(database: Database, ledger: LedgerDriver) -> None:
    await database.write(seed, OF_AMRANI)
    await ledger.send(a_start(OF_AMRANI))
    running = ledger.running

    first = await ledger.send(a_completion(running, "once"), NOON + minutes(9))
    second = await ledger.send(a_completion(running, "once more"), NOON + minutes(10))

    assert first == second
    assert first.status == 200
    assert await database.read(column, "events", "name") == ["consultation.started", "consultation.completed"]


@pytest.mark.parametrize("outcome", ["released", "timed_out"])
async def test_unfinished_appointment_can_start_again(database: Database, ledger: LedgerDriver, outcome: str) -> None:
    await database.write(seed, OF_AMRANI)
    await ledger.send(a_start(OF_AMRANI))
    running = ledger.running

    if outcome == "released":
        await ledger.send(a_release(running), NOON + minutes(5))
    else:
        await ledger.record_due(NOON + minutes(20))
        await ledger.record_due(NOON + minutes(20) + timedelta(hours=4))
    confirmed = await ledger.appointment(OF_AMRANI.id)
    too_late = await ledger.send(a_completion(running), NOON + timedelta(hours=5))
    restarted = await ledger.send(a_start(confirmed, "again"), NOON + timedelta(hours=5))

    assert confirmed.status is AppointmentStatus.confirmed
    assert (too_late.status, too_late.body["code"], too_late.body["outcome"]) == (409, "consultation_ended", outcome)
    assert restarted.status == 201
    assert restarted.body["id"] != running.id
    assert await database.read(column, "patient_trackings", "outcome") == [outcome, None]


async def test_not_seen_stands_in_timeline_of_its_day(database: Database, ledger: LedgerDriver) -> None:
    await database.write(seed, OF_AMRANI, OF_SMITH)
    await ledger.send(a_check_in(OF_AMRANI))
    next_day = LedgerDriver(database, day=DAY + timedelta(days=1))

    await next_day.send(a_check_in(OF_SMITH, "smith"), DAY_END)

    def read_timeline(connection: Connection) -> list[tuple[object, ...]]:
        query = select(timeline.c.event, timeline.c.caller_id, timeline.c.visit_day).order_by(timeline.c.id)
        return [tuple(row) for row in connection.execute(query)]

    assert await database.read(read_timeline) == [
        ("checked_in", RECEPTIONIST, DAY),
        ("left", RECEPTIONIST, DAY),
        ("carried_over", RECEPTIONIST, DAY + timedelta(days=1)),
        ("checked_in", RECEPTIONIST, DAY + timedelta(days=1)),
    ]


async def test_released_patient_is_checked_in_again(database: Database, ledger: LedgerDriver) -> None:
    await database.write(seed, OF_AMRANI)
    await ledger.send(a_check_in(OF_AMRANI))
    pending = await ledger.appointment(OF_AMRANI.id)
    started = await ledger.send(a_start(pending), NOON + minutes(10))

    await ledger.send(a_release(ledger.running), NOON + minutes(30))

    (waiting,) = ledger.state.facts.pending
    again = await ledger.appointment(OF_AMRANI.id)
    restarted = await ledger.send(a_start(again, "again"), NOON + minutes(40))
    assert (waiting.check_in_time, again.status) == (NOON, AppointmentStatus.pending)
    assert (started.status, restarted.status) == (201, 201)
    assert ledger.running.checked_in_at == NOON
    assert await database.read(column, "patient_trackings", "outcome") == ["released", None]
    assert await database.read(column, "timeline", "event") == [
        "checked_in",
        "started",
        "completed",
        "checked_in",
        "started",
    ]

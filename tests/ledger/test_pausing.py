"""Pauses in the tables: what stands after a pause, what it allows, and what the audit says."""

from datetime import timedelta

import pytest
from sqlalchemy import Connection, delete, func, select, update

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.tables import appointments, events, patient_trackings
from patient_visit_engine.storage.upkeep.audit import audit
from patient_visit_engine.storage.upkeep.sweep import find_late_trackings
from patient_visit_engine.visit.commands import Command
from patient_visit_engine.visit.facts import Consultation
from patient_visit_engine.wire.event_names import PAUSED, RESUMED
from tests.support.builders import (
    DR_AMRANI,
    DR_OKAFOR,
    JOHN_DOE,
    NOON,
    an_appointment,
    minutes,
    seed,
)
from tests.support.commands import a_completion, a_pause, a_resumption, a_start, stamped
from tests.support.ledger import LedgerDriver, StoredAnswer

OF_AMRANI, OF_OKAFOR = an_appointment(DR_AMRANI, number=1), an_appointment(DR_OKAFOR, number=2)


@pytest.fixture
async def visit(database: Database) -> LedgerDriver:
    """A visit of John Doe, who has two appointments."""
    await database.write(seed, OF_AMRANI, OF_OKAFOR)
    return LedgerDriver(database)


async def start(visit: LedgerDriver, number: int, after: float = 0) -> Consultation:
    """Start the appointment, and return its consultation."""
    answer = await visit.send(
        a_start(await visit.appointment(number), f"start {number} after {after}"), NOON + minutes(after)
    )
    assert answer.status == 201
    return next(each for each in visit.state.facts.in_progress if each.appointment_id == number)


async def resume(visit: LedgerDriver, paused: Consultation, after: float, key: str = "resume") -> StoredAnswer:
    """The doctor of the consultation resumes it."""
    appointment = await visit.appointment(paused.appointment_id)
    return await visit.send(a_resumption(appointment, paused, key), NOON + minutes(after))


def read_times(connection: Connection, consultation_id: str) -> tuple[object, ...]:
    row = patient_trackings.c
    query = select(row.status, row.paused_at, row.paused_seconds)
    return tuple(connection.execute(query.where(row.consultation_id == consultation_id)).one())


async def test_another_doctor_has_the_patient_during_the_pause(database: Database, visit: LedgerDriver) -> None:
    with_amrani = await start(visit, OF_AMRANI.id)
    paused = await visit.send(a_pause(with_amrani), NOON + minutes(5))
    with_okafor = await start(visit, OF_OKAFOR.id, 6)
    refused = await resume(visit, with_amrani, 7)
    assert (await database.read(audit)).passed
    await visit.send(a_completion(with_okafor, "complete"), NOON + minutes(10))
    resumed = await resume(visit, with_amrani, 12, "again")
    await visit.send(a_completion(with_amrani, "end"), NOON + minutes(30))

    assert (paused.status, paused.body["status"]) == (200, "paused")
    assert (refused.status, refused.body["code"], refused.body["actions"]) == (409, "patient_in_consultation", [])
    assert (resumed.status, resumed.body["status"]) == (200, "in_progress")
    # Seven minutes later than without the pause.
    assert resumed.body["overdue_at"] == "2026-03-02T11:27:00.000Z"
    assert await database.read(read_times, with_amrani.id) == ("completed", None, 420)
    assert (await database.read(audit)).passed


async def test_offer_goes_to_the_paused_doctor_and_is_used(database: Database, visit: LedgerDriver) -> None:
    with_amrani = await start(visit, OF_AMRANI.id)
    await visit.send(a_pause(with_amrani), NOON + minutes(5))
    with_okafor = await start(visit, OF_OKAFOR.id, 6)

    await visit.send(a_completion(with_okafor), NOON + minutes(10))
    reservation = visit.state.facts.reservation
    refused = await visit.send(a_start(await visit.appointment(OF_OKAFOR.id), "no"), NOON + minutes(10))
    await resume(visit, with_amrani, 10.5)

    assert reservation is not None
    assert (reservation.doctor_id, reservation.appointment_id) == (DR_AMRANI.id, OF_AMRANI.id)
    assert refused.body["code"] == "appointment_closed"
    assert visit.state.facts.reservation is None
    assert (await database.read(audit)).passed


async def test_paused_consultation_is_completed_and_keeps_its_pause(database: Database, visit: LedgerDriver) -> None:
    with_amrani = await start(visit, OF_AMRANI.id)
    await visit.send(a_pause(with_amrani), NOON + minutes(5))

    answer = await visit.send(a_completion(with_amrani), NOON + minutes(8))

    assert (answer.status, answer.body["outcome"]) == (200, "done")
    assert await database.read(read_times, with_amrani.id) == ("completed", None, 180)
    assert (await database.read(audit)).passed


async def test_pause_times_out_and_the_appointment_can_start_again(database: Database, visit: LedgerDriver) -> None:
    with_amrani = await start(visit, OF_AMRANI.id)
    await visit.send(a_pause(with_amrani), NOON + minutes(5))
    limit = NOON + minutes(5) + visit.state.limits.pause_limit

    late = [row.patient_id for row in await database.read(find_late_trackings, limit + minutes(1), None, 10)]
    await visit.record_due(limit)

    assert late == [JOHN_DOE.id]
    assert visit.state.facts.paused == ()
    assert (await start(visit, OF_AMRANI.id, 300)).id != with_amrani.id
    assert (await database.read(audit)).passed


async def test_resumption_that_comes_too_late_has_no_effect(database: Database, visit: LedgerDriver) -> None:
    with_amrani = await start(visit, OF_AMRANI.id)
    await visit.send(a_pause(with_amrani), NOON + minutes(5))
    appointment = await visit.appointment(OF_AMRANI.id)
    long_ago = stamped(a_resumption(appointment, with_amrani), NOON, valid_for=timedelta(seconds=30))

    reply = await visit.record(visit.entry(long_ago, NOON + minutes(6)))

    assert reply.expired
    assert await database.read(read_times, with_amrani.id) == ("paused", NOON + minutes(5), 0)


async def test_command_on_older_facts_is_overtaken_by_a_pause(database: Database, visit: LedgerDriver) -> None:
    with_amrani = await start(visit, OF_AMRANI.id)
    stale = LedgerDriver(database)
    stale.state = visit.state
    await visit.send(a_pause(with_amrani), NOON + minutes(5))
    await start(visit, OF_OKAFOR.id, 6)

    # Its visit does not know of the pause, nor of the other consultation.
    answer = await resume(stale, with_amrani, 7)

    assert answer.body["code"] == "patient_in_consultation"
    assert stale.state.facts == visit.state.facts


def prune_before(connection: Connection, name: str) -> None:
    """Delete the log up to the event before the first one of this name."""
    first = connection.scalar(select(func.min(events.c.seq)).where(events.c.name == name))
    assert first is not None
    connection.execute(delete(events).where(events.c.seq < first))
    connection.execute(update(patient_trackings).values(started_at=NOON - timedelta(days=30)))


@pytest.mark.parametrize("oldest", [PAUSED, RESUMED, "consultation.completed"])
async def test_audit_accepts_a_log_without_the_start(database: Database, visit: LedgerDriver, oldest: str) -> None:
    with_amrani = await start(visit, OF_AMRANI.id)
    await visit.send(a_pause(with_amrani), NOON + minutes(5))
    with_okafor = await start(visit, OF_OKAFOR.id, 6)
    await visit.send(a_completion(with_okafor), NOON + minutes(10))
    await resume(visit, with_amrani, 12)

    await database.write(prune_before, oldest)

    report = await database.read(audit)
    assert dict(report.kinds) == {}


async def test_audit_sees_a_resumption_next_to_another_consultation(database: Database, visit: LedgerDriver) -> None:
    with_amrani = await start(visit, OF_AMRANI.id)
    await visit.send(a_pause(with_amrani), NOON + minutes(5))
    await start(visit, OF_OKAFOR.id, 6)

    await database.write(_resume_without_the_ledger, with_amrani.id)

    report = await database.read(audit)
    assert report.kinds["overlapping_consultations"] >= 1
    assert report.kinds["inconsistent_pause"] == 1


def _resume_without_the_ledger(connection: Connection, consultation_id: str) -> None:
    is_consultation = patient_trackings.c.consultation_id == consultation_id
    # As merged, because the unique index refuses it otherwise.
    connection.execute(update(patient_trackings).where(is_consultation).values(status="in_progress", merged=True))


async def test_appointment_stays_in_progress_during_the_pause(database: Database, visit: LedgerDriver) -> None:
    with_amrani = await start(visit, OF_AMRANI.id)
    commands: list[Command] = [a_pause(with_amrani), a_pause(with_amrani, "again")]
    answers = [await visit.send(command, NOON + minutes(5)) for command in commands]

    status = select(appointments.c.status).where(appointments.c.id == OF_AMRANI.id)
    assert await database.read(lambda connection: connection.scalar(status)) == 5
    assert answers[0] == answers[1]

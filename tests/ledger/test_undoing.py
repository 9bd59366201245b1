"""What is taken back: the rows, with the earlier status and the first arrival. On both databases."""

import json
from typing import Any

import pytest
from sqlalchemy import Connection, select, update

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.doctor_calls import read_call
from patient_visit_engine.storage.past_trackings import read_past_tracking
from patient_visit_engine.storage.tables import appointments, patient_trackings
from patient_visit_engine.storage.upkeep.audit import audit
from patient_visit_engine.visit.appointment_commands import CheckOut
from patient_visit_engine.visit.codes import AppointmentStatus, CancelReason, Outcome, ReservationKind
from patient_visit_engine.visit.commands import Command
from patient_visit_engine.visit.consultation_commands import Reopen
from patient_visit_engine.visit.facts import Consultation
from patient_visit_engine.visit.frozen import LONG_AGO
from patient_visit_engine.visit.reopening import REOPENED_FOR
from tests.support.builders import (
    DAY,
    DR_OKAFOR,
    DR_SMITH,
    MARIA_SILVA,
    NOON,
    a_request,
    an_appointment,
    minutes,
    seed,
)
from tests.support.commands import (
    a_call,
    a_cancellation,
    a_check_in,
    a_completion,
    a_past,
    a_pause,
    a_release,
    a_reopening,
    a_start,
    a_status,
    a_transfer,
    an_extension,
    an_undo_of_cancellation,
    an_undo_of_check_in,
    an_undo_of_check_out,
    an_undo_of_start,
)
from tests.support.ledger import LedgerDriver, column

SCHEDULED, CONFIRMED, PENDING = AppointmentStatus.scheduled, AppointmentStatus.confirmed, AppointmentStatus.pending
BOOKED = an_appointment(status=SCHEDULED)
OF_SMITH = an_appointment(DR_SMITH)
#: As a sender knows it who read before the other calls. The ledger replies with the past as it is.
STALE = a_past(BOOKED, status=AppointmentStatus.confirmed)


def read_trackings(connection: Connection) -> list[Any]:
    """Status, outcome and arrival of each tracking, and then the status of the appointment."""
    columns = patient_trackings.c
    query = select(columns.status, columns.outcome, columns.check_in_time).order_by(columns.id)
    return [*map(tuple, connection.execute(query)), connection.scalar(select(appointments.c.status))]


def read_cancellation(connection: Connection) -> tuple[str, object, object]:
    """Status, time and reason."""
    columns = appointments.c
    status, at, reason = connection.execute(select(columns.status, columns.canceled_at, columns.cancel_reason)).one()
    return AppointmentStatus(status).name, at, reason


@pytest.fixture
async def visit(database: Database, ledger: LedgerDriver) -> LedgerDriver:
    """John Doe has one scheduled appointment."""
    await database.write(seed, BOOKED)
    return ledger


async def test_undone_start_keeps_the_first_arrival(database: Database, visit: LedgerDriver) -> None:
    await visit.send(a_check_in(BOOKED), NOON)
    await visit.send(a_start(await visit.appointment(BOOKED.id)), NOON + minutes(20))

    answer = await visit.send(an_undo_of_start(visit.running, STALE), NOON + minutes(23))
    again = await visit.send(an_undo_of_check_in(await visit.appointment(BOOKED.id), STALE), NOON + minutes(24))

    assert (answer.status, answer.body["outcome"]) == (200, "mistaken")
    assert (again.status, again.body["status"]) == (200, "scheduled")
    assert await database.read(read_trackings) == [
        ("completed", "mistaken", NOON),
        ("completed", "mistaken", NOON),
        SCHEDULED,
    ]
    assert (await database.read(audit)).passed


async def test_undone_start_without_check_in_gives_the_earlier_status(database: Database, visit: LedgerDriver) -> None:
    await visit.send(a_start(BOOKED), NOON)

    started = visit.running
    await visit.send(an_undo_of_start(started, STALE), NOON + minutes(3))
    repeated = await visit.send(an_undo_of_start(started, STALE, "again"), NOON + minutes(4))

    assert await database.read(read_trackings) == [("completed", "mistaken", NOON), SCHEDULED]
    assert (repeated.status, repeated.body["outcome"]) == (200, "mistaken")
    assert (await database.read(audit)).passed


async def test_release_does_not_change_the_earlier_status(database: Database, visit: LedgerDriver) -> None:
    await visit.send(a_check_in(BOOKED), NOON)
    await visit.send(a_start(await visit.appointment(BOOKED.id)), NOON + minutes(1))
    await visit.send(a_release(visit.running), NOON + minutes(2))

    past = await database.read(read_past_tracking, BOOKED.id)

    assert past == a_past(BOOKED, status=SCHEDULED)


async def test_undone_check_out_keeps_the_first_arrival(database: Database, visit: LedgerDriver) -> None:
    await visit.send(a_check_in(BOOKED), NOON)
    left = CheckOut(request=a_request("out"), appointment=await visit.appointment(BOOKED.id))
    await visit.send(left, NOON + minutes(5))

    answer = await visit.send(an_undo_of_check_out(await visit.appointment(BOOKED.id), STALE), NOON + minutes(6))

    assert (answer.status, answer.body["check_in_time"]) == (200, "2026-03-02T11:00:00.000Z")
    assert await database.read(read_trackings) == [
        ("completed", "left", NOON),
        ("pending", None, NOON),
        PENDING,
    ]
    assert visit.state.facts.pending[0].check_in_time == NOON
    assert (await database.read(audit)).passed


async def test_undone_check_out_keeps_the_earlier_status(database: Database, visit: LedgerDriver) -> None:
    await visit.send(a_check_in(BOOKED), NOON)
    left = CheckOut(request=a_request("out"), appointment=await visit.appointment(BOOKED.id))
    await visit.send(left, NOON + minutes(5))
    await visit.send(an_undo_of_check_out(await visit.appointment(BOOKED.id), STALE), NOON + minutes(6))

    answer = await visit.send(an_undo_of_check_in(await visit.appointment(BOOKED.id), STALE), NOON + minutes(7))

    assert (answer.status, answer.body["status"]) == (200, "scheduled")


async def test_status_before_the_arrival_is_the_last_one(database: Database, visit: LedgerDriver) -> None:
    await visit.send(a_status(BOOKED, CONFIRMED))
    await visit.send(a_check_in(await visit.appointment(BOOKED.id)))

    answer = await visit.send(an_undo_of_check_in(await visit.appointment(BOOKED.id), a_past(BOOKED)))

    assert answer.body["status"] == "confirmed"


async def test_reopened_consultation_is_the_same_row(database: Database, visit: LedgerDriver) -> None:
    await visit.send(a_check_in(BOOKED), NOON)
    await visit.send(a_start(await visit.appointment(BOOKED.id)), NOON + minutes(20))
    started = visit.running
    await visit.send(a_completion(started), NOON + minutes(60))

    await visit.send(await a_reopening_of(visit, started), NOON + minutes(62))

    reopened = visit.running
    assert (reopened.id, reopened.started_at, reopened.checked_in_at) == (started.id, started.started_at, NOON)
    assert reopened.overdue_at == NOON + minutes(62) + REOPENED_FOR
    assert await database.read(read_trackings) == [("in_progress", None, NOON), AppointmentStatus.in_progress]
    assert (await database.read(audit)).passed


async def test_reopening_puts_the_receiver_of_a_transfer_first_in_line(database: Database, visit: LedgerDriver) -> None:
    await database.write(seed, OF_SMITH)
    await visit.send(a_start(BOOKED), NOON)
    first = visit.running
    await visit.send(a_completion(first), NOON + minutes(1))
    await visit.send(a_start(OF_SMITH, "smith"), NOON + minutes(2))
    await visit.send(a_transfer(OF_SMITH, visit.running, DR_OKAFOR), NOON + minutes(3))

    await visit.send(await a_reopening_of(visit, first), NOON + minutes(4))
    line = visit.state.line()
    await visit.send(a_completion(visit.running, "again"), NOON + minutes(9))

    assert [(place.doctor_id, place.appointment_id) for place in line] == [(DR_OKAFOR.id, OF_SMITH.id)]
    reservation = visit.state.facts.reservation
    assert reservation is not None
    assert (reservation.kind, reservation.doctor_id) == (ReservationKind.offered, DR_OKAFOR.id)
    assert (await database.read(audit)).passed


async def test_reopening_ends_a_call(database: Database, visit: LedgerDriver) -> None:
    await database.write(seed, OF_SMITH)
    await visit.send(a_start(BOOKED), NOON)
    first = visit.running
    await visit.send(a_completion(first), NOON + minutes(1))
    await visit.send(a_call(OF_SMITH), NOON + minutes(2))

    await visit.send(await a_reopening_of(visit, first), NOON + minutes(3))
    last = await database.read(read_call, DR_SMITH.id, DAY)

    # The called patient is with the reopening doctor again. The doctor who called has the first place.
    assert visit.state.facts.reservation is None
    assert [place.doctor_id for place in visit.state.line()] == [DR_SMITH.id]
    assert last is not None
    assert last.call.open_appointment(NOON + minutes(3)) is None
    data = [json.loads(text) for text in await database.read(column, "events", "data")]
    assert [(event["doctor_id"], event["why"]) for event in data if "why" in event] == [(DR_SMITH.id, "withdrawn")]
    assert (await database.read(audit)).passed


async def test_requests_before_a_reopening_have_no_effect(database: Database, visit: LedgerDriver) -> None:
    await visit.send(a_start(BOOKED), NOON)
    started = visit.running
    await visit.send(a_completion(started), NOON + minutes(1))
    await visit.send(await a_reopening_of(visit, started), NOON + minutes(2))
    late: list[Command] = [
        a_completion(started, "late"),
        an_extension(started, 5),
        a_release(started),
        an_undo_of_start(started, STALE),
    ]

    for command in late:
        request = command.request.model_copy(update={"asked_at": LONG_AGO})
        answer = await visit.send(command.model_copy(update={"request": request}), NOON + minutes(3))
        assert (answer.status, answer.body["code"]) == (409, "consultation_changed")

    assert visit.running.id == started.id
    assert (await database.read(audit)).passed


@pytest.mark.parametrize("is_paused", [False, True])
async def test_requests_before_a_transfer_have_no_effect(
    database: Database, visit: LedgerDriver, is_paused: bool
) -> None:
    await visit.send(a_start(BOOKED), NOON)
    started = visit.running
    if is_paused:
        await visit.send(a_pause(started), NOON + minutes(1))
    await visit.send(a_transfer(await visit.appointment(BOOKED.id), started, DR_SMITH), NOON + minutes(2))
    late = (a_completion(started, "late"), an_extension(started, 5), a_release(started), a_pause(started, "late pause"))

    for command in late:
        request = command.request.model_copy(update={"asked_at": LONG_AGO})
        answer = await visit.send(command.model_copy(update={"request": request}), NOON + minutes(3))
        assert (answer.status, answer.body["code"]) == (409, "consultation_changed")
    [transferred_at, *_] = await database.read(column, "patient_trackings", "changed_at")
    completion = a_completion(started, "after")
    asked_now = completion.request.model_copy(update={"asked_at": transferred_at})
    after = await visit.send(completion.model_copy(update={"request": asked_now}), NOON + minutes(3))

    assert after.body["code"] == "consultation_ended"
    assert [tracking.appointment_id for tracking in visit.state.facts.pending] == [BOOKED.id]
    assert (await database.read(audit)).passed


async def test_undone_cancellation_keeps_the_first_arrival(database: Database, visit: LedgerDriver) -> None:
    await visit.send(a_check_in(BOOKED), NOON)
    await visit.send(a_cancellation(await visit.appointment(BOOKED.id)), NOON + minutes(5))
    assert await database.read(read_cancellation) == ("canceled", NOON + minutes(5), "patient")

    answer = await visit.send(an_undo_of_cancellation(await visit.appointment(BOOKED.id), STALE), NOON + minutes(6))

    assert (answer.status, answer.body["status"]) == (200, "pending")
    assert await database.read(read_trackings) == [("completed", "cancelled", NOON), ("pending", None, NOON), PENDING]
    assert await database.read(read_cancellation) == ("pending", None, None)
    assert (await database.read(audit)).passed


@pytest.mark.parametrize("status", [SCHEDULED, CONFIRMED], ids=lambda status: status.name)
async def test_undone_cancellation_gives_the_earlier_status(
    visit: LedgerDriver, database: Database, status: AppointmentStatus
) -> None:
    await visit.send(a_status(BOOKED, status))
    await visit.send(a_cancellation(await visit.appointment(BOOKED.id), CancelReason.no_show))
    first = await database.read(read_cancellation)
    again = a_cancellation(await visit.appointment(BOOKED.id), CancelReason.clinic, "again")
    assert (await visit.send(again)).status == 200
    assert await database.read(read_cancellation) == first == ("canceled", NOON, "no_show")

    answer = await visit.send(an_undo_of_cancellation(await visit.appointment(BOOKED.id), STALE))

    assert (answer.status, answer.body["status"]) == (200, status.name)
    assert await database.read(read_cancellation) == (status.name, None, None)


async def test_an_earlier_patient_is_not_the_past_of_an_appointment(database: Database, visit: LedgerDriver) -> None:
    await visit.send(a_check_in(BOOKED), NOON)
    left = CheckOut(request=a_request("out"), appointment=await visit.appointment(BOOKED.id))
    await visit.send(left, NOON + minutes(5))
    before = await database.read(read_past_tracking, BOOKED.id)
    assert before is not None
    assert before.outcome is Outcome.left

    def give_to_maria(connection: Connection) -> None:
        connection.execute(update(appointments).values(patient_id=MARIA_SILVA.id))

    await database.write(give_to_maria)

    assert await database.read(read_past_tracking, BOOKED.id) == a_past(BOOKED, status=SCHEDULED)


async def a_reopening_of(visit: LedgerDriver, started: Consultation) -> Reopen:
    """A supervisor reopens the consultation, and knows its past as it was before."""
    appointment = await visit.appointment(BOOKED.id)
    return a_reopening(appointment, STALE.model_copy(update={"consultation_id": started.id}))

"""The first message of a day, when the patient has been checked in since the day before."""

from datetime import timedelta

import pytest

from patient_visit_engine.storage.database import Database
from patient_visit_engine.visit.appointment_commands import CheckOut
from patient_visit_engine.visit.codes import AppointmentStatus
from patient_visit_engine.visit.commands import Command
from tests.support.builders import (
    DAY,
    DAY_END,
    DR_AMRANI,
    DR_LINDQVIST,
    DR_OKAFOR,
    DR_SMITH,
    a_request,
    an_appointment,
    minutes,
    seed,
)
from tests.support.commands import a_check_in, a_completion, a_release, a_start, a_status, a_wait
from tests.support.ledger import LedgerDriver, column

TOMORROW = DAY + timedelta(days=1)
IN_THE_MORNING = DAY_END + minutes(1)
#: Long enough for a check-in to end with its day.
THE_DAY_BEFORE = DAY_END - timedelta(hours=13)
OF_AMRANI, OF_SMITH, OF_OKAFOR, OF_LINDQVIST = map(an_appointment, (DR_AMRANI, DR_SMITH, DR_OKAFOR, DR_LINDQVIST))


async def checked_in_since_yesterday(database: Database) -> LedgerDriver:
    """The new day's visit of a patient who has waited for Dr. Amrani since yesterday."""
    await database.write(seed, OF_AMRANI, OF_SMITH, OF_OKAFOR, OF_LINDQVIST)
    await LedgerDriver(database).send(a_check_in(OF_AMRANI), THE_DAY_BEFORE)
    visit = LedgerDriver(database, day=TOMORROW)
    await visit.load_facts()
    return visit


async def test_start_is_granted_and_keeps_the_arrival(database: Database) -> None:
    visit = await checked_in_since_yesterday(database)

    started = await visit.send(a_start(OF_AMRANI), IN_THE_MORNING)
    released = await visit.send(a_release(visit.running), IN_THE_MORNING + minutes(1))

    assert (started.status, released.status) == (201, 200)
    assert await database.read(column, "patient_trackings", "status") == ["completed", "pending"]
    assert await database.read(column, "patient_trackings", "check_in_time") == 2 * [THE_DAY_BEFORE]


@pytest.mark.parametrize(
    ("command", "status", "outcome"),
    [
        (a_status(OF_AMRANI, AppointmentStatus.confirmed), 200, "cancelled"),
        (a_status(OF_AMRANI, AppointmentStatus.canceled), 200, "cancelled"),
        (CheckOut(request=a_request("out"), appointment=OF_AMRANI), 200, "left"),
    ],
    ids=["confirmed", "canceled", "check-out"],
)
async def test_command_decides_how_the_wait_ends(
    database: Database, command: Command, status: int, outcome: str
) -> None:
    visit = await checked_in_since_yesterday(database)

    answer = await visit.send(command, IN_THE_MORNING)

    assert answer.status == status
    assert await database.read(column, "patient_trackings", "outcome") == [outcome]


@pytest.mark.parametrize(
    "arrival", [a_check_in(OF_AMRANI, "again"), a_status(OF_AMRANI, AppointmentStatus.pending)], ids=["call", "status"]
)
async def test_new_arrival_ends_the_old_wait(database: Database, arrival: Command) -> None:
    visit = await checked_in_since_yesterday(database)

    await visit.send(arrival, IN_THE_MORNING)

    assert await database.read(column, "patient_trackings", "outcome") == ["not_seen", None]


async def test_command_about_other_appointment_ends_the_wait(database: Database) -> None:
    visit = await checked_in_since_yesterday(database)

    await visit.send(a_check_in(OF_SMITH, "smith"), IN_THE_MORNING)

    assert await database.read(column, "patient_trackings", "outcome") == ["not_seen", None]


async def test_next_day_that_begins_early_ends_no_wait(database: Database) -> None:
    visit = await checked_in_since_yesterday(database)

    await visit.send(a_check_in(OF_SMITH, "smith"), DAY_END - minutes(30))

    assert await database.read(column, "patient_trackings", "outcome") == [None, None]
    assert visit.state.facts.pending[0].not_seen_at == DAY_END + visit.state.limits.remind_every


async def test_visit_of_today_runs_timers_after_next_day_began_early(database: Database) -> None:
    await database.write(seed, OF_AMRANI, OF_SMITH, OF_OKAFOR, OF_LINDQVIST)
    today, next_day = LedgerDriver(database), LedgerDriver(database, day=TOMORROW)
    hour_before = DAY_END - timedelta(hours=1)
    await next_day.send(a_check_in(OF_LINDQVIST), hour_before)
    await today.send(a_start(OF_AMRANI), hour_before)
    await today.send(a_wait(OF_SMITH), hour_before)
    await today.send(a_completion(today.running), hour_before + minutes(1))

    await today.record_due(hour_before + minutes(2))
    await today.record_due(hour_before + minutes(3))
    other = await today.send(a_start(OF_OKAFOR, "okafor"), hour_before + minutes(3))

    assert other.status == 201

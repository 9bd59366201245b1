"""Validity is judged on the database's clock: after its end, a start or a request for a place in line has no effect."""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import Connection, text, update

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.requests import find_open_requests, open_request
from patient_visit_engine.storage.tables import patient_trackings
from patient_visit_engine.visit.codes import AppointmentStatus
from patient_visit_engine.visit.commands import ASYNC_VALID_FOR, Command
from tests.support.builders import DR_AMRANI, DR_SMITH, JOHN_DOE, an_appointment, seed
from tests.support.clocks import clock_has_passed, read_clock
from tests.support.commands import (
    a_check_in,
    a_completion,
    a_leave,
    a_release,
    a_start,
    a_status,
    a_wait,
    an_extension,
    stamped,
)
from tests.support.ledger import LedgerDriver, all_rows, column, stored_answer
from tests.support.lock_waits import other_session, wait_for_blocked
from tests.support.waiting import wait_until_async

OF_AMRANI, OF_SMITH = an_appointment(DR_AMRANI), an_appointment(DR_SMITH)
MOMENT = timedelta(milliseconds=1)
HALF_A_MINUTE = timedelta(seconds=30)


async def test_clock_has_utc_and_milliseconds(database: Database) -> None:
    before = datetime.now(UTC)
    now = await database.read(read_clock)
    after = datetime.now(UTC)

    assert before - MOMENT <= now <= after + MOMENT
    assert (now.tzinfo, now.microsecond % 1_000) == (UTC, 0)


@pytest.mark.parametrize("late", [a_start(OF_AMRANI), a_wait(OF_AMRANI)], ids=["start", "wait"])
async def test_late_command_writes_nothing(database: Database, ledger: LedgerDriver, late: Command) -> None:
    await database.write(seed, OF_AMRANI, OF_SMITH)
    await ledger.send(a_start(OF_SMITH, "smith"))
    before = await database.read(all_rows)
    asked_at = await database.read(read_clock) - HALF_A_MINUTE - MOMENT

    recorded = await ledger.record(ledger.entry(stamped(late, asked_at, valid_for=HALF_A_MINUTE)))

    assert await database.read(all_rows) == before
    assert (recorded.expired, recorded.overtaken) == (True, False)
    assert recorded.facts == ledger.state.facts


async def test_repeat_of_late_start_is_decided(database: Database, ledger: LedgerDriver) -> None:
    await database.write(seed, OF_AMRANI)
    command, now = a_start(OF_AMRANI), await database.read(read_clock)
    late = await ledger.record(ledger.entry(stamped(command, now - HALF_A_MINUTE - MOMENT, valid_for=HALF_A_MINUTE)))

    repeated = await ledger.send(stamped(command, now, valid_for=HALF_A_MINUTE))

    assert (late.expired, repeated.status) == (True, 201)
    assert len(await database.read(column, "patient_trackings", "id")) == 1


async def test_open_start_of_older_version_expires(database: Database, ledger: LedgerDriver) -> None:
    await database.write(seed, OF_AMRANI)
    stored_at = await database.read(read_clock) - ASYNC_VALID_FOR - MOMENT
    start = a_start(OF_AMRANI)
    await database.write(partial(open_request, command=start), start.request, stored_at)

    (open_start,) = await database.read(find_open_requests, stored_at + MOMENT, None, 10)
    assert open_start.command is not None
    answer = await ledger.send(open_start.command)

    assert (answer.status, answer.body["code"]) == (409, "request_expired")


async def test_start_with_lost_answer_does_not_expire(database: Database, ledger: LedgerDriver) -> None:
    await database.write(seed, OF_AMRANI)
    now = await database.read(read_clock)
    await ledger.record(ledger.entry(stamped(a_start(OF_AMRANI), now, valid_for=HALF_A_MINUTE)))
    before = await database.read(all_rows)

    again = await ledger.record(ledger.entry(stamped(a_start(OF_AMRANI), now, valid_for=-MOMENT)))

    assert (again.expired, len(again.facts.in_progress)) == (False, 1)
    assert await database.read(all_rows) == before


async def test_start_that_waits_for_the_lock_expires(on_postgres: Database) -> None:
    await on_postgres.write(seed, OF_AMRANI)
    ledger, asked_at = LedgerDriver(on_postgres), await on_postgres.read(read_clock)
    start = stamped(a_start(OF_AMRANI), asked_at, valid_for=timedelta(seconds=2))
    async with other_session(on_postgres) as session:
        await session.execute(text(f"SELECT 1 FROM patients WHERE id = {JOHN_DOE.id} FOR UPDATE"))
        recording = asyncio.create_task(ledger.record(ledger.entry(start)))
        await wait_for_blocked(session)
        assert start.request.valid_until is not None
        await wait_until_async(partial(clock_has_passed, on_postgres, start.request.valid_until), "the start is late")

    assert (await recording).expired
    assert await on_postgres.read(column, "patient_trackings", "id") == []


def start_before(connection: Connection, moment: datetime) -> None:
    """The running consultation was started before this moment, as the database's clock says."""
    connection.execute(update(patient_trackings).values(changed_at=moment - timedelta(minutes=1)))


async def test_what_ends_something_stays_valid(database: Database, ledger: LedgerDriver) -> None:
    await database.write(seed, OF_AMRANI, OF_SMITH)
    long_ago = await database.read(read_clock) - timedelta(days=2)
    await ledger.send(a_start(OF_SMITH))
    await ledger.send(a_wait(OF_AMRANI))
    await database.write(start_before, long_ago)
    await ledger.load_facts()
    running = ledger.running

    answers = [
        await ledger.send(stamped(command, long_ago))
        for command in (
            a_check_in(OF_AMRANI),
            a_status(OF_AMRANI, AppointmentStatus.confirmed),
            a_leave(OF_AMRANI),
            an_extension(running, 10),
            a_completion(running),
            a_release(running),
        )
    ]

    assert [answer.status for answer in answers] == [201, 200, 204, 200, 200, 409]


async def test_late_asynchronous_start_is_refused(database: Database, ledger: LedgerDriver) -> None:
    await database.write(seed, OF_AMRANI)
    asked_at = await database.read(read_clock) - timedelta(minutes=2)
    start = stamped(a_start(OF_AMRANI), asked_at, valid_for=timedelta(minutes=1), asynchronous=True)
    await database.write(partial(open_request, command=start), start.request, asked_at)

    recorded = [await ledger.record(ledger.entry(start)) for _ in range(2)]

    answer = await database.read(stored_answer, start.request.id)
    assert (answer.status, answer.body["code"]) == (409, "request_expired")
    assert [reply.expired for reply in recorded] == [False, False]
    rows = await database.read(all_rows)
    assert [rows[table] for table in ("patient_trackings", "timeline", "events")] == [[], [], []]

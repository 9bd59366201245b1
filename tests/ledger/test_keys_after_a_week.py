"""A key is new after 7 days, also while the event log still has the events of its earlier decisions."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import insert

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.requests import open_request
from patient_visit_engine.storage.tables import requests
from patient_visit_engine.storage.upkeep.sweep import ANSWER_LIFETIME, prune
from patient_visit_engine.visit.appointment_commands import CheckOut
from patient_visit_engine.visit.codes import AppointmentStatus
from patient_visit_engine.visit.commands import Command
from tests.support.builders import (
    DAY,
    DR_AMRANI,
    DR_LINDQVIST,
    DR_SMITH,
    NOON,
    RECEPTIONIST,
    a_request,
    an_appointment,
    minutes,
    move_appointments,
    seed,
)
from tests.support.commands import (
    a_check_in,
    a_completion,
    a_leave,
    a_release,
    a_start,
    a_status,
    a_wait,
    an_extension,
)
from tests.support.ledger import LedgerDriver, StoredAnswer, column

REPETITIONS = 3
MORE_THAN_A_WEEK = ANSWER_LIFETIME + timedelta(days=1)
KEY = "used again"
OF_SMITH, OF_LINDQVIST = an_appointment(DR_SMITH), an_appointment(DR_LINDQVIST)
#: A completed appointment stays completed, so each repetition has another appointment of Dr. Amrani.
OF_AMRANI = [an_appointment(DR_AMRANI, number=number) for number in range(1, REPETITIONS + 1)]


class Week:
    """The commands of one repetition. All keys are new except the one that the scenario repeats."""

    def __init__(self, database: Database, number: int) -> None:
        self.appointment = OF_AMRANI[number]
        self.now = NOON + number * MORE_THAN_A_WEEK
        self.number = number
        self.ledger = LedgerDriver(database, day=DAY + number * MORE_THAN_A_WEEK)

    async def send(self, command: Command, after: float = 0) -> StoredAnswer:
        """Send the command `after` minutes."""
        return await self.ledger.send(command, self.now + minutes(after))

    def new_key(self, name: str) -> str:
        return f"{name} of week {self.number}"

    async def start_with_smith(self) -> None:
        """Dr. Smith starts, so the patient is busy."""
        await self.send(a_start(OF_SMITH, self.new_key("smith")))

    async def release(self) -> None:
        """A supervisor ends the running consultation."""
        await self.send(a_release(self.ledger.running, self.new_key("release")), 30)


async def start(week: Week) -> StoredAnswer:
    answer = await week.send(a_start(week.appointment, KEY))
    await week.release()
    return answer


async def refused_start(week: Week) -> StoredAnswer:
    await week.start_with_smith()
    answer = await week.send(a_start(week.appointment, KEY))
    await week.release()
    return answer


async def refused_start_with_wait(week: Week) -> StoredAnswer:
    await week.start_with_smith()
    answer = await week.send(a_start(week.appointment, KEY, wait=True))
    await week.send(a_leave(week.appointment, week.new_key("leave")))
    await week.release()
    return answer


async def completion(week: Week) -> StoredAnswer:
    await week.send(a_start(week.appointment, week.new_key("start")))
    return await week.send(a_completion(week.ledger.running, KEY), 20)


async def completion_with_offer(week: Week) -> StoredAnswer:
    await week.send(a_start(week.appointment, week.new_key("start")))
    await week.send(a_wait(OF_SMITH, week.new_key("wait")))
    answer = await week.send(a_completion(week.ledger.running, KEY), 20)
    await week.send(a_leave(OF_SMITH, week.new_key("leave")), 20)
    return answer


async def extension(week: Week) -> StoredAnswer:
    await week.send(a_start(week.appointment, week.new_key("start")))
    answer = await week.send(an_extension(week.ledger.running, 10), 10)
    await week.release()
    return answer


async def release(week: Week) -> StoredAnswer:
    await week.start_with_smith()
    return await week.send(a_release(week.ledger.running, KEY), 10)


async def check_in(week: Week) -> StoredAnswer:
    answer = await week.send(a_check_in(OF_SMITH, KEY))
    await week.send(CheckOut(request=a_request(week.new_key("out"), RECEPTIONIST), appointment=OF_SMITH))
    return answer


async def check_out(week: Week) -> StoredAnswer:
    await week.send(a_check_in(OF_SMITH, week.new_key("in")))
    return await week.send(CheckOut(request=a_request(KEY, RECEPTIONIST), appointment=OF_SMITH))


async def status(week: Week) -> StoredAnswer:
    await week.send(a_check_in(OF_SMITH, week.new_key("in")))
    return await week.send(a_status(OF_SMITH, AppointmentStatus.confirmed))


async def wait(week: Week) -> StoredAnswer:
    await week.start_with_smith()
    answer = await week.send(a_wait(week.appointment, KEY))
    await week.send(a_leave(week.appointment, week.new_key("leave")))
    await week.release()
    return answer


async def leave_with_offer(week: Week) -> StoredAnswer:
    await week.start_with_smith()
    for appointment in (week.appointment, OF_LINDQVIST):
        await week.send(a_wait(appointment, week.new_key(f"wait {appointment.id}")))
    await week.release()
    answer = await week.send(a_leave(week.appointment, KEY), 30)
    await week.send(a_leave(OF_LINDQVIST, week.new_key("leave")), 30)
    return answer


SCENARIOS: dict[Callable[[Week], Awaitable[StoredAnswer]], int] = {
    start: 201,
    refused_start: 409,
    refused_start_with_wait: 409,
    completion: 200,
    completion_with_offer: 200,
    extension: 200,
    release: 200,
    check_in: 201,
    check_out: 200,
    status: 200,
    wait: 200,
    leave_with_offer: 204,
}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
async def test_key_is_new_while_log_has_old_events(
    database: Database, scenario: Callable[[Week], Awaitable[StoredAnswer]]
) -> None:
    await database.write(seed, *OF_AMRANI, OF_SMITH, OF_LINDQVIST)
    new_events, statuses = [], []

    for number in range(REPETITIONS):
        week = Week(database, number)
        await database.write(move_appointments, week.now)
        before = len(await database.read(column, "events", "seq"))
        statuses.append((await scenario(week)).status)
        new_events.append(len(await database.read(column, "events", "seq")) - before)
        # The setting keeps all events, which are a month old at most.
        while await database.write(prune, NOON, week.now + MORE_THAN_A_WEEK):
            pass
        assert await database.read(column, "requests", "request_id") == []

    assert statuses == REPETITIONS * [SCENARIOS[scenario]]
    assert len(set(new_events)) == 1
    assert new_events[0] > 0


async def test_answer_is_kept_a_week_from_its_decision(database: Database, ledger: LedgerDriver) -> None:
    await database.write(seed, *OF_AMRANI)
    command = a_start(OF_AMRANI[0], KEY)
    await database.write(partial(open_request, command=command), command.request, NOON)
    decided_at = NOON + timedelta(days=6)

    first = await ledger.send(command, decided_at)
    await database.write(prune, NOON, decided_at + ANSWER_LIFETIME - minutes(1))
    stored_ids = await database.read(column, "requests", "request_id")
    await database.write(prune, NOON, decided_at + ANSWER_LIFETIME + minutes(1))

    assert first.status == 201
    assert stored_ids == [command.request.id]
    assert await database.read(column, "requests", "request_id") == []


async def test_undecided_reason_is_deleted_after_a_week(database: Database) -> None:
    await database.write(seed)
    values = {"request_id": "release", "caller_id": RECEPTIONIST, "fingerprint": "f", "reason": "gone home"}
    await database.write(lambda connection: connection.execute(insert(requests).values(created_at=NOON, **values)))

    await database.write(prune, NOON, NOON + ANSWER_LIFETIME + minutes(1))

    assert await database.read(column, "requests", "request_id") == []

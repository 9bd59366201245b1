"""Each status that staff decide sets `as_of` of its appointment, so an older message of a feed does not undo it."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from sqlalchemy import select, update

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.tables import appointments
from patient_visit_engine.visit.appointment_commands import CheckOut
from patient_visit_engine.visit.codes import AppointmentStatus
from patient_visit_engine.visit.commands import Command
from patient_visit_engine.visit.timers import next_deadline
from tests.support.builders import DR_AMRANI, NOON, RECEPTIONIST, a_request, an_appointment, minutes, seed
from tests.support.commands import a_change, a_check_in, a_completion, a_release, a_start, a_status
from tests.support.ledger import LedgerDriver

BOOKED = an_appointment()
Step = Callable[[LedgerDriver], Command]


def check_in(_: LedgerDriver) -> Command:
    return a_check_in(BOOKED)


def check_out(_: LedgerDriver) -> Command:
    return CheckOut(request=a_request("check-out", RECEPTIONIST), appointment=BOOKED)


def start(_: LedgerDriver) -> Command:
    return a_start(BOOKED)


def set_status(status: AppointmentStatus, by: int | None = None) -> Step:
    return lambda _: a_status(BOOKED, status, by)


def feed(**fields: Any) -> Step:
    return lambda _: a_change(BOOKED, **fields)


#: The steps, one each minute, and the minute of the last decision that was made here.
STEPS: dict[str, tuple[Sequence[Step], int]] = {
    "check-in": ([check_in], 0),
    "check-out": ([check_in, check_out], 1),
    "start": ([start], 0),
    "start after check-in": ([check_in, start], 1),
    "completion": ([start, lambda ledger: a_completion(ledger.running)], 1),
    "release": ([check_in, start, lambda ledger: a_release(ledger.running)], 2),
    "scheduled": ([set_status(AppointmentStatus.scheduled)], 0),
    "confirmed": ([set_status(AppointmentStatus.scheduled), set_status(AppointmentStatus.confirmed)], 1),
    "canceled": ([check_in, set_status(AppointmentStatus.canceled)], 1),
    "done": ([start, set_status(AppointmentStatus.done, DR_AMRANI.id)], 1),
    "canceled by a feed": ([check_in, feed(status=AppointmentStatus.canceled)], 0),
    "moved by a feed": ([check_in, feed(scheduled_at=NOON + minutes(30))], 0),
}


async def send_each(ledger: LedgerDriver, steps: Sequence[Step]) -> None:
    for minute, step in enumerate(steps):
        answer = await ledger.send(step(ledger), NOON + minutes(minute))
        assert answer.status < 300, answer


async def read_as_of(database: Database) -> Any:
    return await database.read(lambda c: c.scalar(select(appointments.c.as_of).where(appointments.c.id == BOOKED.id)))


@pytest.mark.parametrize(("steps", "minute"), STEPS.values(), ids=STEPS)
async def test_decision_sets_as_of(
    database: Database, ledger: LedgerDriver, steps: Sequence[Step], minute: int
) -> None:
    await database.write(seed, BOOKED)

    await send_each(ledger, steps)

    assert await read_as_of(database) == NOON + minutes(minute)


async def test_time_limit_leaves_as_of(database: Database, ledger: LedgerDriver) -> None:
    await database.write(seed, BOOKED)
    await send_each(ledger, [start])

    while not ledger.state.facts.is_empty:
        await ledger.record_due(next_deadline(ledger.state))

    assert await read_as_of(database) == NOON


async def test_arrival_feed_leaves_as_of(database: Database, ledger: LedgerDriver) -> None:
    await database.write(seed, BOOKED)
    steps = [check_in(ledger), check_out(ledger)]

    for step in steps:
        request = step.request.model_copy(update={"sent_by_feed": True})
        assert (await ledger.send(step.model_copy(update={"request": request}), NOON)).status < 300

    assert await read_as_of(database) is None


async def test_decision_does_not_make_as_of_older(database: Database, ledger: LedgerDriver) -> None:
    await database.write(seed, BOOKED)
    ahead = NOON + minutes(4)
    await database.write(lambda c: c.execute(update(appointments).values(as_of=ahead)))

    await send_each(ledger, [check_in])

    assert await read_as_of(database) == ahead

"""Idempotency keys in the ledger: one key is one request with one stored answer, and is new again after the answer is pruned."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.requests import find_open_requests, open_request
from patient_visit_engine.storage.tables import requests
from patient_visit_engine.storage.upkeep.sweep import ANSWER_LIFETIME, prune
from tests.support.builders import (
    DAY,
    DR_AMRANI,
    DR_SMITH,
    MARIA_SILVA,
    NOON,
    RECEPTIONIST,
    a_consultation,
    an_appointment,
    minutes,
    move_appointments,
    seed,
)
from tests.support.commands import a_completion, a_release, a_start
from tests.support.ledger import LedgerDriver, all_rows, column, stored_answer

OF_AMRANI, OF_SMITH = an_appointment(DR_AMRANI), an_appointment(DR_SMITH)
MARIAS = an_appointment(DR_AMRANI, patient=MARIA_SILVA)
TOMORROW = DAY + timedelta(days=1)


def open_requests(connection: Connection) -> list[Any]:
    """The rows of `requests` without a decision."""
    return [tuple(row) for row in connection.execute(select(requests).where(requests.c.decided_at.is_(None)))]


async def test_key_of_another_request_decides_nothing(database: Database) -> None:
    await database.write(seed, OF_AMRANI, MARIAS)
    johns = a_start(OF_AMRANI, "one key")
    other_request = johns.request.model_copy(update={"fingerprint": "f" * 64})
    await database.write(partial(open_request, command=johns), johns.request, NOON)
    before = await database.read(all_rows)
    ledger = LedgerDriver(database, patient_id=MARIA_SILVA.id)

    recorded = await ledger.record(ledger.entry(a_start(MARIAS).model_copy(update={"request": other_request})))

    assert (recorded.overtaken, recorded.facts.in_progress) == (False, ())
    assert await database.read(all_rows) == before
    assert len(await database.read(open_requests)) == 1


async def test_visit_of_other_day_keeps_stored_answer(database: Database) -> None:
    await database.write(seed, OF_AMRANI, OF_SMITH)
    today, tomorrow = LedgerDriver(database), LedgerDriver(database, day=TOMORROW)
    await today.send(a_start(OF_SMITH, "smith"))
    command = a_start(OF_AMRANI, "sent once")
    await database.write(partial(open_request, command=command), command.request, NOON)
    tomorrow.set_facts(today.state.facts)
    late_entry = tomorrow.entry(command, NOON + minutes(9))

    await today.record(today.entry(command, NOON + minutes(1)))
    before = await database.read(all_rows)
    recorded = await tomorrow.record(late_entry)

    assert (recorded.overtaken, recorded.facts) == (False, today.state.facts)
    assert await database.read(all_rows) == before
    assert (await database.read(stored_answer, command.request.id)).body["elapsed_seconds"] == 60


async def release(ledger: LedgerDriver) -> None:
    """A supervisor releases the consultation."""
    await ledger.send(a_release(ledger.running), NOON + minutes(5))


async def time_out(ledger: LedgerDriver) -> None:
    """The consultation times out."""
    await ledger.record_due(ledger.running.overdue_at)
    await ledger.record_due(ledger.running.abandon_at)


@pytest.mark.parametrize("end", [release, time_out], ids=lambda end: end.__name__)
async def test_key_is_new_after_its_answer_is_pruned(
    database: Database, ledger: LedgerDriver, end: Callable[[LedgerDriver], Awaitable[None]]
) -> None:
    await database.write(seed, OF_AMRANI)
    first = await ledger.send(a_start(OF_AMRANI, "used twice"))
    await end(ledger)
    much_later = NOON + ANSWER_LIFETIME + timedelta(days=1)
    while await database.write(prune, NOON, much_later):
        pass
    assert await database.read(column, "requests", "request_id") == []

    await database.write(move_appointments, much_later)
    later = LedgerDriver(database, day=much_later.date())
    await later.load_facts()
    second = await later.send(a_start(OF_AMRANI, "used twice"), much_later)

    assert (first.status, second.status) == (201, 201)
    assert first.body["id"] != second.body["id"]
    assert await database.read(column, "patient_trackings", "consultation_id") == [first.body["id"], second.body["id"]]


@pytest.mark.parametrize("unknown", ['{"type": "Teleport", "patient_id": 123}', "{}", "not JSON"])
async def test_unreadable_request_does_not_block_others(database: Database, unknown: str) -> None:
    await database.write(seed, OF_AMRANI)
    command = a_completion(a_consultation(OF_AMRANI))
    values = {"request_id": "of another version", "caller_id": RECEPTIONIST, "fingerprint": "f", "created_at": NOON}
    await database.write(lambda connection: connection.execute(insert(requests).values(command=unknown, **values)))
    await database.write(partial(open_request, command=command), command.request, NOON + minutes(1))

    stored = await database.read(find_open_requests, NOON + minutes(2), None, 10)

    assert [request.command for request in stored] == [None, command]

"""What a key stands for in the ledger: one request, one answer while it is kept, and something new when it is not."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.requests import find_open_commands, open_request
from patient_visit_engine.storage.tables import requests
from patient_visit_engine.storage.upkeep.sweep import ANSWERS_KEPT, prune
from tests.support.builders import (
    DAY,
    DR_AMRANI,
    DR_SMITH,
    MARIA_SILVA,
    NOON,
    RECEPTIONIST,
    a_release,
    a_start,
    an_appointment,
    minutes,
    seed,
)
from tests.support.ledger import LedgerDriver, column, everything, kept_answer

MINE, OF_SMITH = an_appointment(DR_AMRANI), an_appointment(DR_SMITH)
MARIAS = an_appointment(DR_AMRANI, patient=MARIA_SILVA)
TOMORROW = DAY + timedelta(days=1)


def open_requests(connection: Connection) -> list[Any]:
    """The rows of requests that nobody has decided."""
    return [tuple(row) for row in connection.execute(select(requests).where(requests.c.decided_at.is_(None)))]


async def test_a_key_that_stands_for_another_request_decides_nothing(database: Database) -> None:
    await database.write(seed, MINE, MARIAS)
    johns = a_start(MINE, "one key")
    another = johns.request.model_copy(update={"fingerprint": "f" * 64})
    await database.write(partial(open_request, command=johns), johns.request, NOON)
    before = await database.read(everything)
    desk = LedgerDriver(database, patient_id=MARIA_SILVA.id)

    recorded = await desk.record(desk.entry(a_start(MARIAS).model_copy(update={"request": another})))

    assert (recorded.overtaken, recorded.facts.in_progress) == (False, ())
    assert await database.read(everything) == before
    assert len(await database.read(open_requests)) == 1


async def test_an_answer_once_kept_is_not_written_over_by_another_days_visit(database: Database) -> None:
    await database.write(seed, MINE, OF_SMITH)
    today, tomorrow = LedgerDriver(database), LedgerDriver(database, day=TOMORROW)
    await today.ask(a_start(OF_SMITH, "smith"))
    command = a_start(MINE, "asked once")
    await database.write(partial(open_request, command=command), command.request, NOON)
    tomorrow.know(today.state.facts)
    late = tomorrow.entry(command, NOON + minutes(9))

    await today.record(today.entry(command, NOON + minutes(1)))
    before = await database.read(everything)
    again = await tomorrow.record(late)

    assert (again.overtaken, again.facts) == (False, today.state.facts)
    assert await database.read(everything) == before
    assert (await database.read(kept_answer, command.request.id)).body["elapsed_seconds"] == 60


async def released(desk: LedgerDriver) -> None:
    """A supervisor ends the consultation."""
    await desk.ask(a_release(desk.state.facts.in_progress[0]), NOON + minutes(5))


async def timed_out(desk: LedgerDriver) -> None:
    """Nobody ends the consultation."""
    now: datetime = NOON + desk.state.limits.abandon_after
    await desk.let_time_decide(now)


@pytest.mark.parametrize("ended", [released, timed_out], ids=lambda ended: ended.__name__)
async def test_a_key_used_again_after_its_answer_was_thrown_away_begins_another_consultation(
    database: Database, ended: Callable[[LedgerDriver], Awaitable[None]]
) -> None:
    await database.write(seed, MINE)
    desk = LedgerDriver(database)
    first = await desk.ask(a_start(MINE, "used twice"))
    await ended(desk)
    much_later = NOON + ANSWERS_KEPT + timedelta(days=1)
    while await database.write(prune, NOON, much_later):
        pass
    assert await database.read(column, "requests", "request_id") == []

    later = LedgerDriver(database, day=much_later.date())
    later.know(await later.ledger.load(MINE.patient_id))
    second = await later.ask(a_start(MINE, "used twice"), much_later)

    assert (first.status, second.status) == (201, 201)
    assert first.body["id"] != second.body["id"]
    assert await database.read(column, "patient_trackings", "consultation_id") == [first.body["id"], second.body["id"]]


@pytest.mark.parametrize("unknown", ['{"type": "Teleport", "patient_id": 123}', "{}", "not JSON"])
async def test_a_request_that_cannot_be_read_does_not_keep_others_from_being_sent(
    database: Database, unknown: str
) -> None:
    await database.write(seed, MINE)
    command = a_start(MINE)
    values = {"request_id": "of another version", "caller_id": RECEPTIONIST, "fingerprint": "f", "created_at": NOON}
    await database.write(lambda connection: connection.execute(insert(requests).values(command=unknown, **values)))
    await database.write(partial(open_request, command=command), command.request, NOON + minutes(1))

    found = await database.read(find_open_commands, NOON + minutes(2), 10)

    assert found == [command]

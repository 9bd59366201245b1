"""What the sweep finds neglected, and what it throws away, a batch at a time."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, insert

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.log_reader import read_bounds
from patient_visit_engine.storage.tables import events, requests
from patient_visit_engine.storage.upkeep import sweep
from patient_visit_engine.storage.upkeep.sweep import ANSWERS_KEPT, OverdueVisit, find_overdue_visits, prune
from tests.support.builders import (
    DAY,
    DR_AMRANI,
    DR_OKAFOR,
    DR_SMITH,
    JOHN_DOE,
    MARIA_SILVA,
    MIDNIGHT,
    NOON,
    RECEPTIONIST,
    X_RAY,
    a_check_in,
    a_completion,
    a_start,
    a_wait,
    an_appointment,
    minutes,
    seed,
)
from tests.support.ledger import LedgerDriver, column

MINE, OF_SMITH = an_appointment(DR_AMRANI), an_appointment(DR_SMITH)
TOMORROW = DAY + timedelta(days=1)


async def found(database: Database, since: datetime, today: Any = DAY, *, expire: bool = True) -> list[OverdueVisit]:
    """What the sweep would look after."""
    return await database.read(find_overdue_visits, since, today, 200, offers_expire=expire)


async def test_a_consultation_is_neglected_once_its_reminder_is_late_whatever_its_day(database: Database) -> None:
    await database.write(seed, MINE)
    desk = LedgerDriver(database)
    running = (await desk.ask(a_start(MINE))).body["id"]
    due_at = NOON + minutes(20)

    assert await found(database, due_at) == []
    assert await found(database, due_at + timedelta(milliseconds=1)) == [OverdueVisit(JOHN_DOE.id, DAY, [running])]
    await desk.let_time_decide(due_at)
    assert await found(database, due_at + timedelta(milliseconds=1)) == []


async def test_both_consultations_of_one_visit_are_found_together(database: Database) -> None:
    x_ray = an_appointment(DR_OKAFOR, prestation=X_RAY)
    await database.write(seed, MINE, x_ray)
    desk = LedgerDriver(database)
    both = [(await desk.ask(a_start(mine, f"start {mine.id}"))).body["id"] for mine in (MINE, x_ray)]

    [find_overdue_visits] = await found(database, NOON + timedelta(hours=1))
    assert (find_overdue_visits.patient_id, find_overdue_visits.day, sorted(find_overdue_visits.consultation_ids)) == (
        JOHN_DOE.id,
        DAY,
        sorted(both),
    )


async def test_a_check_in_is_neglected_when_its_day_is_past(database: Database) -> None:
    await database.write(seed, MINE)
    await LedgerDriver(database).ask(a_check_in(MINE))

    assert await found(database, MIDNIGHT) == []
    assert await found(database, MIDNIGHT, TOMORROW) == [OverdueVisit(JOHN_DOE.id, DAY)]


async def test_a_line_is_neglected_when_its_day_is_past_or_its_offer_is_late(database: Database) -> None:
    await database.write(seed, MINE, OF_SMITH)
    desk = LedgerDriver(database)
    await desk.ask(a_start(OF_SMITH, "smith"))
    await desk.ask(a_wait(MINE))
    waiting = await found(database, NOON + minutes(5))
    await desk.ask(a_completion(desk.state.facts.in_progress[0]), NOON + minutes(5))

    late = NOON + minutes(6) + timedelta(milliseconds=1)
    assert waiting == []
    assert await found(database, NOON + minutes(6)) == []
    assert await found(database, late) == [OverdueVisit(JOHN_DOE.id, DAY)]
    assert await found(database, late, expire=False) == []
    assert await found(database, NOON, TOMORROW, expire=False) == [OverdueVisit(JOHN_DOE.id, DAY)]


async def test_no_more_is_looked_after_at_once_than_asked_for(database: Database) -> None:
    of_maria = an_appointment(DR_SMITH, patient=MARIA_SILVA)
    await database.write(seed, MINE, of_maria)
    await LedgerDriver(database).ask(a_check_in(MINE, "john"))
    await LedgerDriver(database, patient_id=MARIA_SILVA.id).ask(a_check_in(of_maria, "maria"))

    some = await database.read(find_overdue_visits, NOON, TOMORROW, 1, offers_expire=True)

    assert len(some) == 1


def log_of(connection: Connection, *moments: datetime) -> None:
    """An event at each of these moments, in this order."""
    for nth, at in enumerate(moments, 1):
        values = {"seq": nth, "dedup_key": f"k{nth}", "at": at, "channel": "c", "name": "n", "data": "{}"}
        connection.execute(insert(events).values(**values, patient_id=JOHN_DOE.id))


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two rows a batch."""
    monkeypatch.setattr(sweep, "PRUNE_BATCH", 2)


@pytest.mark.usefixtures("small_batches")
async def test_the_log_loses_its_oldest_events_a_batch_at_a_time(database: Database) -> None:
    await database.write(log_of, *(NOON + minutes(n) for n in range(6)))

    gone = [await database.write(prune, NOON + minutes(5), NOON) for _ in range(4)]

    assert gone == [2, 2, 1, 0]
    assert await database.read(column, "events", "seq") == [6]


@pytest.mark.usefixtures("small_batches")
async def test_pruning_leaves_no_hole_where_one_workers_clock_was_behind(database: Database) -> None:
    await database.write(log_of, NOON, NOON + minutes(9), NOON + minutes(1), NOON + minutes(9))

    while await database.write(prune, NOON + minutes(5), NOON):
        pass

    assert await database.read(column, "events", "seq") == [2, 3, 4]


async def test_a_position_is_never_used_again_after_all_events_are_gone(database: Database) -> None:
    await database.write(seed, MINE, OF_SMITH)
    desk = LedgerDriver(database)
    await desk.ask(a_start(MINE))
    await desk.ask(a_completion(desk.state.facts.in_progress[0]))
    while await database.write(prune, NOON + minutes(1), NOON):
        pass
    emptied = await database.read(read_bounds)

    await desk.ask(a_start(OF_SMITH, "smith"), NOON + minutes(2))

    assert (emptied.oldest, emptied.head) == (3, 2)
    assert await database.read(column, "events", "seq") == [3]


@pytest.mark.usefixtures("small_batches")
async def test_answers_are_forgotten_after_their_time_and_open_requests_are_not(database: Database) -> None:
    def ask(connection: Connection) -> None:
        for nth in range(4):
            values = {
                "request_id": f"r{nth}",
                "caller_id": RECEPTIONIST,
                "fingerprint": "f",
                "created_at": NOON,
                "command": "{}",
            }
            decided = {"decided_at": NOON, "status": 200} if nth else {}
            connection.execute(insert(requests).values(**values, **decided))

    await database.write(seed)
    await database.write(ask)

    short = NOON + timedelta(days=6)
    kept = await database.write(prune, short, short)
    gone = [await database.write(prune, NOON, NOON + ANSWERS_KEPT + minutes(1)) for _ in range(3)]

    assert kept == 0
    assert gone == [2, 1, 0]
    assert await database.read(column, "requests", "request_id") == ["r0"]

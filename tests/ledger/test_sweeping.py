"""What the sweep finds overdue, and what it deletes, one batch at a time."""

from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import Connection, insert

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.log_reader import read_bounds
from patient_visit_engine.storage.tables import events, requests
from patient_visit_engine.storage.upkeep import sweep
from patient_visit_engine.storage.upkeep.sweep import ANSWER_LIFETIME, LateVisit, find_late_visits, prune
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
    an_appointment,
    minutes,
    seed,
)
from tests.support.commands import a_check_in, a_completion, a_start, a_wait
from tests.support.ledger import LedgerDriver, column

OF_AMRANI, OF_SMITH = an_appointment(DR_AMRANI), an_appointment(DR_SMITH)
TOMORROW = DAY + timedelta(days=1)


async def read_late(
    database: Database, since: datetime, today: date = DAY, *, offers_expire: bool = True
) -> list[LateVisit]:
    """The visits that the sweep would remind."""
    return await database.read(find_late_visits, since, today, 200, offers_expire=offers_expire)


async def test_late_reminder_makes_visit_overdue(database: Database, ledger: LedgerDriver) -> None:
    await database.write(seed, OF_AMRANI)
    running = (await ledger.send(a_start(OF_AMRANI))).body["id"]
    due_at = NOON + minutes(20)

    assert await read_late(database, due_at) == []
    assert await read_late(database, due_at + timedelta(milliseconds=1)) == [LateVisit(JOHN_DOE.id, DAY, [running])]
    await ledger.record_due(due_at)
    assert await read_late(database, due_at + timedelta(milliseconds=1)) == []


async def test_two_consultations_are_one_overdue_visit(database: Database, ledger: LedgerDriver) -> None:
    x_ray = an_appointment(DR_OKAFOR, prestation=X_RAY)
    await database.write(seed, OF_AMRANI, x_ray)
    both = [
        (await ledger.send(a_start(appointment, f"start {appointment.id}"))).body["id"]
        for appointment in (OF_AMRANI, x_ray)
    ]

    [visit] = await read_late(database, NOON + timedelta(hours=1))
    assert (visit.patient_id, visit.day) == (JOHN_DOE.id, DAY)
    assert sorted(visit.consultation_ids) == sorted(both)


async def test_check_in_is_overdue_after_its_day(database: Database) -> None:
    await database.write(seed, OF_AMRANI)
    await LedgerDriver(database).send(a_check_in(OF_AMRANI))

    assert await read_late(database, MIDNIGHT) == []
    assert await read_late(database, MIDNIGHT, TOMORROW) == [LateVisit(JOHN_DOE.id, DAY)]


async def test_old_line_or_expired_offer_is_overdue(database: Database, ledger: LedgerDriver) -> None:
    await database.write(seed, OF_AMRANI, OF_SMITH)
    await ledger.send(a_start(OF_SMITH, "smith"))
    await ledger.send(a_wait(OF_AMRANI))
    before = await read_late(database, NOON + minutes(5))
    await ledger.send(a_completion(ledger.running), NOON + minutes(5))

    too_late = NOON + minutes(6) + timedelta(milliseconds=1)
    assert before == []
    assert await read_late(database, NOON + minutes(6)) == []
    assert await read_late(database, too_late) == [LateVisit(JOHN_DOE.id, DAY)]
    assert await read_late(database, too_late, offers_expire=False) == []
    assert await read_late(database, NOON, TOMORROW, offers_expire=False) == [LateVisit(JOHN_DOE.id, DAY)]


async def test_finds_no_more_visits_than_the_limit(database: Database) -> None:
    of_maria = an_appointment(DR_SMITH, patient=MARIA_SILVA)
    await database.write(seed, OF_AMRANI, of_maria)
    await LedgerDriver(database).send(a_check_in(OF_AMRANI, "john"))
    await LedgerDriver(database, patient_id=MARIA_SILVA.id).send(a_check_in(of_maria, "maria"))

    visits = await database.read(find_late_visits, NOON, TOMORROW, 1, offers_expire=True)

    assert len(visits) == 1


def insert_events(connection: Connection, *moments: datetime) -> None:
    """Insert an event for each moment, in this order."""
    for number, at in enumerate(moments, 1):
        values = {"seq": number, "dedup_key": f"k{number}", "at": at, "channel": "c", "name": "n", "data": "{}"}
        connection.execute(insert(events).values(**values, patient_id=JOHN_DOE.id))


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Delete two rows at a time."""
    monkeypatch.setattr(sweep, "PRUNE_BATCH", 2)


@pytest.mark.usefixtures("small_batches")
async def test_prunes_oldest_events_in_batches(database: Database) -> None:
    await database.write(insert_events, *(NOON + minutes(n) for n in range(6)))

    deleted = [await database.write(prune, NOON + minutes(5), NOON) for _ in range(4)]

    assert deleted == [2, 2, 1, 0]
    assert await database.read(column, "events", "seq") == [6]


@pytest.mark.usefixtures("small_batches")
async def test_pruning_leaves_no_gap_after_a_slow_clock(database: Database) -> None:
    await database.write(insert_events, NOON, NOON + minutes(9), NOON + minutes(1), NOON + minutes(9))

    while await database.write(prune, NOON + minutes(5), NOON):
        pass

    assert await database.read(column, "events", "seq") == [2, 3, 4]


async def test_position_is_not_reused_after_pruning_all(database: Database, ledger: LedgerDriver) -> None:
    await database.write(seed, OF_AMRANI, OF_SMITH)
    await ledger.send(a_start(OF_AMRANI))
    await ledger.send(a_completion(ledger.running))
    while await database.write(prune, NOON + minutes(1), NOON):
        pass
    bounds = await database.read(read_bounds)

    await ledger.send(a_start(OF_SMITH, "smith"), NOON + minutes(2))

    assert (bounds.oldest, bounds.head) == (3, 2)
    assert await database.read(column, "events", "seq") == [3]


@pytest.mark.usefixtures("small_batches")
async def test_prunes_old_answers_but_no_open_requests(database: Database) -> None:
    def insert_requests(connection: Connection) -> None:
        for number in range(4):
            values = {
                "request_id": f"r{number}",
                "caller_id": RECEPTIONIST,
                "fingerprint": "f",
                "created_at": NOON,
                "command": "{}",
            }
            decision = {"decided_at": NOON, "status": 200} if number else {}
            connection.execute(insert(requests).values(**values, **decision))

    await database.write(seed)
    await database.write(insert_requests)

    too_early = NOON + timedelta(days=6)
    deleted_early = await database.write(prune, too_early, too_early)
    deleted = [await database.write(prune, NOON, NOON + ANSWER_LIFETIME + minutes(1)) for _ in range(3)]

    assert deleted_early == 0
    assert deleted == [2, 1, 0]
    assert await database.read(column, "requests", "request_id") == ["r0"]

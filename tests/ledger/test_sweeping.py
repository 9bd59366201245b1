"""What the sweep finds overdue, and what it deletes, one batch at a time."""

from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import Connection, insert

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.log_reader import read_bounds
from patient_visit_engine.storage.tables import events, requests
from patient_visit_engine.storage.upkeep import sweep
from patient_visit_engine.storage.upkeep.sweep import ANSWER_LIFETIME, find_late_patients, prune
from patient_visit_engine.visit.carry_over import CARRY_OVER_WITHIN, carry_over_delay
from tests.support.builders import (
    DAY,
    DAY_END,
    DR_AMRANI,
    DR_OKAFOR,
    DR_SMITH,
    JOHN_DOE,
    MARIA_SILVA,
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
    database: Database,
    since: datetime,
    today: date = DAY,
    *,
    into_day: timedelta = CARRY_OVER_WITHIN,
    offers_expire: bool = True,
) -> list[int]:
    """The patients to whose visits the sweep would send `adopt`."""
    return await database.read(find_late_patients, since, today, into_day, 200, offers_expire=offers_expire)


async def test_late_reminder_makes_visit_overdue(database: Database, ledger: LedgerDriver) -> None:
    await database.write(seed, OF_AMRANI)
    await ledger.send(a_start(OF_AMRANI))
    due_at = NOON + minutes(20)

    assert await read_late(database, due_at) == []
    assert await read_late(database, due_at + timedelta(milliseconds=1)) == [JOHN_DOE.id]
    await ledger.record_due(due_at)
    assert await read_late(database, due_at + timedelta(milliseconds=1)) == []


async def test_two_consultations_are_one_overdue_visit(database: Database, ledger: LedgerDriver) -> None:
    x_ray = an_appointment(DR_OKAFOR, prestation=X_RAY)
    await database.write(seed, OF_AMRANI, x_ray)
    for appointment in (OF_AMRANI, x_ray):
        await ledger.send(a_start(appointment, f"start {appointment.id}"))

    assert await read_late(database, NOON + timedelta(hours=1)) == [JOHN_DOE.id]


async def test_open_rows_pass_to_the_new_day(database: Database, ledger: LedgerDriver) -> None:
    await database.write(seed, OF_AMRANI, OF_SMITH)
    await ledger.send(a_check_in(OF_AMRANI))
    own_moment = carry_over_delay(JOHN_DOE.id)

    assert await read_late(database, NOON) == []
    assert await read_late(database, NOON, TOMORROW, into_day=own_moment - timedelta(seconds=1)) == []
    assert await read_late(database, NOON, TOMORROW, into_day=own_moment) == [JOHN_DOE.id]
    await LedgerDriver(database, day=TOMORROW).send(a_start(OF_SMITH), DAY_END)
    assert await read_late(database, NOON, TOMORROW) == []


async def test_expired_offer_is_overdue(database: Database, ledger: LedgerDriver) -> None:
    await database.write(seed, OF_AMRANI, OF_SMITH)
    await ledger.send(a_start(OF_SMITH, "smith"))
    await ledger.send(a_wait(OF_AMRANI))
    before = await read_late(database, NOON + minutes(5))
    await ledger.send(a_completion(ledger.running), NOON + minutes(5))

    too_late = NOON + minutes(6) + timedelta(milliseconds=1)
    assert before == []
    assert await read_late(database, NOON + minutes(6)) == []
    assert await read_late(database, too_late) == [JOHN_DOE.id]
    assert await read_late(database, too_late, offers_expire=False) == []
    assert await read_late(database, NOON, TOMORROW, offers_expire=False) == [JOHN_DOE.id]


async def test_finds_no_more_patients_than_the_limit(database: Database) -> None:
    of_maria = an_appointment(DR_SMITH, patient=MARIA_SILVA)
    await database.write(seed, OF_AMRANI, of_maria)
    await LedgerDriver(database).send(a_check_in(OF_AMRANI, "john"))
    await LedgerDriver(database, patient_id=MARIA_SILVA.id).send(a_check_in(of_maria, "maria"))

    patients = await database.read(find_late_patients, NOON, TOMORROW, CARRY_OVER_WITHIN, 1, offers_expire=True)

    assert len(patients) == 1


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

"""What the sweep finds overdue, and what it deletes, one batch at a time."""

from collections.abc import Callable
from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import Connection, delete, insert, update

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.log_reader import read_bounds
from patient_visit_engine.storage.tables import events, patient_trackings, patients, requests, waiting_line
from patient_visit_engine.storage.upkeep import sweep
from patient_visit_engine.storage.upkeep.earlier_days import (
    find_places_of_earlier_days,
    find_trackings_of_earlier_days,
)
from patient_visit_engine.storage.upkeep.sweep import (
    ANSWER_LIFETIME,
    LateRow,
    find_late_reservations,
    find_late_trackings,
    find_unserved_places,
    prune,
)
from patient_visit_engine.visit.carry_over import CARRY_OVER_WITHIN, carry_over_delay
from tests.support import sweep_rows
from tests.support.builders import (
    DAY,
    DAY_END,
    DR_AMRANI,
    DR_OKAFOR,
    DR_SMITH,
    JOHN_DOE,
    NOON,
    RECEPTIONIST,
    X_RAY,
    an_appointment,
    minutes,
    seed,
)
from tests.support.commands import a_check_in, a_completion, a_start, a_transfer, a_wait
from tests.support.ledger import LedgerDriver, column
from tests.support.merged_records import make_one_person
from tests.support.touched_rows import touched_rows

OF_AMRANI, OF_SMITH = an_appointment(DR_AMRANI), an_appointment(DR_SMITH)
TOMORROW = DAY + timedelta(days=1)
A_MILLISECOND = timedelta(milliseconds=1)


async def late_trackings(database: Database, since: datetime) -> list[int]:
    """The patients whose late consultations and check-ins the sweep finds."""
    return patients_of(await database.read(find_late_trackings, since, None, 200))


async def late_reservations(database: Database, since: datetime) -> list[int]:
    """The patients whose reservations are over, as the sweep finds them."""
    return patients_of(await database.read(find_late_reservations, since, None, 200))


async def unserved_places(database: Database, since: datetime, *, offers_expire: bool = True) -> list[int]:
    """The patients whose lines the sweep finds."""
    return patients_of(await database.read(find_unserved_places, since, None, 200, offers_expire=offers_expire))


def patients_of(rows: list[LateRow]) -> list[int]:
    """The patients of these rows, one for each row."""
    return [row.patient_id for row in rows]


async def test_consultation_with_late_reminder_is_late(database: Database, ledger: LedgerDriver) -> None:
    await database.write(seed, OF_AMRANI)
    await ledger.send(a_start(OF_AMRANI))
    due_at = NOON + minutes(20)

    assert await late_trackings(database, due_at) == []
    assert await late_trackings(database, due_at + A_MILLISECOND) == [JOHN_DOE.id]
    await ledger.record_due(due_at)
    assert await late_trackings(database, due_at + A_MILLISECOND) == []


async def test_finds_both_late_consultations_of_a_patient(database: Database, ledger: LedgerDriver) -> None:
    x_ray = an_appointment(DR_OKAFOR, prestation=X_RAY)
    await database.write(seed, OF_AMRANI, x_ray)
    for appointment in (OF_AMRANI, x_ray):
        await ledger.send(a_start(appointment, f"start {appointment.id}"))

    assert await late_trackings(database, NOON + timedelta(hours=1)) == [JOHN_DOE.id, JOHN_DOE.id]


FindEarlier = Callable[[Connection, date, timedelta, int | None, int], list[LateRow]]


async def moments_of_carrying(database: Database, find: FindEarlier) -> list[list[int]]:
    """The patients that are found on their day, on the next day before their moment, and from then on."""
    own_moment = carry_over_delay(JOHN_DOE.id)
    moments = ((DAY, own_moment), (TOMORROW, own_moment - timedelta(seconds=1)), (TOMORROW, own_moment))
    return [patients_of(await database.read(find, today, into_day, None, 200)) for today, into_day in moments]


async def test_trackings_pass_to_the_next_day(database: Database, ledger: LedgerDriver) -> None:
    await database.write(seed, OF_AMRANI, OF_SMITH)
    await ledger.send(a_check_in(OF_AMRANI))
    await ledger.send(a_start(OF_SMITH))

    before = await moments_of_carrying(database, find_trackings_of_earlier_days)
    await LedgerDriver(database, day=TOMORROW).send(a_completion(ledger.running), DAY_END + minutes(30))
    after = await moments_of_carrying(database, find_trackings_of_earlier_days)

    assert before == [[], [], [JOHN_DOE.id, JOHN_DOE.id]]
    assert after == [[], [], []]


async def test_place_in_line_passes_to_the_next_day(database: Database, ledger: LedgerDriver) -> None:
    await database.write(seed, OF_AMRANI, OF_SMITH)
    await ledger.send(a_start(OF_SMITH, "smith"))
    await ledger.send(a_wait(OF_AMRANI))

    assert await moments_of_carrying(database, find_places_of_earlier_days) == [[], [], [JOHN_DOE.id]]


async def test_check_in_from_an_earlier_day_is_late(database: Database, ledger: LedgerDriver) -> None:
    await database.write(seed, OF_AMRANI)
    at_night = DAY_END - timedelta(hours=1)
    await ledger.send(a_check_in(OF_AMRANI), at_night)
    await LedgerDriver(database, day=TOMORROW).send(a_check_in(OF_AMRANI, "again"), DAY_END)
    limit = at_night + timedelta(hours=12)

    assert await late_trackings(database, limit) == []
    assert await late_trackings(database, limit + A_MILLISECOND) == [JOHN_DOE.id]


async def test_expired_offer_is_late(database: Database, ledger: LedgerDriver) -> None:
    await database.write(seed, OF_AMRANI, OF_SMITH)
    await ledger.send(a_start(OF_SMITH, "smith"))
    await ledger.send(a_wait(OF_AMRANI))
    await ledger.send(a_completion(ledger.running), NOON + minutes(5))
    too_late = NOON + minutes(6) + A_MILLISECOND

    assert await late_reservations(database, NOON + minutes(6)) == []
    assert await late_reservations(database, too_late) == [JOHN_DOE.id]
    assert await unserved_places(database, too_late) == []


async def test_expired_reservation_after_a_transfer_is_late(database: Database, ledger: LedgerDriver) -> None:
    await database.write(seed, OF_AMRANI, OF_SMITH)
    await ledger.send(a_start(OF_SMITH, "smith"))
    await ledger.send(a_wait(OF_AMRANI))
    await ledger.send(a_transfer(OF_SMITH, ledger.running, DR_OKAFOR))
    in_time = NOON + minutes(3)

    assert await late_reservations(database, in_time) == []
    assert await late_reservations(database, in_time + A_MILLISECOND) == [JOHN_DOE.id]


async def test_expired_reservation_of_which_nothing_else_is_open_is_late_and_ends(
    database: Database, ledger: LedgerDriver
) -> None:
    await database.write(seed, OF_AMRANI, OF_SMITH)
    await ledger.send(a_start(OF_SMITH, "smith"))
    await ledger.send(a_transfer(OF_SMITH, ledger.running, DR_OKAFOR))
    # As a mistake of the program or a change of the database by hand may leave it.
    await database.write(lambda connection: connection.execute(delete(patient_trackings)))
    in_time = NOON + minutes(3)

    assert await late_reservations(database, in_time) == []
    assert await late_reservations(database, in_time + A_MILLISECOND) == [JOHN_DOE.id]
    await ledger.record_due(in_time + A_MILLISECOND)
    assert ledger.state.facts.is_empty


async def test_busy_patient_keeps_a_line_waiting(database: Database, ledger: LedgerDriver) -> None:
    await database.write(seed, OF_AMRANI, OF_SMITH)
    await ledger.send(a_start(OF_SMITH, "smith"))
    await ledger.send(a_wait(OF_AMRANI))

    assert await unserved_places(database, NOON + timedelta(hours=1)) == []


def merge_patients(connection: Connection, retired: int, survivor: int) -> None:
    """Make both records the same person."""
    connection.execute(update(patients).where(patients.c.id == retired).values(person_id=survivor))
    connection.execute(
        update(waiting_line)
        .where(waiting_line.c.patient_id == retired)
        .values(person_id=survivor, doctor_id=DR_OKAFOR.id)
    )


async def test_line_of_a_free_patient_is_unserved(database: Database) -> None:
    await database.write(sweep_rows.insert_patients, (1, 2, 3, 4))
    await database.write(sweep_rows.insert_places, (1, 2, 4))
    await database.write(merge_patients, 4, 2)
    await database.write(sweep_rows.insert_places, (3,), offered_until=NOON + minutes(1))
    await database.write(sweep_rows.insert_consultations, (2,))
    since = NOON - minutes(1)

    assert await unserved_places(database, since) == []
    assert await unserved_places(database, since + A_MILLISECOND) == [1]


async def test_rows_of_retired_records_name_the_survivors(database: Database) -> None:
    in_consultation, in_line = (5, 400), (6, 401)
    await database.write(sweep_rows.insert_patients, (*in_consultation, *in_line))
    await database.write(sweep_rows.insert_consultations, in_consultation[:1])
    await database.write(sweep_rows.insert_places, in_line[:1])
    for retired, survivor in (in_consultation, in_line):
        await database.write(make_one_person, survivor, retired)

    async def find_earlier(find: FindEarlier, seconds: int) -> list[int]:
        return patients_of(await database.read(find, TOMORROW, timedelta(seconds=seconds), None, 200))

    assert await late_trackings(database, NOON + A_MILLISECOND) == [400]
    assert await unserved_places(database, NOON) == [401]
    # The moment of the day is the survivor's too, because the survivor's visit computes it.
    assert [await find_earlier(find_trackings_of_earlier_days, seconds) for seconds in (399, 400)] == [[], [400]]
    assert [await find_earlier(find_places_of_earlier_days, seconds) for seconds in (400, 401)] == [[], [401]]


async def test_line_of_an_earlier_day_is_unserved(database: Database) -> None:
    await database.write(sweep_rows.insert_patients, (1,))
    await database.write(sweep_rows.insert_places, (1,))
    await database.write(
        lambda connection: connection.execute(update(waiting_line).values(visit_day=DAY - timedelta(days=1)))
    )

    assert await unserved_places(database, NOON) == [1]


async def test_notified_line_is_unserved_when_offers_expire(database: Database) -> None:
    await database.write(sweep_rows.insert_patients, (1,))
    await database.write(sweep_rows.insert_places, (1,))
    await database.write(lambda connection: connection.execute(update(waiting_line).values(notified_at=NOON)))

    assert await unserved_places(database, NOON) == [1]
    assert await unserved_places(database, NOON, offers_expire=False) == []


async def test_reads_rows_after_a_key_up_to_the_limit(database: Database) -> None:
    await database.write(sweep_rows.insert_patients, range(1, 6))
    await database.write(sweep_rows.insert_check_ins, range(1, 6))

    first = await database.read(find_trackings_of_earlier_days, TOMORROW, CARRY_OVER_WITHIN, None, 2)
    second = await database.read(find_trackings_of_earlier_days, TOMORROW, CARRY_OVER_WITHIN, first[-1].key, 2)

    assert [row.patient_id for row in (*first, *second)] == [1, 2, 3, 4]


async def test_sweep_reads_no_completed_trackings(database: Database) -> None:
    await database.write(sweep_rows.insert_patients, (1, 2, 3))
    await database.write(sweep_rows.insert_consultations, (1,))
    await database.write(sweep_rows.insert_check_ins, (2,))
    await database.write(sweep_rows.insert_completed_trackings, 3, 5_000)
    # PostgreSQL chooses an index by its statistics.
    await database.write(lambda connection: connection.exec_driver_sql("ANALYZE"))

    def count_work(connection: Connection) -> tuple[int, int]:
        with touched_rows(connection, "patient_trackings") as count_touched:
            find_late_trackings(connection, NOON + minutes(1), None, 200)
            consultations = count_touched()
            find_trackings_of_earlier_days(connection, TOMORROW, CARRY_OVER_WITHIN, None, 200)
            return consultations, count_touched() - consultations

    consultations, check_ins = await database.read(count_work)

    assert max(consultations, check_ins) < 500


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

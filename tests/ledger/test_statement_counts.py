"""The SQL statements of each decision. On PostgreSQL each one is a round trip, while a doctor waits for the answer."""

import sqlite3
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
from sqlalchemy import Connection, delete, update

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.doctor_calls import read_call
from patient_visit_engine.storage.tables import (
    appointments,
    doctors,
    events,
    patient_trackings,
    requests,
    reservations,
    timeline,
)
from patient_visit_engine.visit.codes import AppointmentStatus, DoctorBusy
from patient_visit_engine.visit.timers import decide_due
from tests.support.builders import DAY, DR_AMRANI, DR_SMITH, NOON, an_appointment, minutes, seed
from tests.support.commands import a_call, a_check_in, a_completion, a_no_answer, a_start
from tests.support.databases import ON_SQLITE
from tests.support.ledger import LedgerDriver
from tests.support.statements import recorded_statements

OF_AMRANI, OF_SMITH = an_appointment(DR_AMRANI), an_appointment(DR_SMITH)
START = a_start(OF_AMRANI).model_copy(update={"doctor_busy": DoctorBusy.warn})
#: Sent by the database, or needed to begin a transaction.
NOT_COUNTED = ("BEGIN", "NOTIFY")


async def start(ledger: LedgerDriver) -> None:
    await ledger.record(ledger.entry(START))


async def refused_start(ledger: LedgerDriver) -> None:
    await ledger.record(ledger.entry(a_start(OF_SMITH, "smith"), NOON + minutes(1)))


async def second_refused_start(ledger: LedgerDriver) -> None:
    await ledger.record(ledger.entry(a_start(OF_SMITH, "again"), NOON + minutes(1.5)))


async def completion(ledger: LedgerDriver) -> None:
    await ledger.record(ledger.entry(a_completion(ledger.running), NOON + minutes(2)))


async def check_in(ledger: LedgerDriver) -> None:
    await ledger.record(ledger.entry(a_check_in(OF_SMITH), NOON))


async def reminder(ledger: LedgerDriver) -> None:
    decision = decide_due(ledger.state, NOON + minutes(20))
    assert decision is not None
    await ledger.record(ledger.entry_of(decision))


async def repeated_start(ledger: LedgerDriver) -> None:
    await ledger.record(ledger.entry(START))


async def call(ledger: LedgerDriver) -> None:
    await ledger.send(a_call(OF_AMRANI))


async def no_answer(ledger: LedgerDriver) -> None:
    last = await ledger.database.read(read_call, DR_AMRANI.id, DAY)
    assert last is not None
    await ledger.send(a_no_answer(await ledger.appointment(OF_AMRANI.id), last.call), NOON + minutes(1))


@pytest.mark.parametrize(
    ("started", "decide", "most"),
    [
        (False, start, 7),
        (True, refused_start, 5),
        (True, second_refused_start, 5),
        (True, completion, 7),
        (False, check_in, 7),
        (True, reminder, 5),
        (True, repeated_start, 3),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
async def test_decision_makes_few_statements(
    database: Database,
    ledger: LedgerDriver,
    started: bool,
    decide: Callable[[LedgerDriver], Awaitable[None]],
    most: int,
) -> None:
    await database.write(seed, OF_AMRANI, OF_SMITH)
    if started:
        await start(ledger)

    with recorded_statements() as statements:
        await decide(ledger)

    counted = [statement for statement in statements if not statement.startswith(NOT_COUNTED)]
    assert len(counted) <= most, counted


@ON_SQLITE
@pytest.mark.parametrize(
    ("started", "decide"),
    [(False, start), (True, refused_start), (True, completion), (False, call), (False, no_answer)],
)
async def test_sqlite_compiles_each_statement_once(
    database: Database, ledger: LedgerDriver, started: bool, decide: Callable[[LedgerDriver], Awaitable[None]]
) -> None:
    """A parameter that is compared with the condition of a partial index makes SQLite compile a statement for each execution."""
    compiled: list[str] = []

    def note(action: int, table: str | None, *_names: str | None) -> int:
        # The driver commits with a new statement each time.
        if action != sqlite3.SQLITE_TRANSACTION:
            compiled.append(str(table))
        return sqlite3.SQLITE_OK

    async def make_patient_ready() -> None:
        await database.write(forget_decisions)
        await ledger.load_facts()
        if started:
            await start(ledger)
        if decide is no_answer:
            await call(ledger)

    await database.write(seed, OF_AMRANI, OF_SMITH)
    await database.write(lambda connection: cast(Any, connection.connection.driver_connection).set_authorizer(note))
    for _ in range(2):
        await make_patient_ready()
        compiled.clear()
        await decide(ledger)

    assert compiled == []


def forget_decisions(connection: Connection) -> None:
    for table in (patient_trackings, reservations, requests, timeline, events):
        connection.execute(delete(table))
    connection.execute(
        update(appointments).values(status=AppointmentStatus.confirmed.value, called_at=None, no_answers=0)
    )
    connection.execute(update(doctors).values(called_appointment_id=None, call_until=None))

"""PostgreSQL only: feeds of one identifier that overlap for certain, because one transaction is open while the others come."""

import asyncio

import pytest
from sqlalchemy import Connection, select

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.master_data.identifiers import Identifier, RecordKind, find_record
from patient_visit_engine.storage.master_data.identifying import IdentifierConflictError
from patient_visit_engine.storage.master_data.patients import PatientPut, put_patient
from patient_visit_engine.storage.master_data.put_requests import PutRequest, run_put
from patient_visit_engine.storage.master_data.records import Envelope, PutContext, PutResult
from patient_visit_engine.storage.tables import identifiers, patients
from tests.support.builders import NOON
from tests.support.lock_waits import is_blocked, other_session, wait_for_blocked

A, B, C = (Identifier("urn:mrn", value) for value in "ABC")
ADA = PatientPut("Ada", "Byron")


def put_on(connection: Connection, number: int, *sent: Identifier) -> PutResult:
    return put_patient(connection, PutContext(number, f"put/{number}", NOON, Envelope(identifiers=sent)), ADA)


def put_by(connection: Connection, exact: Identifier, cause: str = "first") -> PutResult:
    envelope = Envelope(target=exact, identifiers=(exact,))
    return put_patient(connection, PutRequest(RecordKind.patient, None, cause, NOON, envelope).locate(connection), ADA)


def feed(database: Database, exact: Identifier, cause: str = "later") -> "asyncio.Task[PutResult]":
    return asyncio.create_task(run_put(database, lambda connection: put_by(connection, exact, cause)))


@pytest.mark.parametrize("committed", [True, False], ids=["committed", "rolled back"])
async def test_feeds_that_wait_for_a_new_record_find_it(on_postgres: Database, committed: bool) -> None:
    async with other_session(on_postgres) as session:
        first = await session.run_sync(put_by, A)
        others = [feed(on_postgres, A, f"other/{number}") for number in range(3)]
        await wait_for_blocked(session, 3)
        if not committed:
            await session.rollback()

    results = await asyncio.gather(*others)

    assert {result.id for result in results} == {first.id}
    assert [result.created for result in results].count(True) == (not committed)
    assert await on_postgres.read(lambda c: c.execute(select(patients.c.id)).scalars().all()) == [first.id]
    assert await on_postgres.read(lambda c: c.execute(select(identifiers.c.record_id)).scalars().all()) == [first.id]


async def test_feed_finds_the_record_that_got_its_identifier_first(on_postgres: Database) -> None:
    async with other_session(on_postgres) as session:
        await session.run_sync(put_on, 5, A)
        later = feed(on_postgres, A)
        assert await is_blocked(session, later)

    assert (await later).id == 5


async def test_feed_does_not_follow_an_identifier_that_its_record_has_lost(on_postgres: Database) -> None:
    await on_postgres.write(put_on, 5, A)
    async with other_session(on_postgres) as session:
        await session.run_sync(put_on, 5, B)
        later = feed(on_postgres, A)
        assert await is_blocked(session, later)

    result = await later

    assert (result.created, result.id == 5) == (True, False)
    assert [await on_postgres.read(find_record, RecordKind.patient, known) for known in (A, B)] == [result.id, 5]


async def test_identifiers_in_opposite_orders_do_not_deadlock(on_postgres: Database) -> None:
    async with other_session(on_postgres) as session:
        await session.run_sync(put_on, 7, B)
        puts = [
            asyncio.create_task(on_postgres.write(put_on, number, *sent))
            for number, sent in ((5, (A, B, C)), (6, (C, B, A)))
        ]
        await wait_for_blocked(session, 2)
        await session.rollback()

    results = await asyncio.gather(*puts, return_exceptions=True)

    assert {type(result) for result in results} == {PutResult, IdentifierConflictError}

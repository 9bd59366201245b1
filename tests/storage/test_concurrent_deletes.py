"""PostgreSQL only: two processes that delete the same rows at the same time do not deadlock."""

import asyncio
from datetime import timedelta

from sqlalchemy import Connection, insert, text

from patient_visit_engine.storage import presence
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.presence import PresenceReport, ReportedSubscriber
from patient_visit_engine.storage.tables import requests
from patient_visit_engine.storage.upkeep.sweep import ANSWER_LIFETIME, prune
from tests.support.builders import A_DOCTORS_ACCOUNT, NOON, seed
from tests.support.ledger import column
from tests.support.lock_waits import is_blocked, other_session, wait_for_blocked

EXPIRED_SINCE = NOON - ANSWER_LIFETIME - timedelta(days=1)


def insert_expired_requests(connection: Connection) -> None:
    """Insert two requests whose answers have expired."""
    seed(connection)
    for request_id in ("a", "b"):
        row = {
            "request_id": request_id,
            "caller_id": A_DOCTORS_ACCOUNT,
            "fingerprint": "f",
            "created_at": EXPIRED_SINCE,
        }
        connection.execute(insert(requests).values(row))


async def test_worker_prunes_rows_that_no_other_locks(on_postgres: Database) -> None:
    await on_postgres.write(insert_expired_requests)
    async with other_session(on_postgres) as session:
        await session.execute(text("DELETE FROM requests WHERE request_id = 'b'"))
        pruning = asyncio.create_task(on_postgres.write(prune, EXPIRED_SINCE, NOON))
        assert not await is_blocked(session, pruning)
        assert await pruning == 1

    assert await on_postgres.read(column, "requests", "request_id") == []


async def test_process_stops_while_other_deletes_it(on_postgres: Database) -> None:
    subscriber = ReportedSubscriber(1, "account:1", "Dr. 1", "doctor", NOON, None)
    await on_postgres.write(
        presence.write_report, PresenceReport("one", NOON, "e-7", connected=[subscriber], whole=True)
    )
    async with other_session(on_postgres) as session:
        await session.execute(text("SELECT id FROM stream_processes WHERE id = 'one' FOR UPDATE SKIP LOCKED"))
        stopping = asyncio.create_task(on_postgres.write(presence.delete_process, "one"))
        await wait_for_blocked(session)
        await session.run_sync(presence.delete_process, "one")

    await stopping

    assert await on_postgres.read(column, "stream_processes", "id") == []
    assert await on_postgres.read(column, "stream_readers", "number") == []

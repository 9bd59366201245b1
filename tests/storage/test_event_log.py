"""Appending to the event log: positions follow each other, and an append that fails leaves nothing."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import Connection, delete, select, text
from sqlalchemy.exc import DBAPIError, NoResultFound

from patient_visit_engine.storage import event_log
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.tables import events, log_head
from patient_visit_engine.wire.event_context import Event
from tests.support.builders import JOHN_DOE, NOON
from tests.support.databases import database_on
from tests.support.lock_waits import LOCK_HEAD, other_session, wait_at_head

database = database_on("sqlite", "postgres")


def an_event(key: str) -> Event:
    """An event about John Doe."""
    consultation_id = None if key == "b" else f"consultation {key}"
    return Event("patient.updated", f"doctor.{key}", key, {"é": key, "n": None}, JOHN_DOE.id, consultation_id)


async def append(database: Database, *keys: str) -> None:
    await database.write(event_log.append, [an_event(key) for key in keys], NOON)


def read_log(connection: Connection) -> list[tuple[int, str, str, str, str | None]]:
    """Position, key, channel, data and consultation of each event."""
    log = events.c
    query = select(log.seq, log.dedup_key, log.channel, log.data, log.consultation_id).where(log.at == NOON)
    return [tuple(row) for row in connection.execute(query.order_by(log.seq))]


async def test_events_of_one_append_keep_their_order(database: Database) -> None:
    await append(database, "c", "a", "b")
    await append(database, "d")

    assert await database.read(read_log) == [
        (1, "c", "doctor.c", '{"é":"c","n":null}', "consultation c"),
        (2, "a", "doctor.a", '{"é":"a","n":null}', "consultation a"),
        (3, "b", "doctor.b", '{"é":"b","n":null}', None),
        (4, "d", "doctor.d", '{"é":"d","n":null}', "consultation d"),
    ]


async def test_waiting_append_takes_the_next_position(on_postgres: Database) -> None:
    async with other_session(on_postgres) as session:
        await session.execute(text(LOCK_HEAD))
        waiting = [asyncio.create_task(append(on_postgres, key, f"{key} again")) for key in "ab"]
        await wait_at_head(session, 2)
        await session.run_sync(event_log.append, [an_event("first")], NOON)
    await asyncio.gather(*waiting)

    log = await on_postgres.read(read_log)
    assert [row[0] for row in log] == [1, 2, 3, 4, 5]
    assert [row[1][0] for row in log] in ([*"faabb"], [*"fbbaa"])


@pytest.mark.parametrize(
    "refused", [an_event("a"), replace(an_event("c"), name="x" * 41)], ids=["repeated", "too long"]
)
async def test_refused_event_leaves_no_gap(on_postgres: Database, refused: Event) -> None:
    await append(on_postgres, "a")

    with pytest.raises(DBAPIError):
        await on_postgres.write(event_log.append, [an_event("b"), refused], NOON)

    await append(on_postgres, "b")
    assert [row[:2] for row in await on_postgres.read(read_log)] == [(1, "a"), (2, "b")]


async def test_append_without_head_fails(database: Database) -> None:
    await database.write(lambda connection: connection.execute(delete(log_head)))

    with pytest.raises(NoResultFound):
        await append(database, "a")

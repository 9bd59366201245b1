"""Hints on PostgreSQL come after the commit: no transaction that decides waits for the NOTIFY of another one."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import pytest
from sqlalchemy import Connection, func, select, text

from patient_visit_engine.storage import event_log, migrations
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.hint_sender import NOTIFICATION, SEND_HINT, HintSender, driver_arguments
from patient_visit_engine.storage.tables import events
from tests.support.builders import DR_AMRANI, DR_OKAFOR, NOON, an_appointment, seed
from tests.support.commands import a_start, a_wait
from tests.support.ledger import LedgerDriver
from tests.support.postgres import ThrowawayPostgres
from tests.support.postgres_wire import wired
from tests.support.stream_server import an_event, append_events
from tests.support.waiting import wait_until_async

BURST = 20
#: Without a reply of this standby, a commit with `synchronous_commit = on` never ends. So it stands for a very slow disk.
MISSING_STANDBY = "-c synchronous_standby_names=missing -c synchronous_commit=local"
#: PostgreSQL waits for its write-ahead log only when the transaction has written to it. A NOTIFY by itself does not.
WRITE_AND_NOTIFY = "CREATE TABLE new_table (number int); NOTIFY other_channel"


@pytest.fixture(scope="module")
def slow_server() -> Iterator[ThrowawayPostgres]:
    """A PostgreSQL server on which a session that wants so waits forever at its commit."""
    if reason := ThrowawayPostgres.missing_requirement():
        pytest.skip(reason)
    server = ThrowawayPostgres("-c fsync=off", MISSING_STANDBY, in_memory=True)
    server.open()
    server.create_database("visits")
    migrations.upgrade(f"{server.url}/visits")
    yield server
    server.close()


@pytest.fixture
async def slow_database(slow_server: ThrowawayPostgres) -> AsyncIterator[Database]:
    database = Database(f"{slow_server.url}/visits")
    yield database
    await database.close()


class Listener:
    """A session that counts the hints."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self.hints = 0

    @classmethod
    async def open(cls, database: Database) -> "Listener":
        listener = cls(await asyncpg.connect(**driver_arguments(database.url)))
        await listener._session.add_listener(NOTIFICATION, listener._count)
        return listener

    def _count(self, *_: object) -> None:
        self.hints += 1

    async def wait(self) -> None:
        """Wait for the first hint."""
        await wait_until_async(lambda: self.hints, "a hint")

    async def count(self) -> int:
        """The number of hints so far, with those that the server has sent before this call."""
        await self._session.execute("SELECT 1")
        return self.hints

    async def close(self) -> None:
        await self._session.close()


@pytest.fixture
async def listener(on_postgres: Database) -> AsyncIterator[Listener]:
    opened = await Listener.open(on_postgres)
    yield opened
    await opened.close()


async def test_recording_does_not_wait_for_notify_of_others(slow_database: Database) -> None:
    await slow_database.write(seed, an_appointment(DR_AMRANI))
    listener = await Listener.open(slow_database)
    session = await asyncpg.connect(**driver_arguments(slow_database.url))
    # This session holds the lock under which PostgreSQL commits transactions with a NOTIFY, until its wait is cancelled.
    await session.execute("SET synchronous_commit = on")
    other = asyncio.create_task(session.execute(WRITE_AND_NOTIFY))
    await wait_until_async(lambda: _waits_at_commit(slow_database), "a commit that waits")

    ledger = LedgerDriver(slow_database)
    answer = await ledger.send(a_start(an_appointment(DR_AMRANI)))
    for number in range(BURST):
        await append_events(slow_database, an_event(number))
    hints_before = await listener.count()
    await slow_database.write(_cancel_commits)
    await other
    await listener.wait()
    await slow_database.close()

    assert answer.status == 201
    assert hints_before == 0
    # The first hint waited for the lock. All commits of that time share one hint, or two if its attempt was given up.
    assert await listener.count() <= 3
    await listener.close()
    await session.close()


async def _waits_at_commit(database: Database) -> bool:
    waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
    return bool(await database.read(lambda connection: connection.scalar(waiting)))


def _cancel_commits(connection: Connection) -> None:
    connection.execute(text("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"))


async def test_hint_does_not_wait_for_disk(slow_database: Database) -> None:
    session = await asyncpg.connect(**driver_arguments(slow_database.url))
    await session.execute("SET synchronous_commit = on")

    # One transaction, because it is one message.
    async with asyncio.timeout(30):
        await session.execute(f"UPDATE log_head SET epoch = epoch; {SEND_HINT}")
    setting = await session.fetchval("SHOW synchronous_commit")
    await session.close()

    # Only the transaction of the hint had another setting.
    assert setting == "on"


async def test_transaction_of_decision_has_no_notify(on_postgres: Database) -> None:
    await on_postgres.write(seed, an_appointment(DR_AMRANI))
    async with wired(on_postgres) as (wire, database):
        await LedgerDriver(database).send(a_start(an_appointment(DR_AMRANI)))
        await wait_until_async(lambda: any("pg_notify" in sent for sent in wire.statements), "a hint")

    commit = next(place for place, sent in enumerate(wire.statements) if "INSERT INTO events" in sent)
    hint = next(place for place, sent in enumerate(wire.statements) if "pg_notify" in sent)
    assert wire.statements.index("COMMIT;", commit) < hint
    assert not [sent for sent in wire.statements if sent.startswith("NOTIFY")]


async def test_refusal_without_event_sends_hint(on_postgres: Database, listener: Listener) -> None:
    await on_postgres.write(seed, an_appointment(DR_AMRANI), an_appointment(DR_OKAFOR))
    ledger = LedgerDriver(on_postgres)

    answer = await ledger.send(a_wait(an_appointment(DR_OKAFOR)))
    await listener.wait()

    assert answer.status == 409
    assert await on_postgres.read(lambda connection: connection.scalar(select(func.count()).select_from(events))) == 0


async def test_only_units_that_append_events_send_hint(on_postgres: Database, listener: Listener) -> None:
    def append_and_fail(connection: Connection) -> None:
        event_log.append(connection, [an_event(1)], NOON)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await on_postgres.write(append_and_fail)
    # On the same connection as the failed unit.
    await on_postgres.write(lambda connection: connection.execute(text("UPDATE log_head SET epoch = 'e'")))
    await on_postgres.close()

    assert await listener.count() == 0


async def test_burst_of_commits_shares_hints(on_postgres: Database, listener: Listener) -> None:
    await asyncio.gather(*(append_events(on_postgres, an_event(number)) for number in range(BURST)))
    await on_postgres.close()

    assert 0 < await listener.count() < BURST


async def test_close_waits_for_hint(on_postgres: Database, listener: Listener) -> None:
    writer = Database(on_postgres.url.render_as_string())

    await append_events(writer, an_event(1))
    await writer.close()

    assert await listener.count() == 1


async def test_sends_hint_after_its_session_was_lost(on_postgres: Database) -> None:
    listener = await Listener.open(on_postgres)
    async with wired(on_postgres) as (wire, database):
        await append_events(database, an_event(1))
        await listener.wait()
        wire.cut()

        await append_events(database, an_event(2))
        await wait_until_async(lambda: listener.hints == 2, "a hint on a new session")
    await listener.close()


async def test_strange_error_of_hint_does_not_stop_close(
    on_postgres: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_sender: HintSender) -> None:
        raise asyncpg.ProtocolError("unexpected message")

    monkeypatch.setattr(HintSender, "_execute", fail)
    await append_events(on_postgres, an_event(1))

    await on_postgres.close()


@pytest.mark.parametrize("fault", ["unknown statement", "no session"])
async def test_failed_hint_does_not_fail_write(
    on_postgres: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    module = "patient_visit_engine.storage.hint_sender"
    if fault == "unknown statement":
        monkeypatch.setattr(f"{module}.SEND_HINT", "SELECT no_such_function()")
    else:
        monkeypatch.setattr(f"{module}.driver_arguments", lambda _url: {"host": "127.0.0.1", "port": 1})

    for number in range(3):
        await append_events(on_postgres, an_event(number))
        await on_postgres.close()

    assert await on_postgres.read(lambda connection: connection.scalar(select(func.count()).select_from(events))) == 3
    # One line for one outage.
    assert [record.message for record in caplog.records if "announce" in record.message] == [
        "cannot announce new events, readers see them later"
    ]

"""Following the log: what it never skips, what it does when the log is not what it was, and how it notices that it grew."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection

from patient_visit_engine.live.limits import StreamLimits
from patient_visit_engine.live.log import Changes
from patient_visit_engine.live.refusals import StreamNotReadyError
from patient_visit_engine.live.running import running
from patient_visit_engine.live.subscriber import Message, Subscription
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.event_log import append
from patient_visit_engine.storage.log_changes import PostgresChanges, SqliteChanges, changes_of
from patient_visit_engine.storage.log_reader import LogPage, LogReader
from tests.support.stream_server import NOON, PATIENCE, BlockParser, Serve, an_event, tell, until


@pytest.fixture
async def changes(database: Database) -> AsyncIterator[SqliteChanges | PostgresChanges]:
    watcher = changes_of(database)
    yield watcher
    watcher.close()


class Deaf:
    """A watcher whose every hint is lost."""

    async def wait_for_change(self, within: float) -> bool:
        await asyncio.sleep(within)
        return False


async def test_a_gap_in_the_log_holds_the_stream_until_it_is_filled(
    serve: Serve, elsewhere: Database, caplog: pytest.LogCaptureFixture
) -> None:
    served = await serve(poll_every=0.05)
    client = await served.live_client()

    def without_the_second(connection: Connection) -> None:
        append(connection, [an_event(1), an_event(2), an_event(3)], NOON)
        connection.exec_driver_sql("CREATE TABLE aside AS SELECT * FROM events WHERE seq = 2")
        connection.exec_driver_sql("DELETE FROM events WHERE seq = 2")

    with caplog.at_level(logging.ERROR):
        await elsewhere.write(without_the_second)
        await client.read_events(1)
        await until(lambda: served.hub.counters.holding, "the hold")
    assert served.hub.window.position == 1
    assert served.hub.counters.lag == 2
    assert [record.message for record in caplog.records] == ["the log has a gap, the stream holds"]

    await elsewhere.write(lambda c: c.exec_driver_sql("INSERT INTO events SELECT * FROM aside"))
    await client.read_events(3)
    assert client.seqs == [1, 2, 3]
    assert not served.hub.counters.holding
    assert served.hub.counters.holds == 1


async def test_a_head_without_its_events_is_a_gap_too(serve: Serve, elsewhere: Database) -> None:
    served = await serve(poll_every=0.05)
    await tell(elsewhere, an_event(1))
    await until(lambda: served.hub.window.position == 1, "the tailer")

    await elsewhere.write(lambda c: c.exec_driver_sql("UPDATE log_head SET seq = 3"))
    await until(lambda: served.hub.counters.holding, "the hold")

    assert served.hub.window.position == 1


async def test_a_writer_that_rolls_back_leaves_no_gap(serve: Serve, elsewhere: Database) -> None:
    served = await serve()
    client = await served.live_client()

    def regret(connection: Connection) -> None:
        append(connection, [an_event(1), an_event(2)], NOON)
        raise LookupError

    for number in range(3, 7):
        with suppress(LookupError):
            await elsewhere.write(regret)
        await tell(elsewhere, an_event(number))
    await client.read_events(4)

    assert client.seqs == [1, 2, 3, 4]
    assert client.numbers == [3, 4, 5, 6]
    assert served.hub.counters.holds == 0


async def test_a_reader_that_comes_back_is_not_led_past_a_gap(serve: Serve, elsewhere: Database) -> None:
    served = await serve(poll_every=0.05, ring_frames=2)
    await tell(elsewhere, *(an_event(number) for number in range(1, 9)))
    await until(lambda: served.hub.window.position == 8, "the tailer")

    def without_the_ninth(connection: Connection) -> None:
        append(connection, [an_event(9), an_event(10)], NOON)
        connection.exec_driver_sql("DELETE FROM events WHERE seq = 9")

    await elsewhere.write(without_the_ninth)
    await until(lambda: served.hub.counters.holding, "the hold")

    client = await served.client(last_id=f"{served.hub.window.epoch}-1")
    await client.read_events(7)
    await until(lambda: served.hub.behind == 0, "a live reader")
    await served.hub.drain()
    await client.read_to_the_end()

    assert client.seqs == list(range(2, 9))


@pytest.mark.parametrize("head", [1, 2, 9], ids=["shorter", "as long", "longer"])
async def test_a_restored_log_ends_all_streams_and_resets_them(serve: Serve, elsewhere: Database, head: int) -> None:
    served = await serve(poll_every=0.05)
    await tell(elsewhere, an_event(1), an_event(2))
    client = await served.live_client(last_id=f"{served.hub.window.epoch}-0")
    await client.read_events(2)

    def restore(connection: Connection) -> None:
        connection.exec_driver_sql(f"DELETE FROM events WHERE seq > {head}")
        connection.exec_driver_sql(f"UPDATE log_head SET seq = {head}, epoch = 'restored'")

    await elsewhere.write(restore)
    await client.read_to_the_end()
    again = await served.live_client(last_id=client.blocks.last_id)

    assert client.complete
    assert again.ready == {"resume": "reset", "cursor": f"restored-{head}"}


async def test_events_come_within_the_poll_bound_when_every_hint_is_lost(database: Database) -> None:
    async with running(LogReader(database), Deaf(), StreamLimits(poll_every=0.1)) as hub:
        await until(lambda: hub.started, "the first reading")
        await tell(database, an_event(1))
        await until(lambda: hub.counters.found_unasked == 1, "the reading that nobody asked for")

    assert hub.window.position == 1


class Breakable(LogReader):
    """The real log, out of reach for as long as a test says."""

    away = False

    async def read_after(self, *asked: Any) -> LogPage:
        if self.away:
            raise ConnectionError("away")
        return await super().read_after(*asked)


async def test_a_database_that_is_away_is_said_once_and_read_again(
    database: Database, changes: Changes, caplog: pytest.LogCaptureFixture
) -> None:
    log = Breakable(database)
    with caplog.at_level(logging.WARNING):
        async with running(log, changes) as hub:
            await until(lambda: hub.started, "the first reading")
            log.away = True
            await tell(database, an_event(1))
            await until(lambda: hub.counters.failures >= 2, "failed readings")
            log.away = False
            await until(lambda: len(caplog.records) == 2, "word that the log is read again")
            assert hub.window.position == 1

    assert [record.message for record in caplog.records] == ["the log cannot be read", "the log is read again"]


async def test_a_log_that_is_out_of_sight_gives_no_heartbeat_and_opens_no_stream(
    database: Database, changes: Changes
) -> None:
    log, blocks = Breakable(database), BlockParser()
    everybody = frozenset({"consultations"})
    reader = Subscription("u", "s", "n", "r", everybody, everybody.__contains__)

    async def send(message: Message) -> None:
        blocks.feed(message["body"])

    async with running(log, changes, StreamLimits(poll_every=0.05, out_of_sight_after=0.5)) as hub:
        await until(lambda: hub.started, "the first reading")
        hub.start_stream(hub.admit(reader, send, lambda: None), None)
        log.away = True
        await until(lambda: hub.lag_seconds > 0.5, "the log to be out of sight")

        hub.heartbeat()
        with pytest.raises(StreamNotReadyError):
            hub.admit(reader, send, lambda: None)
        assert [one.name for one in blocks.told] == ["ready"]

        log.away = False
        await tell(database, an_event(1))
        await until(lambda: hub.lag_seconds < 0.5, "the log to be in sight again")
        hub.heartbeat()
        hub.remove(hub.admit(reader, send, lambda: None))
        assert [one.name for one in blocks.told] == ["ready", "patient.updated", "heartbeat"]


async def test_a_gap_in_the_log_puts_it_out_of_sight(serve: Serve, elsewhere: Database) -> None:
    served = await serve(poll_every=0.05, out_of_sight_after=0.3)
    client = await served.live_client()
    await tell(elsewhere, an_event(1))
    await client.read_events(1)

    await elsewhere.write(lambda c: c.exec_driver_sql("UPDATE log_head SET seq = 3"))
    await until(lambda: served.hub.lag_seconds > 0.3, "the log to be out of sight")
    served.hub.heartbeat()
    refused = await served.client()

    assert (refused.status, (await refused.problem())["code"]) == (503, "stream_not_ready")
    assert served.hub.counters.heartbeats == 0
    assert served.hub.subscribers == 1
    client.close()


async def test_how_long_events_took_is_counted_once_they_are_handed_out(database: Database, changes: Changes) -> None:
    now = datetime.now(UTC)
    await tell(database, an_event(1))

    async with running(LogReader(database), changes) as hub:
        await until(lambda: hub.started, "the first reading")
        await database.write(append, [an_event(2), an_event(3)], now - timedelta(seconds=7))
        await database.write(append, [an_event(4)], now + timedelta(hours=1))
        await until(lambda: hub.window.position == 4, "the tailer")

    # Not what was there before the start, and nothing less than nothing for a clock that is ahead.
    delays = hub.counters.delays
    assert sum(delays.classes) == 3
    assert delays.classes[0] == 1
    assert 14 <= delays.total < 14 + PATIENCE


async def test_a_restarted_process_keeps_the_newest_events_at_hand(database: Database, changes: Changes) -> None:
    await tell(database, *(an_event(number) for number in range(1, 21)))

    async with running(LogReader(database), changes, StreamLimits(ring_frames=8)) as hub:
        await until(lambda: hub.started, "the first reading")

        assert (hub.window.position, hub.window.ring.oldest) == (20, 13)


async def test_a_commit_of_anybody_is_noticed_and_quiet_is_not(
    database: Database, elsewhere: Database, changes: Changes
) -> None:
    assert await changes.wait_for_change(5)  # the first time something may have come before

    assert not await changes.wait_for_change(0.02)
    await tell(elsewhere, an_event(1))
    assert await changes.wait_for_change(5)
    await tell(database, an_event(2))
    assert await changes.wait_for_change(5)
    assert not await changes.wait_for_change(0.02)


async def test_watching_costs_next_to_nothing(changes: Changes) -> None:
    await changes.wait_for_change(0)
    spent = time.thread_time()

    await changes.wait_for_change(1.0)

    assert time.thread_time() - spent < 0.1

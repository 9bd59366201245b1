"""The tailer skips no event, detects a replaced or damaged log, and notices commits."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection

from patient_visit_engine.live.hub_tasks import run_hub
from patient_visit_engine.live.limits import StreamLimits
from patient_visit_engine.live.log import LogHints
from patient_visit_engine.live.refusals import StreamNotReadyError
from patient_visit_engine.live.subscriber import Message, Subscription
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.event_log import append
from patient_visit_engine.storage.log_hints import PostgresHints, SqliteHints, hints_of
from patient_visit_engine.storage.log_reader import LogPage, LogReader
from tests.support.stream_server import NOON, PATIENCE, BlockParser, Serve, an_event, append_events
from tests.support.waiting import wait_until_async


@pytest.fixture
async def hints(database: Database) -> AsyncIterator[SqliteHints | PostgresHints]:
    detector = hints_of(database)
    yield detector
    detector.close()


class NoHints:
    """A change detector that never gives a hint."""

    async def wait_for_hint(self, within: float) -> bool:
        await asyncio.sleep(within)
        return False


async def test_gap_in_log_holds_stream_until_filled(
    serve: Serve, writer_database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    server = await serve(poll_interval=0.05)
    client = await server.live_client()

    def append_without_second(connection: Connection) -> None:
        append(connection, [an_event(1), an_event(2), an_event(3)], NOON)
        connection.exec_driver_sql("CREATE TABLE removed_events AS SELECT * FROM events WHERE seq = 2")
        connection.exec_driver_sql("DELETE FROM events WHERE seq = 2")

    with caplog.at_level(logging.ERROR):
        await writer_database.write(append_without_second)
        await client.read_events(1)
        await wait_until_async(lambda: server.hub.counters.holding, "the tailer to hold")
    assert server.hub.window.position == 1
    assert server.hub.counters.lag == 2
    assert [record.message for record in caplog.records] == ["the log has a gap, no later event is sent"]

    await writer_database.write(lambda c: c.exec_driver_sql("INSERT INTO events SELECT * FROM removed_events"))
    await client.read_events(3)
    assert client.seqs == [1, 2, 3]
    assert not server.hub.counters.holding
    assert server.hub.counters.holds == 1


async def test_head_without_events_is_a_gap(serve: Serve, writer_database: Database) -> None:
    server = await serve(poll_interval=0.05)
    await append_events(writer_database, an_event(1))
    await wait_until_async(lambda: server.hub.window.position == 1, "the tailer")

    await writer_database.write(lambda c: c.exec_driver_sql("UPDATE log_head SET seq = 3"))
    await wait_until_async(lambda: server.hub.counters.holding, "the tailer to hold")

    assert server.hub.window.position == 1


async def test_rollback_leaves_no_gap(serve: Serve, writer_database: Database) -> None:
    server = await serve()
    client = await server.live_client()

    def append_and_fail(connection: Connection) -> None:
        append(connection, [an_event(1), an_event(2)], NOON)
        raise LookupError

    for number in range(3, 7):
        with suppress(LookupError):
            await writer_database.write(append_and_fail)
        await append_events(writer_database, an_event(number))
    await client.read_events(4)

    assert client.seqs == [1, 2, 3, 4]
    assert client.numbers == [3, 4, 5, 6]
    assert server.hub.counters.holds == 0


async def test_resume_stops_before_gap(serve: Serve, writer_database: Database) -> None:
    server = await serve(poll_interval=0.05, ring_frames=2)
    await append_events(writer_database, *(an_event(number) for number in range(1, 9)))
    await wait_until_async(lambda: server.hub.window.position == 8, "the tailer")

    def append_without_ninth(connection: Connection) -> None:
        append(connection, [an_event(9), an_event(10)], NOON)
        connection.exec_driver_sql("DELETE FROM events WHERE seq = 9")

    await writer_database.write(append_without_ninth)
    await wait_until_async(lambda: server.hub.counters.holding, "the tailer to hold")

    client = await server.client(last_id=f"{server.hub.window.epoch}-1")
    await client.read_events(7)
    await wait_until_async(lambda: server.hub.behind == 0, "a live subscriber")
    await server.hub.drain()
    await client.read_to_the_end()

    assert client.seqs == list(range(2, 9))


@pytest.mark.parametrize("head", [1, 2, 9], ids=["shorter", "as long", "longer"])
async def test_restored_log_ends_and_resets_streams(serve: Serve, writer_database: Database, head: int) -> None:
    server = await serve(poll_interval=0.05)
    await append_events(writer_database, an_event(1), an_event(2))
    client = await server.live_client(last_id=f"{server.hub.window.epoch}-0")
    await client.read_events(2)

    def restore(connection: Connection) -> None:
        connection.exec_driver_sql(f"DELETE FROM events WHERE seq > {head}")
        connection.exec_driver_sql(f"UPDATE log_head SET seq = {head}, epoch = 'restored'")

    await writer_database.write(restore)
    await client.read_to_the_end()
    again = await server.live_client(last_id=client.blocks.last_id)

    assert client.complete
    assert again.ready == {"resume": "reset", "cursor": f"restored-{head}"}


async def test_events_come_by_polling_without_hints(database: Database) -> None:
    async with run_hub(LogReader(database), NoHints(), StreamLimits(poll_interval=0.1)) as hub:
        await wait_until_async(lambda: hub.started, "the first read")
        await append_events(database, an_event(1))
        await wait_until_async(lambda: hub.counters.found_unasked == 1, "a read without a hint")

    assert hub.window.position == 1


class BreakableLog(LogReader):
    """The real log. Reads fail while `away` is set."""

    away = False

    async def read_after(self, *arguments: Any) -> LogPage:
        if self.away:
            raise ConnectionError("away")
        return await super().read_after(*arguments)


async def test_logs_unreachable_database_once(
    database: Database, hints: LogHints, caplog: pytest.LogCaptureFixture
) -> None:
    log = BreakableLog(database)
    with caplog.at_level(logging.WARNING):
        async with run_hub(log, hints) as hub:
            await wait_until_async(lambda: hub.started, "the first read")
            log.away = True
            await append_events(database, an_event(1))
            await wait_until_async(lambda: hub.counters.failures >= 2, "failed reads")
            log.away = False
            await wait_until_async(lambda: len(caplog.records) == 2, "the recovery to be logged")
            assert hub.window.position == 1

    assert [record.message for record in caplog.records] == ["the log cannot be read", "the log can be read again"]


async def test_no_heartbeat_or_stream_while_log_is_away(database: Database, hints: LogHints) -> None:
    log, blocks = BreakableLog(database), BlockParser()
    channels = frozenset({"consultations"})
    subscription = Subscription("u", "s", "n", "r", channels, channels.__contains__)

    async def send(message: Message) -> None:
        blocks.feed(message["body"])

    async with run_hub(log, hints, StreamLimits(poll_interval=0.05, stale_after=0.5)) as hub:
        await wait_until_async(lambda: hub.started, "the first read")
        hub.start_stream(hub.admit(subscription, send, lambda: None), None)
        log.away = True
        await wait_until_async(lambda: hub.lag_seconds > 0.5, "the log to be stale")

        hub.heartbeat()
        with pytest.raises(StreamNotReadyError):
            hub.admit(subscription, send, lambda: None)
        assert [event.name for event in blocks.received] == ["ready"]

        log.away = False
        await append_events(database, an_event(1))
        # Both: the event is delivered a moment before the log counts as read.
        await wait_until_async(lambda: len(blocks.received) == 2 and hub.lag_seconds < 0.5, "the event and the log")
        hub.heartbeat()
        hub.remove(hub.admit(subscription, send, lambda: None))
        assert [event.name for event in blocks.received] == ["ready", "patient.updated", "heartbeat"]


async def test_gap_makes_log_stale(serve: Serve, writer_database: Database) -> None:
    server = await serve(poll_interval=0.05, stale_after=0.3)
    client = await server.live_client()
    await append_events(writer_database, an_event(1))
    await client.read_events(1)

    await writer_database.write(lambda c: c.exec_driver_sql("UPDATE log_head SET seq = 3"))
    await wait_until_async(lambda: server.hub.lag_seconds > 0.3, "the log to be stale")
    server.hub.heartbeat()
    refused = await server.client()

    assert (refused.status, (await refused.problem())["code"]) == (503, "stream_not_ready")
    assert server.hub.counters.heartbeats == 0
    assert server.hub.subscribers == 1
    client.close()


async def test_counts_delay_of_published_events(database: Database, hints: LogHints) -> None:
    now = datetime.now(UTC)
    await append_events(database, an_event(1))

    async with run_hub(LogReader(database), hints) as hub:
        await wait_until_async(lambda: hub.started, "the first read")
        await database.write(append, [an_event(2), an_event(3)], now - timedelta(seconds=7))
        await database.write(append, [an_event(4)], now + timedelta(hours=1))
        await wait_until_async(lambda: hub.window.position == 4, "the tailer")

    # Events from before the start are not counted, and a clock that is ahead counts as 0.
    delays = hub.counters.delays
    assert sum(delays.classes) == 3
    assert delays.classes[0] == 1
    assert 14 <= delays.total < 14 + PATIENCE


async def test_restarted_process_loads_newest_events(database: Database, hints: LogHints) -> None:
    await append_events(database, *(an_event(number) for number in range(1, 21)))

    async with run_hub(LogReader(database), hints, StreamLimits(ring_frames=8)) as hub:
        await wait_until_async(lambda: hub.started, "the first read")

        assert (hub.window.position, hub.window.ring.oldest) == (20, 13)


async def test_detects_commit_of_any_connection(database: Database, writer_database: Database, hints: LogHints) -> None:
    assert await hints.wait_for_hint(5)  # events may have come before the first call

    assert not await hints.wait_for_hint(0.02)
    await append_events(writer_database, an_event(1))
    assert await hints.wait_for_hint(5)
    await append_events(database, an_event(2))
    assert await hints.wait_for_hint(5)
    assert not await hints.wait_for_hint(0.02)


async def test_waiting_for_change_uses_little_cpu(hints: LogHints) -> None:
    await hints.wait_for_hint(0)
    cpu_before = time.thread_time()

    await hints.wait_for_hint(1.0)

    assert time.thread_time() - cpu_before < 0.1

"""How streams end and when they are refused: stop, revoked and expired sessions, lifetime, too many streams."""

import asyncio
import logging
from collections.abc import Collection
from datetime import timedelta

import pytest

from patient_visit_engine.api.stream.endpoint import end_closed_sessions
from patient_visit_engine.live.hub import Hub
from patient_visit_engine.live.subscriber import Message, Subscription
from patient_visit_engine.live.tailer import Tailer
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.log_hints import hints_of
from patient_visit_engine.storage.log_reader import LogReader
from tests.support.stream_server import BlockParser, Serve, an_event, append_events
from tests.support.waiting import wait_until_async


async def test_stop_ends_streams_and_spreads_reconnects(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    server = await serve(max_streams_per_user=100)
    clients = [await server.live_client() for _ in range(40)]
    loop = asyncio.get_running_loop()
    started_at = loop.time()

    with caplog.at_level(logging.WARNING):
        await server.hub.drain()
        server.uvicorn_server.should_exit = True
        await asyncio.gather(*(client.read_to_the_end() for client in clients))
        await wait_until_async(lambda: not server.uvicorn_server.server_state.tasks, "the server's tasks")

    assert loop.time() - started_at < 2
    assert all(client.complete for client in clients)
    assert len({client.blocks.retry for client in clients}) > 10
    assert all(2000 <= (client.blocks.retry or 0) <= 6000 for client in clients)
    assert server.hub.subscribers == 0
    assert caplog.records == []


async def test_stop_does_not_wait_for_stalled_client(serve: Serve, writer_database: Database) -> None:
    server = await serve(close_timeout=0.2)
    await server.live_client(receive_buffer=4096)
    for number in range(1, 31):
        await append_events(writer_database, an_event(number, text="x" * 60_000))
    await wait_until_async(lambda: server.hub.behind == 1, "the subscriber to stall")

    await asyncio.wait_for(server.hub.drain(), 1)

    assert server.hub.subscribers == 0


async def test_refuses_stream_while_stopping(serve: Serve) -> None:
    server = await serve()
    await server.hub.drain()

    client = await server.client()

    assert client.status == 503
    assert (await client.problem())["code"] == "stream_draining"
    assert client.headers["retry-after"]


async def test_revoked_session_ends_only_its_streams(serve: Serve, writer_database: Database) -> None:
    server = await serve()
    revoked = await server.live_client(7, session="stolen")
    other = await server.live_client(7, session="own")

    assert server.hub.revoke("stolen") == 1
    await append_events(writer_database, an_event(1, "doctor.7"))
    await revoked.read_to_the_end()
    await other.read_events(1)

    assert revoked.complete
    assert revoked.events == []


async def test_detects_session_ended_by_another_process(serve: Serve) -> None:
    server = await serve()
    client = await server.live_client(7, session="ended")
    await server.live_client(7, session="open")

    async def still_open(_sessions: object) -> set[str]:
        return {"open"}

    watch = asyncio.create_task(end_closed_sessions(server.hub, still_open, 0.01))
    await client.read_to_the_end()
    watch.cancel()

    assert client.complete
    assert server.hub.sessions() == {"open"}


async def test_checks_sessions_without_streams(serve: Serve) -> None:
    server = await serve()
    checks: list[int] = []

    async def still_open(sessions: Collection[str]) -> set[str]:
        checks.append(len(sessions))
        return set()

    watch = asyncio.create_task(end_closed_sessions(server.hub, still_open, 0.01))
    await wait_until_async(lambda: checks, "a check")
    watch.cancel()

    assert checks[0] == 0


async def test_stream_ends_with_its_session(serve: Serve, writer_database: Database) -> None:
    server = await serve(deadline_check_interval=0.05)
    client = await server.live_client(7, ends_in=1.0)
    await append_events(writer_database, an_event(1, "doctor.7"))
    await client.read_events(1)

    await client.read_to_the_end()

    assert client.complete
    assert client.numbers == [1]
    assert server.hub.counters.ended == {"lifetime": 1}


async def test_streams_opened_together_end_spread_out(serve: Serve) -> None:
    server = await serve(lifetime=1.0, deadline_check_interval=0.02, max_streams_per_user=20)
    loop = asyncio.get_running_loop()

    async def measure_lifetime() -> float:
        started_at = loop.time()
        client = await server.client()
        await client.read_to_the_end()
        return loop.time() - started_at

    times = await asyncio.gather(*(measure_lifetime() for _ in range(20)))

    assert min(times) > 0.75
    assert max(times) - min(times) > 0.05
    assert max(times) < 3


async def test_limits_streams_per_user_and_in_total(serve: Serve) -> None:
    server = await serve(max_streams=3, max_streams_per_user=2)
    first = await server.live_client(7)
    await server.live_client(7)

    third = await server.client(7)
    await server.live_client(8)
    fourth = await server.client(8)

    assert (third.status, (await third.problem())["code"]) == (429, "too_many_streams")
    assert (fourth.status, (await fourth.problem())["code"]) == (503, "streams_exhausted")
    assert server.hub.counters.refused == {"too_many_streams": 1, "streams_exhausted": 1}

    first.close()
    await wait_until_async(lambda: server.hub.subscribers == 2, "the stream to be removed")
    assert (await server.live_client(8)).status == 200


async def test_catch_up_stops_when_session_ends(database: Database) -> None:
    log, blocks, gate = LogReader(database), BlockParser(), asyncio.Event()
    hub = Hub(log)
    hints = hints_of(database)
    await append_events(database, *(an_event(number) for number in range(1, 6)))
    tailer = Tailer(log, hints, hub)
    await tailer.start()

    async def send(message: Message) -> None:
        await gate.wait()
        blocks.feed(message["body"])

    channels = frozenset({"consultations"})
    ends_at = hub.now() + timedelta(seconds=0.2)
    subscription = Subscription("u", "s", "n", "r", channels, channels.__contains__, ends_at)
    subscriber = hub.admit(subscription, send, lambda: None)
    hub.start_stream(subscriber, f"{hub.window.epoch}-0")
    loop = asyncio.get_running_loop()
    await wait_until_async(lambda: loop.time() > subscriber.deadline, "the session's end")

    gate.set()
    await wait_until_async(lambda: hub.behind == 0, "the subscriber to be live")
    hints.close()

    assert [event.name for event in blocks.received] == ["ready"]

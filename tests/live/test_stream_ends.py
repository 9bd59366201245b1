"""How streams end, and when none is opened: stopping, revoked and expired sessions, old age, too many of them."""

import asyncio
import logging
from datetime import timedelta

import pytest

from patient_visit_engine.api.stream.endpoint import end_closed_sessions
from patient_visit_engine.live.hub import Hub
from patient_visit_engine.live.subscriber import Message, Subscription
from patient_visit_engine.live.tailer import Tailer
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.log_changes import changes_of
from patient_visit_engine.storage.log_reader import LogReader
from tests.support.stream_server import BlockParser, Serve, an_event, tell, until


async def test_stopping_ends_all_streams_in_order_and_spreads_their_return(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    served = await serve(streams_per_user=100)
    clients = [await served.live_client() for _ in range(40)]
    loop = asyncio.get_running_loop()
    began = loop.time()

    with caplog.at_level(logging.WARNING):
        await served.hub.drain()
        served.server.should_exit = True
        await asyncio.gather(*(client.read_to_the_end() for client in clients))
        await until(lambda: not served.server.server_state.tasks, "the server's tasks")

    assert loop.time() - began < 2
    assert all(client.complete for client in clients)
    assert len({client.blocks.retry for client in clients}) > 10
    assert all(2000 <= (client.blocks.retry or 0) <= 6000 for client in clients)
    assert served.hub.subscribers == 0
    assert caplog.records == []


async def test_stopping_does_not_wait_for_a_reader_that_takes_nothing(serve: Serve, elsewhere: Database) -> None:
    served = await serve(close_within=0.2)
    await served.live_client(receive_buffer=4096)
    for number in range(1, 31):
        await tell(elsewhere, an_event(number, text="x" * 60_000))
    await until(lambda: served.hub.behind == 1, "the reader to stall")

    await asyncio.wait_for(served.hub.drain(), 1)

    assert served.hub.subscribers == 0


async def test_no_stream_is_opened_while_stopping(serve: Serve) -> None:
    served = await serve()
    await served.hub.drain()

    client = await served.client()

    assert client.status == 503
    assert (await client.problem())["code"] == "stream_draining"
    assert client.headers["retry-after"]


async def test_a_revoked_session_ends_its_streams_and_no_others(serve: Serve, elsewhere: Database) -> None:
    served = await serve()
    revoked = await served.live_client(7, session="stolen")
    other = await served.live_client(7, session="own")

    assert served.hub.revoke("stolen") == 1
    await tell(elsewhere, an_event(1, "doctor.7"))
    await revoked.read_to_the_end()
    await other.read_events(1)

    assert revoked.complete
    assert revoked.events == []


async def test_a_session_that_was_ended_elsewhere_is_found_out(serve: Serve) -> None:
    served = await serve()
    ended = await served.live_client(7, session="ended")
    await served.live_client(7, session="open")

    async def still_open(_sessions: object) -> set[str]:
        return {"open"}

    watch = asyncio.create_task(end_closed_sessions(served.hub, still_open, 0.01))
    await ended.read_to_the_end()
    watch.cancel()

    assert ended.complete
    assert served.hub.sessions() == {"open"}


async def test_a_stream_does_not_outlive_its_session(serve: Serve, elsewhere: Database) -> None:
    served = await serve(sweep_every=0.05)
    client = await served.live_client(7, ends_in=1.0)
    await tell(elsewhere, an_event(1, "doctor.7"))
    await client.read_events(1)

    await client.read_to_the_end()

    assert client.complete
    assert client.numbers == [1]
    assert served.hub.counters.ended == {"lifetime": 1}


async def test_streams_opened_together_do_not_end_together(serve: Serve) -> None:
    served = await serve(lifetime=1.0, sweep_every=0.02, streams_per_user=20)
    loop = asyncio.get_running_loop()

    async def lived() -> float:
        began = loop.time()
        client = await served.client()
        await client.read_to_the_end()
        return loop.time() - began

    times = await asyncio.gather(*(lived() for _ in range(20)))

    assert min(times) > 0.75
    assert max(times) - min(times) > 0.05
    assert max(times) < 3


async def test_one_user_and_all_together_have_so_many_streams_and_no_more(serve: Serve) -> None:
    served = await serve(streams=3, streams_per_user=2)
    first = await served.live_client(7)
    await served.live_client(7)

    third = await served.client(7)
    await served.live_client(8)
    fourth = await served.client(8)

    assert (third.status, (await third.problem())["code"]) == (429, "too_many_streams")
    assert (fourth.status, (await fourth.problem())["code"]) == (503, "streams_exhausted")
    assert served.hub.counters.refused == {"too_many_streams": 1, "streams_exhausted": 1}

    first.close()
    await until(lambda: served.hub.subscribers == 2, "the place")
    assert (await served.live_client(8)).status == 200


async def test_what_is_caught_up_on_stops_at_the_sessions_end(database: Database) -> None:
    log, blocks, gate = LogReader(database), BlockParser(), asyncio.Event()
    hub = Hub(log)
    changes = changes_of(database)
    await tell(database, *(an_event(number) for number in range(1, 6)))
    tailer = Tailer(log, changes, hub)
    await tailer.start()

    async def send(message: Message) -> None:
        await gate.wait()
        blocks.feed(message["body"])

    channels = frozenset({"consultations"})
    ends_at = hub.now() + timedelta(seconds=0.2)
    reader = Subscription("u", "s", "n", "r", channels, channels.__contains__, ends_at)
    subscriber = hub.admit(reader, send, lambda: None)
    hub.start_stream(subscriber, f"{hub.window.epoch}-0")
    loop = asyncio.get_running_loop()
    await until(lambda: loop.time() > subscriber.deadline, "the session's end")

    gate.set()
    await until(lambda: hub.behind == 0, "the reader to be level")
    changes.close()

    assert [one.name for one in blocks.told] == ["ready"]

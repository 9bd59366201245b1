"""Slow and stalled subscribers are cut off and resume. No other subscriber waits for them."""

import asyncio

from patient_visit_engine.storage.database import Database
from tests.support.stream_server import Serve, an_event, append_events
from tests.support.waiting import wait_until_async

LARGE = "x" * 60_000


async def test_cuts_off_slow_subscriber_and_not_fast_one(serve: Serve, writer_database: Database) -> None:
    server = await serve(ring_frames=40)
    slow = await server.live_client(7, receive_buffer=4096)
    fast = await server.live_client(8)

    reading = asyncio.create_task(fast.read_events(120))
    for number in range(1, 121):
        await append_events(writer_database, an_event(number, text=LARGE))
    await reading
    await wait_until_async(lambda: server.hub.subscribers == 1, "the slow subscriber to be cut off")

    assert fast.seqs == list(range(1, 121))
    assert server.hub.counters.dropped == {"lagged": 1}
    assert [presence.name for presence in server.hub.presence()] == ["Dr. Haddad"]

    await slow.read_to_the_end()
    again = await server.client(7, last_id=slow.blocks.last_id)
    await again.read_events(120 - len(slow.events))
    assert slow.seqs + again.seqs == list(range(1, 121))


async def test_cuts_off_stalled_subscriber_in_time(serve: Serve, writer_database: Database) -> None:
    server = await serve(stalled_after=0.3, deadline_check_interval=0.05)
    await server.live_client(7, receive_buffer=4096)

    for number in range(1, 31):
        await append_events(writer_database, an_event(number, text=LARGE))
    await wait_until_async(lambda: server.hub.subscribers == 0, "the stalled subscriber to be cut off")

    assert server.hub.counters.dropped == {"stalled": 1}


async def test_pause_within_ring_loses_no_event(serve: Serve, writer_database: Database) -> None:
    server = await serve(heartbeat_interval=0.05)
    client = await server.live_client(7, receive_buffer=4096)

    for number in range(1, 41):
        await append_events(writer_database, an_event(number, text=LARGE))
    await wait_until_async(lambda: server.hub.behind == 1, "the subscriber to fall behind")
    heartbeats = server.hub.counters.heartbeats
    presence = server.hub.presence()[0]
    await asyncio.wait_for(wait_until_async(lambda: server.hub.window.position == 40, "the tailer"), 20)
    await client.read_events(40)

    assert client.seqs == list(range(1, 41))
    assert presence.events_behind > 0
    assert not presence.live
    assert server.hub.counters.dropped == {}
    await wait_until_async(
        lambda: server.hub.counters.heartbeats > heartbeats, "a heartbeat for the subscriber that is live again"
    )


async def test_sends_no_heartbeat_to_subscriber_behind(serve: Serve, writer_database: Database) -> None:
    server = await serve()
    client = await server.live_client(7, receive_buffer=4096)
    for number in range(1, 41):
        await append_events(writer_database, an_event(number, text=LARGE))
    await wait_until_async(
        lambda: server.hub.behind == 1 and server.hub.window.position == 40, "the subscriber to fall behind"
    )

    server.hub.heartbeat()
    await client.read_events(40)

    assert all(event.name != "heartbeat" for event in client.received)
    assert server.hub.counters.heartbeats == 0


async def test_disconnect_removes_subscriber(serve: Serve) -> None:
    server = await serve()
    client = await server.live_client()

    client.close()
    await wait_until_async(lambda: server.hub.subscribers == 0, "the subscriber to be removed")

    assert server.hub.counters.ended == {"left": 1}
    assert server.hub.counters.dropped == {}

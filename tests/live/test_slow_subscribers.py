"""Readers that take nothing, or little: they are cut off and come back, and nobody waits for them."""

import asyncio

from patient_visit_engine.storage.database import Database
from tests.support.stream_server import Serve, an_event, tell, until

LARGE = "x" * 60_000


async def test_a_slow_subscriber_is_cut_off_and_a_fast_one_is_not(serve: Serve, elsewhere: Database) -> None:
    served = await serve(ring_frames=40)
    slow = await served.live_client(7, receive_buffer=4096)
    fast = await served.live_client(8)

    reading = asyncio.create_task(fast.read_events(120))
    for number in range(1, 121):
        await tell(elsewhere, an_event(number, text=LARGE))
    await reading
    await until(lambda: served.hub.subscribers == 1, "the slow one's end")

    assert fast.seqs == list(range(1, 121))
    assert served.hub.counters.dropped == {"lagged": 1}
    assert [one.name for one in served.hub.presence()] == ["Dr. Haddad"]

    await slow.read_to_the_end()
    again = await served.client(7, last_id=slow.blocks.last_id)
    await again.read_events(120 - len(slow.events))
    assert slow.seqs + again.seqs == list(range(1, 121))


async def test_a_stalled_subscriber_is_cut_off_in_time(serve: Serve, elsewhere: Database) -> None:
    served = await serve(stalled_after=0.3, sweep_every=0.05)
    await served.live_client(7, receive_buffer=4096)

    for number in range(1, 31):
        await tell(elsewhere, an_event(number, text=LARGE))
    await until(lambda: served.hub.subscribers == 0, "the stalled one's end")

    assert served.hub.counters.dropped == {"stalled": 1}


async def test_a_reader_that_pauses_within_the_ring_gets_everything_once(serve: Serve, elsewhere: Database) -> None:
    served = await serve(heartbeat_every=0.05)
    client = await served.live_client(7, receive_buffer=4096)

    for number in range(1, 41):
        await tell(elsewhere, an_event(number, text=LARGE))
    await until(lambda: served.hub.behind == 1, "the reader to fall behind")
    beats = served.hub.counters.heartbeats
    at = served.hub.presence()[0]
    await asyncio.wait_for(until(lambda: served.hub.window.position == 40, "the tailer"), 20)
    await client.read_events(40)

    assert client.seqs == list(range(1, 41))
    assert at.behind > 0
    assert not at.live
    assert served.hub.counters.dropped == {}
    await until(lambda: served.hub.counters.heartbeats > beats, "a heartbeat for a reader that is live again")


async def test_a_reader_that_is_behind_gets_no_heartbeat(serve: Serve, elsewhere: Database) -> None:
    served = await serve()
    client = await served.live_client(7, receive_buffer=4096)
    for number in range(1, 41):
        await tell(elsewhere, an_event(number, text=LARGE))
    await until(lambda: served.hub.behind == 1 and served.hub.window.position == 40, "the reader to fall behind")

    served.hub.heartbeat()
    await client.read_events(40)

    assert all(one.name != "heartbeat" for one in client.told)
    assert served.hub.counters.heartbeats == 0


async def test_a_reader_that_leaves_gives_its_place_back(serve: Serve) -> None:
    served = await serve()
    client = await served.live_client()

    client.close()
    await until(lambda: served.hub.subscribers == 0, "the place")

    assert served.hub.counters.ended == {"left": 1}
    assert served.hub.counters.dropped == {}

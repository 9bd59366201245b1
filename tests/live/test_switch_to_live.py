"""The switch from catching up to live. Each run commits events at another point where the hub waits."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from functools import partial

import pytest

from patient_visit_engine.live.hub import Hub
from patient_visit_engine.live.limits import StreamLimits
from patient_visit_engine.live.subscriber import Message, SendMessage, Subscription
from patient_visit_engine.live.tailer import Tailer
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.log_hints import PostgresHints, SqliteHints, hints_of
from patient_visit_engine.storage.log_reader import LogBounds, LogPage, LogReader
from tests.support.stream_server import BlockParser, an_event, append_events
from tests.support.waiting import wait_until_async

BACKLOG = 20
#: More points than any run has. If a run had more, the last points would not be tested.
MOST_POINTS = 60


class Interruptions:
    """Calls `act` at the waiting point with the number `at`, and yields to the loop at all others."""

    def __init__(self, at: int, act: Callable[[], Awaitable[None]]) -> None:
        self._at = at
        self._act = act
        self.passed = 0
        self._acting = False

    async def point(self) -> None:
        if self._acting:
            return
        self.passed += 1
        if self.passed == self._at:
            self._acting = True
            await self._act()
            self._acting = False
        else:
            await asyncio.sleep(0)


class InterruptedLog:
    """The real log, with a waiting point before and after each read."""

    def __init__(self, log: LogReader, interruptions: Interruptions) -> None:
        self._log = log
        self._interruptions = interruptions

    async def read_after(self, position: int, limit: int, channels: Collection[str] | None) -> LogPage:
        await self._interruptions.point()
        page = await self._log.read_after(position, limit, channels)
        await self._interruptions.point()
        return page

    async def bounds(self) -> LogBounds:
        await self._interruptions.point()
        bounds = await self._log.bounds()
        await self._interruptions.point()
        return bounds


async def run_with_interruption(database: Database, hints: SqliteHints | PostgresHints, at: int, ring: int) -> int:
    """Connect at position 3 while events are committed at point `at`. Return the number of points of this run."""
    log = LogReader(database)
    blocks = BlockParser()

    async def commit() -> None:
        number = (await log.bounds()).head + 1
        await append_events(
            database, an_event(number), an_event(number + 1, "doctor.8"), an_event(number + 2, "doctor.7")
        )
        await tailer.read_new()

    async def send(message: Message) -> None:
        await interruptions.point()
        blocks.feed(message["body"])
        await interruptions.point()

    interruptions = Interruptions(at, commit)
    limits = StreamLimits(ring_frames=ring, catch_up_page_size=4, joined_bytes=400)
    hub = Hub(InterruptedLog(log, interruptions), limits)
    tailer = Tailer(log, hints, hub)
    await tailer.start()
    channels = frozenset({"consultations", "doctor.7"})
    subscriber = hub.admit(Subscription("u", "s", "n", "r", channels, channels.__contains__), send, lambda: None)
    hub.start_stream(subscriber, f"{hub.window.epoch}-3")
    await wait_until_async(lambda: hub.behind == 0, "a live subscriber")
    points = interruptions.passed
    await commit()
    await wait_until_async(lambda: hub.behind == 0, "a live subscriber")
    page = await log.read_after(3, 1000, channels)
    hub.remove(subscriber)

    assert [event.id for event in blocks.received[1:]] == [f"{hub.window.epoch}-{event.seq}" for event in page.entries]
    assert hub.counters.dropped == {}
    return points


@pytest.mark.parametrize("ring", [3, 10, 4096], ids=["from log", "from log and ring", "from ring"])
async def test_event_during_connect_comes_once(database: Database, ring: int) -> None:
    await append_events(database, *(an_event(number) for number in range(1, BACKLOG + 1)))
    hints = hints_of(database)

    points = await run_with_interruption(database, hints, 0, ring)
    assert 1 < points < MOST_POINTS
    for at in range(1, points + 4):
        await run_with_interruption(database, hints, at, ring)
    hints.close()


async def test_subscriber_ahead_of_tailer_waits_for_it(database: Database) -> None:
    log = LogReader(database)
    hints = hints_of(database)
    hub = Hub(log, StreamLimits())
    tailer = Tailer(log, hints, hub)
    await tailer.start()
    blocks = BlockParser()
    channels = frozenset({"consultations"})

    async def send(message: Message) -> None:
        blocks.feed(message["body"])

    await append_events(database, *(an_event(number) for number in range(1, 6)))
    subscriber = hub.admit(Subscription("u", "s", "n", "r", channels, channels.__contains__), send, lambda: None)
    hub.start_stream(subscriber, f"{hub.window.epoch}-4")
    await wait_until_async(lambda: blocks.received, "ready")
    assert '"resume":"exact"' in blocks.received[0].data
    hub.heartbeat()
    await tailer.read_new()
    await wait_until_async(lambda: hub.behind == 0, "a live subscriber")
    hints.close()

    assert [event.id.rpartition("-")[2] for event in blocks.received] == ["4", "5"]
    hub.remove(subscriber)


async def test_log_pruned_during_catch_up_causes_reset(database: Database) -> None:
    await append_events(database, *(an_event(number) for number in range(1, 31)))
    log = LogReader(database)
    hints = hints_of(database)
    blocks = BlockParser()

    async def prune() -> None:
        await database.write(lambda c: c.exec_driver_sql("DELETE FROM events WHERE seq <= 20"))

    async def send(message: Message) -> None:
        blocks.feed(message["body"])

    # The first point is before the first page. The cursor has been accepted by then.
    hub = Hub(InterruptedLog(log, Interruptions(1, prune)), StreamLimits(ring_frames=4, catch_up_page_size=5))
    await Tailer(log, hints, hub).start()
    channels = frozenset({"consultations"})
    subscriber = hub.admit(Subscription("u", "s", "n", "r", channels, channels.__contains__), send, lambda: None)
    hub.start_stream(subscriber, f"{hub.window.epoch}-2")
    await wait_until_async(lambda: hub.behind == 0, "a live subscriber")
    hints.close()

    assert [event.name for event in blocks.received] == ["ready", "reset"]
    assert blocks.last_id.endswith("-30")
    assert hub.counters.resets == 1
    hub.remove(subscriber)


async def test_failing_connection_costs_others_no_event(database: Database) -> None:
    log = LogReader(database)
    hints = hints_of(database)
    hub = Hub(log, StreamLimits())
    tailer = Tailer(log, hints, hub)
    await tailer.start()
    channels = frozenset({"consultations"})
    blocks = [BlockParser(), BlockParser()]
    released: list[int] = []

    def send_to(number: int, *, breaks: bool) -> SendMessage:
        async def send(message: Message) -> None:
            if breaks and hub.window.position:
                raise ConnectionResetError
            blocks[number].feed(message["body"])

        return send

    for number in (0, 1):
        subscription = Subscription(f"u{number}", "s", "n", "r", channels, channels.__contains__)
        subscriber = hub.admit(subscription, send_to(number, breaks=number == 0), partial(released.append, number))
        hub.start_stream(subscriber, None)
    await append_events(database, an_event(1))
    await tailer.read_new()
    hints.close()

    assert released == [0]
    assert hub.counters.dropped == {"failed": 1}
    assert [event.name for event in blocks[1].received] == ["ready", "patient.updated"]
    await hub.drain()


async def test_lost_right_applies_to_the_next_event(database: Database) -> None:
    log = LogReader(database)
    hints = hints_of(database)
    hub = Hub(log, StreamLimits())
    tailer = Tailer(log, hints, hub)
    await tailer.start()
    channels = {"consultations", "doctor.7"}
    blocks = BlockParser()

    async def send(message: Message) -> None:
        blocks.feed(message["body"])

    hub.start_stream(
        hub.admit(Subscription("u", "s", "n", "r", frozenset(channels), channels.__contains__), send, lambda: None),
        None,
    )
    await append_events(database, an_event(1, "doctor.7"))
    await tailer.read_new()
    channels.discard("doctor.7")
    await append_events(database, an_event(2, "doctor.7"), an_event(3))
    await tailer.read_new()
    hints.close()

    assert [event.id.rpartition("-")[2] for event in blocks.received[1:]] == ["1", "3"]
    await hub.drain()

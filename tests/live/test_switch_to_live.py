"""The moment between catching up and being live: an event is committed at every point where the hub waits, one run each."""

import asyncio
from collections.abc import Awaitable, Callable, Collection

import pytest

from patient_visit_engine.live.hub import Hub
from patient_visit_engine.live.limits import StreamLimits
from patient_visit_engine.live.subscriber import Message, Subscription
from patient_visit_engine.live.tailer import Tailer
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.log_changes import SqliteChanges, changes_of
from patient_visit_engine.storage.log_reader import LogBounds, LogPage, LogReader
from tests.support.stream_server import BlockParser, an_event, tell, until

BACKLOG = 20
#: More points than any run has; a test that no longer reaches its last point would test nothing there.
MOST_POINTS = 60


class Interruptions:
    """Calls `act` at one of the points at which somebody waits, the one with the number `at`."""

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
    """The real log, with a point before and behind each reading."""

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


async def follow_with_an_interruption(database: Database, changes: SqliteChanges, at: int, ring: int) -> int:
    """Connect at position 3 with an event committed at point `at`; the number of points that there were."""
    log = LogReader(database)
    blocks = BlockParser()

    async def commit() -> None:
        number = (await log.bounds()).head + 1
        await tell(database, an_event(number), an_event(number + 1, "doctor.8"), an_event(number + 2, "doctor.7"))
        await tailer.read_new()

    async def send(message: Message) -> None:
        await interruptions.point()
        blocks.feed(message["body"])
        await interruptions.point()

    interruptions = Interruptions(at, commit)
    limits = StreamLimits(ring_frames=ring, page=4, joined_bytes=400)
    hub = Hub(InterruptedLog(log, interruptions), limits)
    tailer = Tailer(log, changes, hub)
    await tailer.start()
    channels = frozenset({"consultations", "doctor.7"})
    subscriber = hub.admit(Subscription("u", "s", "n", "r", channels, channels.__contains__), send, lambda: None)
    hub.start_stream(subscriber, f"{hub.window.epoch}-3")
    await until(lambda: hub.behind == 0, "a live reader")
    connecting = interruptions.passed
    await commit()
    await until(lambda: hub.behind == 0, "a live reader")
    page = await log.read_after(3, 1000, channels)
    hub.remove(subscriber)

    assert [one.id for one in blocks.told[1:]] == [f"{hub.window.epoch}-{one.seq}" for one in page.entries]
    assert hub.counters.dropped == {}
    return connecting


@pytest.mark.parametrize("ring", [3, 10, 4096], ids=["from the log", "from both", "from the ring"])
async def test_an_event_committed_at_any_point_of_connecting_is_had_once(database: Database, ring: int) -> None:
    await tell(database, *(an_event(number) for number in range(1, BACKLOG + 1)))
    changes = changes_of(database)

    points = await follow_with_an_interruption(database, changes, 0, ring)
    assert 1 < points < MOST_POINTS
    for at in range(1, points + 4):
        await follow_with_an_interruption(database, changes, at, ring)
    changes.close()


async def test_a_reader_ahead_of_the_tailer_waits_for_it_and_gets_nothing_twice(database: Database) -> None:
    log = LogReader(database)
    changes = changes_of(database)
    hub = Hub(log, StreamLimits())
    tailer = Tailer(log, changes, hub)
    await tailer.start()
    blocks = BlockParser()
    channels = frozenset({"consultations"})

    async def send(message: Message) -> None:
        blocks.feed(message["body"])

    await tell(database, *(an_event(number) for number in range(1, 6)))
    subscriber = hub.admit(Subscription("u", "s", "n", "r", channels, channels.__contains__), send, lambda: None)
    hub.start_stream(subscriber, f"{hub.window.epoch}-4")
    await until(lambda: blocks.told, "ready")
    assert '"resume":"exact"' in blocks.told[0].data
    hub.heartbeat()
    await tailer.read_new()
    await until(lambda: hub.behind == 0, "a live reader")
    changes.close()

    assert [one.id.rpartition("-")[2] for one in blocks.told] == ["4", "5"]
    hub.remove(subscriber)


async def test_a_log_pruned_under_a_reader_resets_it_instead_of_skipping(database: Database) -> None:
    await tell(database, *(an_event(number) for number in range(1, 31)))
    log = LogReader(database)
    changes = changes_of(database)
    blocks = BlockParser()

    async def prune() -> None:
        await database.write(lambda c: c.exec_driver_sql("DELETE FROM events WHERE seq <= 20"))

    async def send(message: Message) -> None:
        blocks.feed(message["body"])

    # The first point stands before the first page: the cursor has been found good by then.
    hub = Hub(InterruptedLog(log, Interruptions(1, prune)), StreamLimits(ring_frames=4, page=5))
    await Tailer(log, changes, hub).start()
    channels = frozenset({"consultations"})
    subscriber = hub.admit(Subscription("u", "s", "n", "r", channels, channels.__contains__), send, lambda: None)
    hub.start_stream(subscriber, f"{hub.window.epoch}-2")
    await until(lambda: hub.behind == 0, "a live reader")
    changes.close()

    assert [one.name for one in blocks.told] == ["ready", "reset"]
    assert blocks.last_id.endswith("-30")
    assert hub.counters.resets == 1
    hub.remove(subscriber)


async def test_a_connection_that_fails_costs_nobody_else_an_event(database: Database) -> None:
    log = LogReader(database)
    changes = changes_of(database)
    hub = Hub(log, StreamLimits())
    tailer = Tailer(log, changes, hub)
    await tailer.start()
    channels = frozenset({"consultations"})
    blocks = [BlockParser(), BlockParser()]
    released = []

    def send_to(number: int, *, breaks: bool) -> Callable[[Message], Awaitable[None]]:
        async def send(message: Message) -> None:
            if breaks and hub.window.position:
                raise ConnectionResetError
            blocks[number].feed(message["body"])

        return send

    for number in (0, 1):
        reader = Subscription(f"u{number}", "s", "n", "r", channels, channels.__contains__)
        one = hub.admit(reader, send_to(number, breaks=number == 0), lambda number=number: released.append(number))
        hub.start_stream(one, None)
    await tell(database, an_event(1))
    await tailer.read_new()
    changes.close()

    assert released == [0]
    assert hub.counters.dropped == {"failed": 1}
    assert [one.name for one in blocks[1].told] == ["ready", "patient.updated"]
    await hub.drain()


async def test_a_right_that_is_gone_is_gone_for_the_very_next_event(database: Database) -> None:
    log = LogReader(database)
    changes = changes_of(database)
    hub = Hub(log, StreamLimits())
    tailer = Tailer(log, changes, hub)
    await tailer.start()
    channels = {"consultations", "doctor.7"}
    blocks = BlockParser()

    async def send(message: Message) -> None:
        blocks.feed(message["body"])

    hub.start_stream(
        hub.admit(Subscription("u", "s", "n", "r", frozenset(channels), channels.__contains__), send, lambda: None),
        None,
    )
    await tell(database, an_event(1, "doctor.7"))
    await tailer.read_new()
    channels.discard("doctor.7")
    await tell(database, an_event(2, "doctor.7"), an_event(3))
    await tailer.read_new()
    changes.close()

    assert [one.id.rpartition("-")[2] for one in blocks.told[1:]] == ["1", "3"]
    await hub.drain()

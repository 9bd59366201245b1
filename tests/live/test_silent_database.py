"""PostgreSQL connections that go silent without closing, as behind a firewall that dropped them, are replaced."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import pytest

from patient_visit_engine.live.hub import Hub
from patient_visit_engine.live.hub_tasks import run_hub
from patient_visit_engine.live.limits import StreamLimits
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.log_hints import PostgresHints
from patient_visit_engine.storage.log_reader import LogReader
from tests.support.stream_server import an_event, append_events
from tests.support.waiting import wait_until_async


class Silence:
    """Counts the portions that still pass, in both directions, before a connection goes silent."""

    def __init__(self) -> None:
        self.portions_left: int | None = None

    def drops_next(self) -> bool:
        if self.portions_left is None:
            return False
        self.portions_left -= 1
        return self.portions_left < 0


class Relay:
    """A TCP relay. `silence` makes the open connections drop all bytes, without closing them."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._silence = Silence()
        self.opened = 0

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def silence(self, after: int = 0) -> None:
        """Let `after` more portions pass, then drop everything on the present connections."""
        self._silence.portions_left = after
        self._silence = Silence()

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.opened += 1
        upstream_reader, upstream_writer = await asyncio.open_connection(*self._target)
        silence = self._silence
        try:
            with suppress(OSError):
                await asyncio.gather(
                    self._copy(reader, upstream_writer, silence), self._copy(upstream_reader, writer, silence)
                )
        finally:
            writer.close()
            upstream_writer.close()

    async def _copy(self, source: asyncio.StreamReader, to: asyncio.StreamWriter, silence: Silence) -> None:
        while portion := await source.read(65_536):
            if silence.drops_next():
                await asyncio.Event().wait()
            to.write(portion)
            await to.drain()
        to.close()


@asynccontextmanager
async def relayed(database: Database, statement_within: float = 0.5) -> AsyncIterator[tuple[Relay, Database]]:
    """A relay, and the database as a client of the relay sees it."""
    assert database.url.host is not None
    assert database.url.port is not None
    relay = Relay(database.url.host, database.url.port)
    url = database.url.set(host="127.0.0.1", port=await relay.start())
    through = Database(url.render_as_string(hide_password=False), statement_within=statement_within)
    try:
        yield relay, through
    finally:
        await through.close()
        await relay.stop()


@pytest.fixture
async def relay(on_postgres: Database) -> AsyncIterator[tuple[Relay, Database]]:
    """A relay, and the database as a client of the relay sees it."""
    async with relayed(on_postgres) as relay_and_database:
        yield relay_and_database


@asynccontextmanager
async def follower(database: Database) -> AsyncIterator[tuple[Relay, Hub]]:
    """A hub that reads the log through its own relay, as a separate process would."""
    async with relayed(database) as (relay, through):
        hints = PostgresHints(through.url, test_every=0.2)
        async with run_hub(LogReader(through), hints, StreamLimits(read_timeout=0.5, poll_interval=0.3)) as hub:
            yield relay, hub
        hints.close()


async def test_recovers_from_silence_at_any_portion(on_postgres: Database) -> None:
    """Testing a connection, reading and returning it takes a dozen portions. For each there is a hub that goes silent before it."""
    async with AsyncExitStack() as stack:
        relays, hubs = zip(
            *[await stack.enter_async_context(follower(on_postgres)) for _portions in range(16)], strict=True
        )
        await wait_until_async(lambda: all(hub.started for hub in hubs), "the first read")

        for portions, relay in enumerate(relays):
            relay.silence(after=portions)
        await append_events(on_postgres, an_event(1))
        await wait_until_async(lambda: all(hub.counters.failures for hub in hubs), "a failed read in every hub")
        await append_events(on_postgres, an_event(2))
        await wait_until_async(lambda: all(hub.window.position == 2 for hub in hubs), "the event after the silence")

        # Hints come again too, on new sessions.
        position = 3
        while await _count_unhinted(on_postgres, hubs, position):
            position += 1
            assert position < 30


async def _count_unhinted(database: Database, hubs: Sequence[Hub], number: int) -> int:
    """Commit one event. Return how many hubs read it without a hint."""
    before = sum(hub.counters.found_unasked for hub in hubs)
    await append_events(database, an_event(number))
    await wait_until_async(lambda: all(hub.window.position == number for hub in hubs), "one more event")
    return sum(hub.counters.found_unasked for hub in hubs) - before


async def test_replaces_silent_listening_session(on_postgres: Database, relay: tuple[Relay, Database]) -> None:
    tcp_relay, through = relay
    hints = PostgresHints(through.url, test_every=0.2)
    assert await hints.wait_for_hint(5.0)
    assert tcp_relay.opened == 1
    tcp_relay.silence()

    async def wait_for_new_session() -> None:
        while tcp_relay.opened == 1:
            await hints.wait_for_hint(0.3)

    await asyncio.wait_for(wait_for_new_session(), 20)
    while await hints.wait_for_hint(0.2):
        pass
    await append_events(on_postgres, an_event(1))

    assert await hints.wait_for_hint(5.0)
    hints.close()


async def test_request_after_silence_works(
    relay: tuple[Relay, Database],
) -> None:
    tcp_relay, through = relay
    assert await through.read(lambda connection: connection.exec_driver_sql("SELECT 1").scalar()) == 1
    tcp_relay.silence()

    async def is_answered() -> bool:
        try:
            return await through.read(lambda connection: connection.exec_driver_sql("SELECT 2").scalar()) == 2
        except TimeoutError:
            return False

    async with asyncio.timeout(20):
        while not await is_answered():
            pass
    assert tcp_relay.opened > 1


async def test_one_timeout_replaces_all_silent_connections(relay: tuple[Relay, Database]) -> None:
    tcp_relay, through = relay

    async def read() -> Any:
        return await through.read(lambda connection: connection.exec_driver_sql("SELECT pg_sleep(0.1), 1").one()[1])

    await asyncio.gather(*(read() for _ in range(4)))
    assert tcp_relay.opened == 4
    tcp_relay.silence()

    with pytest.raises(TimeoutError):
        await read()

    assert await asyncio.gather(*(read() for _ in range(4))) == [1, 1, 1, 1]


async def test_closes_many_silent_connections_at_once(on_postgres: Database) -> None:
    async with relayed(on_postgres, statement_within=30) as (tcp_relay, through):
        reads = [
            through.read(lambda connection: connection.exec_driver_sql("SELECT pg_sleep(0.2)").one()) for _ in range(8)
        ]
        await asyncio.gather(*reads)
        assert tcp_relay.opened == 8
        tcp_relay.silence()

        # One after the other, they would take four minutes.
        async with asyncio.timeout(20):
            await through.close()

"""Connections to PostgreSQL that fall silent without an end, as behind a firewall that has forgotten them: they are given up."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import pytest

from patient_visit_engine.live.hub import Hub
from patient_visit_engine.live.limits import StreamLimits
from patient_visit_engine.live.running import running
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.log_changes import PostgresChanges
from patient_visit_engine.storage.log_reader import LogReader
from tests.support.stream_server import an_event, tell, until


class Silence:
    """What falls silent, and how many portions still get through, in either direction, before it does."""

    def __init__(self) -> None:
        self.left: int | None = None

    def swallows(self) -> bool:
        if self.left is None:
            return False
        self.left -= 1
        return self.left < 0


class Relay:
    """Passes connections on; those that are open when it is told to hush get nothing through any more, and nobody is told."""

    def __init__(self, host: str, port: int) -> None:
        self._to = (host, port)
        self._server: asyncio.Server | None = None
        self._passing: set[asyncio.Task[None]] = set()
        self._silence = Silence()
        self.opened = 0

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def hush(self, after: int = 0) -> None:
        self._silence.left = after
        self._silence = Silence()

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._passing:
            task.cancel()
        await asyncio.gather(*self._passing, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._passing.add(task)
        self.opened += 1
        back, there = await asyncio.open_connection(*self._to)
        silence = self._silence
        try:
            with suppress(OSError):
                await asyncio.gather(self._pump(reader, there, silence), self._pump(back, writer, silence))
        finally:
            writer.close()
            there.close()

    async def _pump(self, source: asyncio.StreamReader, to: asyncio.StreamWriter, silence: Silence) -> None:
        while portion := await source.read(65_536):
            if silence.swallows():
                await asyncio.Event().wait()
            to.write(portion)
            await to.drain()
        to.close()


@asynccontextmanager
async def relayed(to: Database, statement_within: float = 0.5) -> AsyncIterator[tuple[Relay, Database]]:
    """A relay, and the database as it is seen through it."""
    assert to.url.host is not None
    assert to.url.port is not None
    opened = Relay(to.url.host, to.url.port)
    url = to.url.set(host="127.0.0.1", port=await opened.start())
    through = Database(url.render_as_string(hide_password=False), statement_within=statement_within)
    try:
        yield opened, through
    finally:
        await through.close()
        await opened.stop()


@pytest.fixture
async def relay(on_postgres: Database) -> AsyncIterator[tuple[Relay, Database]]:
    """A relay, and the database as it is seen through it."""
    async with relayed(on_postgres) as both:
        yield both


@asynccontextmanager
async def follower(of: Database) -> AsyncIterator[tuple[Relay, Hub]]:
    """A hub as in a process of its own, that has the log through a relay of its own."""
    async with relayed(of) as (between, through):
        changes = PostgresChanges(through.url, test_every=0.2)
        async with running(LogReader(through), changes, StreamLimits(read_within=0.5, poll_every=0.3)) as hub:
            yield between, hub
        changes.close()


async def test_streams_go_on_over_new_connections_wherever_a_reading_falls_silent(on_postgres: Database) -> None:
    """To prove a connection, read and give it back takes a dozen portions: there is silence before each, for one of these hubs."""
    async with AsyncExitStack() as stack:
        relays, hubs = zip(
            *[await stack.enter_async_context(follower(on_postgres)) for _portions in range(16)], strict=True
        )
        await until(lambda: all(hub.started for hub in hubs), "the first reading")

        for portions, between in enumerate(relays):
            between.hush(after=portions)
        await tell(on_postgres, an_event(1))
        await until(lambda: all(hub.counters.failures for hub in hubs), "silence everywhere")
        await tell(on_postgres, an_event(2))
        await until(lambda: all(hub.window.position == 2 for hub in hubs), "the event behind the silence")

        # Hints come again too, over sessions of their own.
        position = 3
        while await _found_unasked(on_postgres, hubs, position):
            position += 1
            assert position < 30


async def _found_unasked(database: Database, hubs: Sequence[Hub], number: int) -> int:
    """How many of the hubs found one more event without a hint."""
    before = sum(hub.counters.found_unasked for hub in hubs)
    await tell(database, an_event(number))
    await until(lambda: all(hub.window.position == number for hub in hubs), "one more event")
    return sum(hub.counters.found_unasked for hub in hubs) - before


async def test_a_session_that_listens_and_falls_silent_is_replaced(
    on_postgres: Database, relay: tuple[Relay, Database]
) -> None:
    between, through = relay
    changes = PostgresChanges(through.url, test_every=0.2)
    assert await changes.wait_for_change(5.0)
    assert between.opened == 1
    between.hush()

    async def replaced() -> None:
        while between.opened == 1:
            await changes.wait_for_change(0.3)

    await asyncio.wait_for(replaced(), 20)
    while await changes.wait_for_change(0.2):
        pass
    await tell(on_postgres, an_event(1))

    assert await changes.wait_for_change(5.0)
    changes.close()


async def test_a_request_on_a_silent_connection_fails_and_the_next_one_is_answered(
    relay: tuple[Relay, Database],
) -> None:
    between, through = relay
    assert await through.read(lambda connection: connection.exec_driver_sql("SELECT 1").scalar()) == 1
    between.hush()

    async def answered() -> bool:
        try:
            return await through.read(lambda connection: connection.exec_driver_sql("SELECT 2").scalar()) == 2
        except TimeoutError:
            return False

    async with asyncio.timeout(20):
        while not await answered():
            pass
    assert between.opened > 1


async def test_a_process_takes_leave_of_many_silent_connections_at_once(on_postgres: Database) -> None:
    async with relayed(on_postgres, statement_within=30) as (between, through):
        at_once = [
            through.read(lambda connection: connection.exec_driver_sql("SELECT pg_sleep(0.2)").one()) for _ in range(8)
        ]
        await asyncio.gather(*at_once)
        assert between.opened == 8
        between.hush()

        # One after the other they would take four minutes.
        async with asyncio.timeout(20):
            await through.close()

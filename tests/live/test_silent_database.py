"""Connections to PostgreSQL that fall silent without an end, as behind a firewall that has forgotten them: they are given up."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from live.limits import StreamLimits
from live.running import running
from storage.database import Database
from storage.log_reader import LogReader, PostgresChanges
from tests.live.stream_rig import an_event, tell, until


class Relay:
    """Passes connections on; those that are open when it is told to hush get nothing through any more, and nobody is told."""

    def __init__(self, host: str, port: int) -> None:
        self._to = (host, port)
        self._server: asyncio.Server | None = None
        self._passing: set[asyncio.Task[None]] = set()
        self._silent = asyncio.Event()
        self.opened = 0

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def hush(self) -> None:
        self._silent.set()
        self._silent = asyncio.Event()

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
        silent = self._silent
        try:
            with suppress(OSError):
                await asyncio.gather(self._pump(reader, there, silent), self._pump(back, writer, silent))
        finally:
            writer.close()
            there.close()

    async def _pump(self, source: asyncio.StreamReader, to: asyncio.StreamWriter, silent: asyncio.Event) -> None:
        while portion := await source.read(65_536):
            if silent.is_set():
                await asyncio.Event().wait()
            to.write(portion)
            await to.drain()
        to.close()


@pytest.fixture
async def relay(on_postgres: Database, request: pytest.FixtureRequest) -> AsyncIterator[tuple[Relay, Database]]:
    """A relay, and the database as it is seen through it; statements are given what the test says, or for ever."""
    assert on_postgres.url.host is not None
    assert on_postgres.url.port is not None
    opened = Relay(on_postgres.url.host, on_postgres.url.port)
    url = on_postgres.url.set(host="127.0.0.1", port=await opened.start())
    within = getattr(request, "param", None)
    through = Database(url.render_as_string(hide_password=False), statement_within=within)
    yield opened, through
    await through.close()
    await opened.stop()


async def test_the_stream_goes_on_over_new_connections(on_postgres: Database, relay: tuple[Relay, Database]) -> None:
    between, through = relay
    changes = PostgresChanges(through.url, proved_every=0.2)
    limits = StreamLimits(read_within=0.5, poll_every=0.3)
    async with running(LogReader(through), changes, limits) as hub:
        await tell(on_postgres, an_event(1))
        await until(lambda: hub.window.position == 1, "the first event")

        between.hush()
        await tell(on_postgres, an_event(2))
        await until(lambda: hub.window.position == 2, "the event behind the silence")

        assert hub.counters.failures > 0
        # Hints come again too, over a session of their own.
        unasked = hub.counters.found_unasked
        await tell(on_postgres, an_event(3))
        await until(lambda: hub.window.position == 3, "the third event")
        assert hub.counters.found_unasked <= unasked + 1
    changes.close()


async def test_a_session_that_listens_and_falls_silent_is_replaced(
    on_postgres: Database, relay: tuple[Relay, Database]
) -> None:
    between, through = relay
    changes = PostgresChanges(through.url, proved_every=0.2)
    assert await changes.changed(5.0)
    assert between.opened == 1
    between.hush()

    async def replaced() -> None:
        while between.opened == 1:
            await changes.changed(0.3)

    await asyncio.wait_for(replaced(), 20)
    while await changes.changed(0.2):
        pass
    await tell(on_postgres, an_event(1))

    assert await changes.changed(5.0)
    changes.close()


@pytest.mark.parametrize("relay", [0.5], indirect=True)
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

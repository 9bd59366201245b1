"""One connection to Temporal lasts through a quiet time. A server ends connections of clients that ping it too often."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from temporalio.service import RPCError

from patient_visit_engine.runtime import dev_server
from patient_visit_engine.runtime.settings import Settings
from patient_visit_engine.runtime.temporal import connect
from tests.support.ports import free_port
from tests.support.processes import SpawnedProcess
from tests.support.waiting import wait_until_async

#: Seconds without a call. With a ping every 5 seconds the server ended three connections in this time.
QUIET_SECONDS = 100


class CountingRelay:
    """Passes bytes on to a port of this machine, and counts the connections."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self.connections = 0

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        target_reader, target_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        async with asyncio.TaskGroup() as group:
            group.create_task(_copy(reader, target_writer))
            group.create_task(_copy(target_reader, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def run_relay(target_port: int) -> AsyncIterator[tuple[CountingRelay, int]]:
    """A relay, and the port on which it listens."""
    relay = CountingRelay(target_port)
    server = await asyncio.start_server(relay.pass_on, "127.0.0.1", 0)
    yield relay, server.sockets[0].getsockname()[1]
    server.close()


@pytest.fixture
async def temporal_port(tmp_path: Path) -> AsyncIterator[int]:
    """The port of Temporal's development server, with the settings that `up` uses."""
    settings = Settings(_env_file=None, data_dir=tmp_path, temporal_port=free_port(), ui_port=free_port())
    server = SpawnedProcess("temporal", dev_server.server_command(settings), {}, tmp_path)
    server.start()

    async def answers() -> bool:
        with suppress(RuntimeError, RPCError):
            client = await connect(settings)
            return await client.service_client.check_health()
        return False

    await wait_until_async(answers, "the server to answer")
    yield settings.temporal_port
    await asyncio.to_thread(server.kill)


@pytest.mark.long
async def test_one_connection_lasts_through_quiet_time(temporal_port: int) -> None:
    async with run_relay(temporal_port) as (relay, port):
        client = await connect(Settings(_env_file=None, temporal_address=f"127.0.0.1:{port}"))

        await asyncio.sleep(QUIET_SECONDS)

        assert await client.service_client.check_health()
        assert relay.connections == 1

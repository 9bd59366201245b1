"""The API as processes on the test's database, several at once, and readers of their streams; it must not know what is in the log."""

import asyncio
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
from prometheus_client.parser import text_string_to_metric_families

from patient_visit_engine.storage.database import Database
from tests.support.processes import SpawnedProcess, free_port
from tests.support.stream_server import StreamClient, connect

SECRET = "a secret of more than thirty-two bytes, for tests alone"
ROOT = Path(__file__).parents[2]
#: Seconds for what a busy machine may take long to do: a process that starts, two thousand streams that end.
LONG = 60.0
#: What a connection that is refused, cut or ended in the middle of an answer raises.
GONE = (ConnectionError, asyncio.IncompleteReadError)


def token(subject: str, doctor: int | None = None, role: str = "reception") -> str:
    """What the hospital's own system signs for one member of staff."""
    claims: dict[str, Any] = {"sub": subject, "name": subject, "exp": datetime.now(UTC) + timedelta(hours=1)}
    claims |= {"role": role} if doctor is None else {"role": "doctor", "doctor_id": doctor}
    return jwt.encode(claims, SECRET, "HS256")


class ApiProcess(SpawnedProcess):
    """One API process."""

    def __init__(
        self, name: str, database: Database, folder: Path, host: str = "127.0.0.1", within: Sequence[str] = ()
    ) -> None:
        self.host = host
        self.port = free_port()
        environment = {
            "VISIT_DATABASE_URL": database.url.render_as_string(),
            "VISIT_DATA_DIR": str(folder),
            "VISIT_HTTP_HOST": host,
            "VISIT_HTTP_PORT": str(self.port),
            # Connected to at the first need, which no stream has.
            "VISIT_TEMPORAL_ADDRESS": "127.0.0.1:1",
            "VISIT_JWT_SECRET": SECRET,
        }
        super().__init__(name, [*within, sys.executable, "-m", "patient_visit_engine.cli", "api"], environment, folder)

    async def connect(self, receive_buffer: int | None = None) -> StreamClient:
        return await connect(self.host, self.port, receive_buffer)

    async def answer(self, path: str) -> tuple[int, str]:
        """Status and text of one call."""
        client = await self.connect()
        try:
            await client.ask("GET", path, {"connection": "close"})
            return client.status, await client.text()
        finally:
            client.close()

    async def count(self, metric: str, **labels: str) -> float:
        """What the process counts under this name and these labels, over all others."""
        families = text_string_to_metric_families((await self.answer("/metrics"))[1])
        samples = [sample for family in families for sample in family.samples if sample.name == metric]
        return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())

    async def ready(self) -> None:
        """Wait until it has seen the log, from when on it opens streams."""

        async def sees_the_log() -> bool:
            assert self.running, f"{self.name} is over: {self.log.read_text()[-2000:]}"
            with suppress(*GONE):
                return await self.count("visit_stream_lag_seconds") < 5
            return False

        await eventually_true(sees_the_log, f"{self.name} to see the log")

    async def exited(self) -> int:
        return await asyncio.to_thread(self.wait, LONG)


async def eventually_true(holds: Any, what: str, patience: float = LONG) -> None:
    """Wait until `await holds()`; a test that waits in vain says for what."""
    end = asyncio.get_running_loop().time() + patience
    while not await holds():
        assert asyncio.get_running_loop().time() < end, f"waited in vain: {what}"
        await asyncio.sleep(0.02)


class ApiProcesses:
    """API processes, writers and connections of one test; `close` leaves none of them behind."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self._folder = folder
        self.apis: list[ApiProcess] = []
        self._writers: list[WriterProcess] = []
        self._clients: list[StreamClient] = []

    async def start(self) -> ApiProcess:
        """One more API process, which opens streams by the time this returns."""
        return await self.have(ApiProcess(f"api-{len(self.apis) + 1}", self.database, self._folder))

    async def have(self, api: ApiProcess) -> ApiProcess:
        """Start this one, and see to its end."""
        self.apis.append(api)
        api.start()
        await api.ready()
        return api

    async def open(
        self,
        api: ApiProcess,
        subject: str,
        doctor: int | None = None,
        *,
        channels: str | None = None,
        last_id: str | None = None,
        receive_buffer: int | None = None,
        over: StreamClient | None = None,
    ) -> StreamClient:
        """A connection whose response has begun; nothing of its body is read yet."""
        client = over or await api.connect(receive_buffer)
        self._clients.append(client)
        headers = {"authorization": f"Bearer {token(subject, doctor)}"}
        headers |= {} if last_id is None else {"last-event-id": last_id}
        await client.ask("GET", "/api/events" + ("" if channels is None else f"?channels={channels}"), headers)
        return client

    async def live(self, api: ApiProcess, subject: str, doctor: int | None = None, **more: Any) -> StreamClient:
        """A connection that has had its `ready`."""
        client = await self.open(api, subject, doctor, **more)
        await client.read_until(lambda: client.told)
        return client

    async def writer(self) -> "WriterProcess":
        """One more process that writes to the log."""
        writer = await WriterProcess.start(self.database)
        self._writers.append(writer)
        return writer

    async def close(self) -> None:
        for client in self._clients:
            client.close()
        for writer in self._writers:
            await writer.kill()
        for api in self.apis:
            if api.running:
                api.signal(signal.SIGKILL)
        for api in self.apis:
            await asyncio.to_thread(api.kill)


class WriterProcess:
    """A process of its own that writes to the log as it is told (see `writer_process.py`)."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, database: Database) -> "WriterProcess":
        url = database.url.render_as_string()
        return cls(
            await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.support.writer_process", url),
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
            )
        )

    async def tell(self, do: str, *events: tuple[str, int], text: str = "") -> None:
        """Have it write events, each a channel and a number; on return it has done so, or stands where it was told to halt."""
        await self.begin(do, *events, text=text)
        async with asyncio.timeout(LONG):
            assert self._process.stdout is not None
            assert await self._process.stdout.readline() == b"so it is\n"

    async def begin(self, do: str, *events: tuple[str, int], text: str = "") -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, "events": events, "text": text}).encode() + b"\n")
        await self._process.stdin.drain()

    async def kill(self) -> None:
        """End it as a power cut would."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.kill()
        # Not only waited for: what its pipes hold is taken, or their transports would outlive the test.
        await self._process.communicate()


def raised_file_limit(wanted: int) -> int:
    """As many open files as the test wants, or as this process may have at most."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return soft

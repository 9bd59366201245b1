"""Several API processes on the test's database, clients of their streams, and processes that write to the log."""

import asyncio
import json
import resource
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
from prometheus_client.parser import text_string_to_metric_families

from patient_visit_engine.storage.database import Database
from tests.support.ports import free_port
from tests.support.preloaded import Conversation
from tests.support.processes import SpawnedProcess
from tests.support.stream_server import StreamClient, connect
from tests.support.waiting import wait_until_async

SECRET = "a secret of more than thirty-two bytes, for tests alone"
#: Seconds for slow steps on a busy machine: the start of a process, or the end of two thousand streams.
PATIENCE = 60.0
#: The errors of a connection that is refused, reset or closed in the middle of an answer.
GONE = (ConnectionError, asyncio.IncompleteReadError)


def token(subject: str, doctor: int | None = None, role: str = "reception") -> str:
    """Return a token for one member of staff, as the hospital's own system signs it."""
    claims: dict[str, Any] = {"sub": subject, "name": subject, "exp": datetime.now(UTC) + timedelta(hours=1)}
    claims |= {"role": role} if doctor is None else {"role": "doctor", "doctor_id": doctor}
    return jwt.encode(claims, SECRET, "HS256")


class ApiProcess(SpawnedProcess):
    """One API process."""

    def __init__(
        self,
        name: str,
        database: Database,
        folder: Path,
        host: str = "127.0.0.1",
        within: Sequence[str] = (),
        **settings: str,
    ) -> None:
        self.host = host
        self.port = free_port()
        environment = {
            "VISIT_DATABASE_URL": database.url.render_as_string(),
            "VISIT_DATA_DIR": str(folder),
            "VISIT_HTTP_HOST": host,
            "VISIT_HTTP_PORT": str(self.port),
            # The API connects to Temporal on first use, and a stream never uses it.
            "VISIT_TEMPORAL_ADDRESS": "127.0.0.1:1",
            **({} if "VISIT_JWT_JWKS_URL" in settings else {"VISIT_JWT_SECRET": SECRET}),
            **settings,
        }
        super().__init__(name, [*within, sys.executable, "-m", "patient_visit_engine.cli", "api"], environment, folder)

    async def connect(self, receive_buffer: int | None = None) -> StreamClient:
        return await connect(self.host, self.port, receive_buffer)

    async def answer(self, path: str) -> tuple[int, str]:
        """Return status and text of one GET request."""
        client = await self.connect()
        try:
            await client.ask("GET", path, {"connection": "close"})
            return client.status, await client.text()
        finally:
            client.close()

    async def count(self, metric: str, **labels: str) -> float:
        """Return the sum of a metric over all samples with these labels."""
        families = text_string_to_metric_families((await self.answer("/metrics"))[1])
        samples = [sample for family in families for sample in family.samples if sample.name == metric]
        return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())

    async def wait_until_ready(self) -> None:
        """Wait until the process has read the log. Then it opens streams."""

        async def has_read_the_log() -> bool:
            assert self.running, f"{self.name} has ended: {self.log.read_text()[-2000:]}"
            with suppress(*GONE):
                return await self.count("visit_stream_lag_seconds") < 5
            return False

        await wait_until_async(has_read_the_log, f"{self.name} to read the log")

    async def exited(self) -> int:
        return await asyncio.to_thread(self.wait, PATIENCE)


class ApiProcesses:
    """The API processes, writers and connections of one test. `close` ends all of them."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self._folder = folder
        self.apis: list[ApiProcess] = []
        self._writers: list[WriterProcess] = []
        self._clients: list[StreamClient] = []

    async def start(self, within: Sequence[str] = (), **settings: str) -> ApiProcess:
        """Start one more API process with these variables, under the command `within`, and wait until it opens streams."""
        name = f"api-{len(self.apis) + 1}"
        return await self.start_process(ApiProcess(name, self.database, self._folder, within=within, **settings))

    async def start_process(self, api: ApiProcess) -> ApiProcess:
        """Start this process. `close` ends it."""
        self.apis.append(api)
        api.start()
        await api.wait_until_ready()
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
        client: StreamClient | None = None,
    ) -> StreamClient:
        """Open a stream and read the response's head, but nothing of its body."""
        client = client or await api.connect(receive_buffer)
        self._clients.append(client)
        headers = {"authorization": f"Bearer {token(subject, doctor)}"}
        headers |= {} if last_id is None else {"last-event-id": last_id}
        await client.ask("GET", "/api/events" + ("" if channels is None else f"?channels={channels}"), headers)
        return client

    async def open_live(self, api: ApiProcess, subject: str, doctor: int | None = None, **options: Any) -> StreamClient:
        """Open a stream and read its `ready`."""
        client = await self.open(api, subject, doctor, **options)
        await client.read_until(lambda: client.received)
        return client

    async def start_writer(self) -> "WriterProcess":
        """Start one more process that writes to the log."""
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
    """A process that writes to the log on request (see `writer_process.py`)."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation

    @classmethod
    async def start(cls, database: Database) -> "WriterProcess":
        return cls(await Conversation.start("tests.support.writer_process", database.url.render_as_string()))

    async def write(self, order: str, *events: tuple[str, int], text: str = "") -> None:
        """Let it write events, each a channel and a number. Returns when it is done, or when it halts as ordered."""
        await self.send_order(order, *events, text=text)
        assert await self._conversation.read_line(PATIENCE) == "done"

    async def send_order(self, order: str, *events: tuple[str, int], text: str = "") -> None:
        await self._conversation.send(json.dumps({"order": order, "events": events, "text": text}))

    async def kill(self) -> None:
        """Kill it without warning, as a power cut would."""
        await self._conversation.kill()


def raise_file_limit(count: int) -> int:
    """Allow `count` open files, or as many as this process may have. Return the new limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        soft = count if hard == resource.RLIM_INFINITY else min(count, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return soft

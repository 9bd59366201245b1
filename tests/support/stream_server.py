"""The stream as it is in production: a real server on a free port, a real database, and a client that counts bytes."""

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import uvicorn
from sqlalchemy import Connection
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from patient_visit_engine.api.access.sessions import Caller
from patient_visit_engine.api.problems import Problem
from patient_visit_engine.api.server import StreamProtocol
from patient_visit_engine.api.stream.endpoint import EventStream
from patient_visit_engine.live.hub import Hub
from patient_visit_engine.live.limits import StreamLimits
from patient_visit_engine.live.running import running
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.event_log import append
from patient_visit_engine.storage.log_changes import changes_of
from patient_visit_engine.storage.log_reader import LogReader
from patient_visit_engine.visit.codes import Role
from patient_visit_engine.wire.events import Event

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
PATIENCE = 20.0


def an_event(number: int, channel: str = "consultations", **data: Any) -> Event:
    """One event that can be told from all others by its number."""
    return Event("patient.updated", channel, f"test/{channel}/{number}", {"number": number, **data}, 1)


async def tell(database: Database, *told: Event) -> None:
    """Write the events, in one transaction."""
    await database.write(append, told, NOON)


def whole_log(connection: Connection) -> list[tuple[int, str, int]]:
    rows = connection.exec_driver_sql("SELECT seq, channel, data FROM events ORDER BY seq")
    return [(seq, channel, json.loads(data)["number"]) for seq, channel, data in rows]


async def until(holds: Callable[[], object], what: str) -> None:
    """Wait for a condition; a test that waits in vain says for what."""
    end = asyncio.get_running_loop().time() + PATIENCE
    while not holds():
        assert asyncio.get_running_loop().time() < end, f"waited in vain: {what}"
        await asyncio.sleep(0.005)


@dataclass
class ReceivedEvent:
    """One dispatched event, as the HTML standard reads a stream."""

    name: str
    data: str
    id: str


@dataclass
class BlockParser:
    """Reads blocks out of bytes that come in any portions; `last_id` is what a browser would resume from."""

    told: list[ReceivedEvent] = field(default_factory=list)
    last_id: str = ""
    retry: int | None = None
    _rest: bytes = b""

    def feed(self, portion: bytes) -> None:
        self._rest += portion
        *blocks, self._rest = self._rest.split(b"\n\n")
        for block in blocks:
            self._read(block.decode())

    def _read(self, block: str) -> None:
        name, data = "message", list[str]()
        for line in re.split(r"\r\n|\n|\r", block):
            key, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if key == "event":
                name = value
            elif key == "data":
                data.append(value)
            elif key == "id":
                self.last_id = value
            elif key == "retry":
                self.retry = int(value)
        if data:
            self.told.append(ReceivedEvent(name, "\n".join(data), self.last_id))


class StreamClient:
    """One connection, read only as far as a test asks."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self.blocks = BlockParser()
        #: Whether the response was completed, which a connection that is cut off is not.
        self.complete = False

    @property
    def told(self) -> list[ReceivedEvent]:
        return self.blocks.told

    @property
    def events(self) -> list[ReceivedEvent]:
        """What tells of the hospital, without the stream's own."""
        return [one for one in self.told if one.name not in ("ready", "heartbeat", "reset")]

    @property
    def numbers(self) -> list[int]:
        return [json.loads(one.data)["number"] for one in self.events]

    @property
    def seqs(self) -> list[int]:
        return [int(one.id.rpartition("-")[2]) for one in self.events]

    @property
    def ready(self) -> dict[str, str]:
        assert self.told[0].name == "ready"
        return json.loads(self.told[0].data)

    async def ask(self, method: str, path: str, headers: dict[str, str]) -> None:
        lines = [f"{method} {path} HTTP/1.1", "host: test", *(f"{key}: {value}" for key, value in headers.items())]
        self._writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        self.status = int(head[0].split()[1])
        self.headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in head[1:] if line)}

    async def read_chunk(self) -> bool:
        """One more chunk; False: the stream is over."""
        try:
            size = int(await self._reader.readuntil(b"\r\n"), 16)
            portion = (await self._reader.readexactly(size + 2))[:-2]
        except (asyncio.IncompleteReadError, ConnectionError):
            return False
        if size == 0:
            self.complete = True
            return False
        self.body += portion
        self.blocks.feed(portion)
        return True

    async def read_until(self, enough: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not enough():
                assert await self.read_chunk(), "the stream ended before enough was read"

    async def read_events(self, count: int) -> None:
        await self.read_until(lambda: len(self.events) >= count)

    async def read_to_the_end(self) -> None:
        async with asyncio.timeout(PATIENCE):
            while await self.read_chunk():
                pass

    async def text(self) -> str:
        """The whole of an answer that is no stream."""
        return (await self._reader.readexactly(int(self.headers["content-length"]))).decode()

    async def problem(self) -> dict[str, Any]:
        return json.loads(await self.text())

    def close(self) -> None:
        self._writer.transport.abort()


async def connect(host: str, port: int, receive_buffer: int | None = None) -> StreamClient:
    """A connection on which nothing is asked yet; with a small buffer, of a reader that can be slow."""
    raw = socket.socket()
    if receive_buffer is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    raw.settimeout(0)
    try:
        await asyncio.get_running_loop().sock_connect(raw, (host, port))
    except BaseException:
        raw.close()
        raise
    return await over(raw, receive_buffer)


async def over(raw: socket.socket, receive_buffer: int | None = None) -> StreamClient:
    """A client on a socket that is connected."""
    # A small limit, or the client's own buffer would read on for a test that wants a slow reader.
    return StreamClient(*await asyncio.open_connection(sock=raw, limit=256 * 1024 if receive_buffer is None else 2048))


class StreamServer:
    """A server with a hub, and connections to it."""

    def __init__(self, hub: Hub, port: int, server: uvicorn.Server, stack: AsyncExitStack) -> None:
        self.hub = hub
        self.port = port
        self.server = server
        self._stack = stack

    async def client(
        self,
        doctor: int | None = 7,
        *,
        channels: str | None = None,
        last_id: str | None = None,
        session: str = "s",
        ends_in: float | None = None,
        receive_buffer: int | None = None,
        method: str = "GET",
    ) -> StreamClient:
        """A connection whose response has begun; nothing of its body is read yet."""
        client = await connect("127.0.0.1", self.port, receive_buffer)
        self._stack.callback(client.close)
        headers = {"x-doctor": "" if doctor is None else str(doctor), "x-session": session}
        headers |= {} if last_id is None else {"last-event-id": last_id}
        headers |= {} if ends_in is None else {"x-ends-in": str(ends_in)}
        await client.ask(method, "/api/events" + ("" if channels is None else f"?channels={channels}"), headers)
        return client

    async def live_client(self, doctor: int | None = 7, **more: Any) -> StreamClient:
        """A connection that has had its `ready` and is written to by the hub."""
        before = self.hub.subscribers
        client = await self.client(doctor, **more)
        await client.read_until(lambda: client.told)
        await until(lambda: self.hub.subscribers > before and self.hub.behind == 0, "a live reader")
        return client


async def caller_by_header(request: Request) -> Caller:
    """Whoever the test says; the endpoint's contract with sessions is tested with theirs."""
    if "x-doctor" not in request.headers:
        raise Problem(401, "not_signed_in", "Sign in first")
    doctor = int(request.headers["x-doctor"] or 0) or None
    ends_in = float(request.headers.get("x-ends-in", 3600))
    return Caller(
        subject=f"account:{doctor}",
        created_by=str(doctor),
        name="Dr. Amrani" if doctor == 7 else "Dr. Haddad",
        role=Role.reception if doctor is None else Role.doctor,
        doctor_id=doctor,
        expires_at=datetime.now(UTC) + timedelta(seconds=ends_in),
        session=request.headers["x-session"],
        by_cookie=True,
    )


Serve = Callable[..., Awaitable[StreamServer]]


@asynccontextmanager
async def served(database: Database, limits: StreamLimits) -> AsyncIterator[StreamServer]:
    changes = changes_of(database)
    listening = socket.socket()
    # Or the kernel takes megabytes for a reader that takes nothing.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)
    listening.bind(("127.0.0.1", 0))
    async with AsyncExitStack() as clients, running(LogReader(database), changes, limits) as hub:
        app = Starlette(routes=[Route("/api/events", EventStream(caller_by_header, hub))])
        # The protocol of the process that serves in production: what is offered to a connection goes past ASGI.
        server = uvicorn.Server(
            uvicorn.Config(app, http=StreamProtocol, log_config=None, lifespan="off", timeout_graceful_shutdown=5)
        )
        task = asyncio.create_task(server.serve([listening]))
        await until(lambda: server.started and hub.started, "the server")
        try:
            yield StreamServer(hub, listening.getsockname()[1], server, clients)
        finally:
            await clients.aclose()
            await hub.drain()
            server.should_exit = True
            await task
            changes.close()


def of_channel(log: Sequence[tuple[int, str, int]], *channels: str) -> list[int]:
    """The positions in the log that a reader of these channels must have had."""
    return [seq for seq, channel, _ in log if channel in channels]

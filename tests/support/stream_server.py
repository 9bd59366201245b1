"""The event stream on a real socket and a real database, and a client that parses it."""

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
from patient_visit_engine.api.server import protocol_with
from patient_visit_engine.api.serving.open_connections import OpenConnections
from patient_visit_engine.api.stream.endpoint import EventStream
from patient_visit_engine.live.hub import Hub
from patient_visit_engine.live.hub_tasks import run_hub
from patient_visit_engine.live.limits import StreamLimits
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.event_log import append
from patient_visit_engine.storage.log_hints import hints_of
from patient_visit_engine.storage.log_reader import LogReader
from patient_visit_engine.visit.codes import Role
from patient_visit_engine.wire.event_context import Event
from tests.support.waiting import wait_until_async

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
PATIENCE = 20.0


def an_event(number: int, channel: str = "consultations", **data: Any) -> Event:
    """Return an event with a unique number."""
    return Event("patient.updated", channel, f"test/{channel}/{number}", {"number": number, **data}, 1)


async def append_events(database: Database, *new_events: Event) -> None:
    """Append the events to the log, in one transaction."""
    await database.write(append, new_events, NOON)


def whole_log(connection: Connection) -> list[tuple[int, str, int]]:
    """Return position, channel and number of every event."""
    rows = connection.exec_driver_sql("SELECT seq, channel, data FROM events ORDER BY seq")
    return [(seq, channel, json.loads(data)["number"]) for seq, channel, data in rows]


@dataclass
class ReceivedEvent:
    """One dispatched event, as the HTML standard defines it."""

    name: str
    data: str
    id: str


@dataclass
class BlockParser:
    """Parses bytes that arrive in any portions. `last_id` is the id from which a browser would resume."""

    received: list[ReceivedEvent] = field(default_factory=list)
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
            self.received.append(ReceivedEvent(name, "\n".join(data), self.last_id))


class StreamClient:
    """One connection. It reads only as far as a test asks."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self.blocks = BlockParser()
        #: Whether the response was completed. It is not when the connection is cut off.
        self.complete = False

    @property
    def received(self) -> list[ReceivedEvent]:
        return self.blocks.received

    @property
    def events(self) -> list[ReceivedEvent]:
        """The received events without the stream's own."""
        return [event for event in self.received if event.name not in ("ready", "heartbeat", "reset")]

    @property
    def numbers(self) -> list[int]:
        return [json.loads(event.data)["number"] for event in self.events]

    @property
    def seqs(self) -> list[int]:
        return [int(event.id.rpartition("-")[2]) for event in self.events]

    @property
    def ready(self) -> dict[str, str]:
        assert self.received[0].name == "ready"
        ready: dict[str, str] = json.loads(self.received[0].data)
        return ready

    async def ask(self, method: str, path: str, headers: dict[str, str]) -> None:
        lines = [f"{method} {path} HTTP/1.1", "host: test", *(f"{key}: {value}" for key, value in headers.items())]
        self._writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        self.status = int(head[0].split()[1])
        self.headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in head[1:] if line)}

    async def send(self, content: bytes) -> None:
        """Send more bytes on the connection of the stream."""
        self._writer.write(content)
        await self._writer.drain()

    async def read_chunk(self) -> bool:
        """Read one more chunk. Return False at the end of the stream."""
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

    async def read_until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                assert await self.read_chunk(), "the stream ended too early"

    async def read_events(self, count: int) -> None:
        await self.read_until(lambda: len(self.events) >= count)

    async def read_to_the_end(self) -> None:
        async with asyncio.timeout(PATIENCE):
            while await self.read_chunk():
                pass

    async def text(self) -> str:
        """Read the body of an answer that is not a stream."""
        return (await self._reader.readexactly(int(self.headers["content-length"]))).decode()

    async def problem(self) -> dict[str, Any]:
        problem: dict[str, Any] = json.loads(await self.text())
        return problem

    def close(self) -> None:
        self._writer.transport.abort()


async def connect(host: str, port: int, receive_buffer: int | None = None) -> StreamClient:
    """Connect without a request. A small buffer makes a client that can be slow."""
    sock = socket.socket()
    if receive_buffer is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.settimeout(0)
    try:
        await asyncio.get_running_loop().sock_connect(sock, (host, port))
    except BaseException:
        sock.close()
        raise
    return await client_on(sock, receive_buffer)


async def client_on(sock: socket.socket, receive_buffer: int | None = None) -> StreamClient:
    """Return a client on a connected socket."""
    # A small limit for slow clients. Otherwise asyncio would read ahead into its own buffer.
    return StreamClient(*await asyncio.open_connection(sock=sock, limit=256 * 1024 if receive_buffer is None else 2048))


class StreamServer:
    """A server with a hub. It opens client connections for the test."""

    def __init__(self, hub: Hub, port: int, uvicorn_server: uvicorn.Server, stack: AsyncExitStack) -> None:
        self.hub = hub
        self.port = port
        self.uvicorn_server = uvicorn_server
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
        """Open a stream and read the response's head, but nothing of its body."""
        client = await connect("127.0.0.1", self.port, receive_buffer)
        self._stack.callback(client.close)
        headers = {"x-doctor": "" if doctor is None else str(doctor), "x-session": session}
        headers |= {} if last_id is None else {"last-event-id": last_id}
        headers |= {} if ends_in is None else {"x-ends-in": str(ends_in)}
        await client.ask(method, "/api/events" + ("" if channels is None else f"?channels={channels}"), headers)
        return client

    async def live_client(self, doctor: int | None = 7, **options: Any) -> StreamClient:
        """Open a stream, read its `ready`, and wait until it is live."""
        before = self.hub.subscribers
        client = await self.client(doctor, **options)
        await client.read_until(lambda: client.received)
        await wait_until_async(lambda: self.hub.subscribers > before and self.hub.behind == 0, "a live subscriber")
        return client


async def caller_by_header(request: Request) -> Caller:
    """Return the caller that the test names in headers. Real sessions are tested elsewhere."""
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
    """Run a stream server on a free port."""
    changes = hints_of(database)
    listening = socket.socket()
    # Otherwise the kernel buffers megabytes for a client that does not read.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)
    listening.bind(("127.0.0.1", 0))
    async with AsyncExitStack() as clients, run_hub(LogReader(database), changes, limits) as hub:
        app = Starlette(routes=[Route("/api/events", EventStream(caller_by_header, hub))])
        # The same protocol class as in production, because direct writes bypass ASGI.
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                http=protocol_with(OpenConnections()),
                log_config=None,
                lifespan="off",
                timeout_graceful_shutdown=5,
            )
        )
        task = asyncio.create_task(server.serve([listening]))
        await wait_until_async(lambda: server.started and hub.started, "the server")
        try:
            yield StreamServer(hub, listening.getsockname()[1], server, clients)
        finally:
            await clients.aclose()
            await hub.drain()
            server.should_exit = True
            await task
            changes.close()


def positions_of(log: Sequence[tuple[int, str, int]], *channels: str) -> list[int]:
    """Return the positions that a subscriber of these channels must receive."""
    return [seq for seq, channel, _ in log if channel in channels]

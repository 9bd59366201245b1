"""Connections that send bytes as the test writes them, and servers with small limits that such connections reach."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from patient_visit_engine.api.server import listen, protocol_with
from patient_visit_engine.api.serving.open_connections import OpenConnections
from tests.support.waiting import wait_until_async

PATIENCE = 30.0
HOST = "Host: visits.example"


def get(path: str = "/", *headers: str) -> bytes:
    """A complete GET request."""
    return "\r\n".join([f"GET {path} HTTP/1.1", HOST, *headers, "", ""]).encode()


@dataclass
class Response:
    """One response, with header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> dict[str, Any]:
        assert self.headers["content-type"] == "application/problem+json"
        problem: dict[str, Any] = json.loads(self.body)
        return problem


class RawConnection:
    """One connection of a client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, content: bytes) -> None:
        async with asyncio.timeout(PATIENCE):
            self.writer.write(content)
            await self.writer.drain()

    async def response(self) -> Response:
        """Read one response, with a Content-Length."""
        async with asyncio.timeout(PATIENCE):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
            body = await self.reader.readexactly(int(headers["content-length"]))
        return Response(int(head[0].split()[1]), headers, body)

    async def answer(self, content: bytes) -> Response:
        await self.send(content)
        return await self.response()

    async def rest(self) -> bytes:
        """Everything until the server closes the connection. A reset counts as a close."""
        received = b""
        async with asyncio.timeout(PATIENCE):
            try:
                while portion := await self.reader.read(65536):
                    received += portion
            except ConnectionError:
                pass
        return received

    def close(self) -> None:
        self.writer.transport.abort()


@dataclass
class EchoApp:
    """Answers with the body, and keeps the requests. It waits while `gate` is closed."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)
    paths: list[str] = field(default_factory=list)
    headers: list[list[tuple[bytes, bytes]]] = field(default_factory=list)
    disconnects: int = 0

    def __post_init__(self) -> None:
        self.gate.set()

    def clear(self) -> None:
        """Forget all requests."""
        self.paths.clear()
        self.headers.clear()
        self.disconnects = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.paths.append(scope["path"])
        body, more_body = b"", True
        while more_body:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.disconnects += 1
                return
            body, more_body = body + message["body"], message.get("more_body", False)
        self.headers.append(list(scope["headers"]))
        await self.gate.wait()
        content = b"x" * int(scope["path"][6:]) if scope["path"].startswith("/size/") else body
        length = str(len(content)).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
        await send({"type": "http.response.body", "body": content})


class LimitedServer:
    """A server with its limits, and the connections that a test opens to it."""

    def __init__(self, port: int, app: EchoApp, connections: OpenConnections, stack: AsyncExitStack) -> None:
        self.port = port
        self.app = app
        self.connections = connections
        self._stack = stack

    async def connect(self) -> RawConnection:
        connection = RawConnection(*await asyncio.open_connection("127.0.0.1", self.port))
        self._stack.callback(connection.close)
        return connection


@asynccontextmanager
async def limited_server(connections: OpenConnections, app: EchoApp | None = None) -> AsyncIterator[LimitedServer]:
    """Run a server with these limits on a free port."""
    app = app or EchoApp()
    listening = listen("127.0.0.1", 0)
    asgi_app: ASGIApp = app
    config = uvicorn.Config(
        asgi_app,
        http=protocol_with(connections),
        log_config=None,
        lifespan="off",
        ws="none",
        timeout_keep_alive=1,
        timeout_graceful_shutdown=5,
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve([listening]))
    port = listening.getsockname()[1]
    await wait_until_async(lambda: server.started, "the server")
    async with AsyncExitStack() as stack:
        try:
            yield LimitedServer(port, app, connections, stack)
        finally:
            await stack.aclose()
            server.should_exit = True
            await task

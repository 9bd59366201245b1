"""A server with small limits, and an application that shows what reaches it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from patient_visit_engine.api.server import listen, protocol_with
from patient_visit_engine.api.serving.limits import ConnectionLimits
from patient_visit_engine.api.serving.open_connections import OpenConnections
from patient_visit_engine.api.stream.endpoint import CONNECTION
from tests.support.raw_http import HOST, RawConnection
from tests.support.waiting import wait_until_async

#: Long enough for a busy machine, so that only the phase that a test is about can end.
LONG = 60.0
SHORT = 0.3
POST = f"POST /echo HTTP/1.1\r\n{HOST}\r\n"
CHUNKED = f"{POST}Transfer-Encoding: chunked\r\n\r\n".encode()


def small_limits(**changed: float) -> ConnectionLimits:
    """Small sizes and long times, except those that the test changes."""
    sizes = {"max_head": 2_000, "max_url": 500, "max_headers": 20, "max_sent_body": 3_000, "max_pipelined": 3}
    times = {"first_byte": LONG, "head": LONG, "body": LONG, "answer": LONG, "linger": LONG, "excess_after": 0.1}
    all_limits: dict[str, float] = {"piece": 1_000, "check_interval": 0.05, **sizes, **times, **changed}
    return ConnectionLimits(**all_limits)  # type: ignore[arg-type]


@dataclass
class EchoApp:
    """Answers with the body, and keeps the requests. It waits while `gate` is closed. `/stream` is an event stream until then."""

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
        body, more_body = b"", scope["path"] != "/unread"
        while more_body:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.disconnects += 1
                return
            body, more_body = body + message["body"], message.get("more_body", False)
        self.headers.append(list(scope["headers"]))
        if scope["path"] == "/stream":
            scope["state"][CONNECTION].mark_as_stream()
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

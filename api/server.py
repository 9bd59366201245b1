"""uvicorn as this system runs it: its sockets, and what it does first when it is told to stop; it must not know what is served."""

import asyncio
import gc
import signal
import socket
from types import FrameType
from typing import ClassVar

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from patient_visit_engine.api.dependencies import Readiness
from patient_visit_engine.api.stream.endpoint import CONNECTION, GIVEN_UP
from patient_visit_engine.live.hub import Hub

#: Seconds that requests under way are given on a stop. Streams need none of it: they are ended first.
GRACE = 15
BACKLOG = 2048
#: Bytes that the kernel keeps for a reader that does not read: more would hide for minutes how far behind it is.
SEND_BUFFER = 96 * 1024
#: Milliseconds after which the kernel gives up a connection whose other end acknowledges nothing, or has room for nothing.
GIVE_UP_AFTER = 30_000


class StreamProtocol(HttpToolsProtocol):
    """Gives the stream what ASGI has no word for: a write without a coroutine, an end without a wait, and who was given up."""

    #: The last part that was written, and the same as a chunk: one event goes to thousands of connections one after the other.
    framed: ClassVar[tuple[bytes, bytes]] = (b"", b"")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["state"][CONNECTION] = self

    def offer(self, content: bytes) -> bool:
        """Write a part of the response under way, unless that has to wait or is for `send` to do: then False."""
        cycle = self.cycle
        if self.flow.write_paused or cycle.disconnected or not cycle.chunked_encoding:
            return False
        framed = StreamProtocol.framed
        if framed[0] is not content:
            framed = StreamProtocol.framed = content, b"%x\r\n%b\r\n" % (len(content), content)
        self.transport.write(framed[1])
        return True

    def abort(self) -> None:
        """Close now, whatever is still to be sent."""
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.scope is not None:
            # The two hold each other: without this, only a collection of garbage would free them.
            self.scope["state"].pop(CONNECTION, None)
            if isinstance(exc, TimeoutError):
                # ETIMEDOUT is no reset and no end: nobody is there, or nobody reads.
                self.scope["state"][GIVEN_UP] = True
        super().connection_lost(exc)


class DrainingServer(uvicorn.Server):
    """Ends the streams as soon as it is told to stop: uvicorn would wait for them, and they do not end by themselves."""

    def __init__(self, app: ASGIApp, readiness: Readiness, hub: Hub | None) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=StreamProtocol,
                access_log=False,
                log_config=None,
                server_header=False,
                lifespan="off",
                ws="none",
                timeout_graceful_shutdown=GRACE,
            )
        )
        self._readiness = readiness
        self._hub = hub
        self._draining: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        leave_out_of_collections()
        await super().serve(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._readiness.draining = True
        if self._loop is not None:
            # A signal's handler runs between any two steps of the loop: what touches the hub has to wait for its turn.
            self._loop.call_soon_threadsafe(self._drain)
        # Not left to uvicorn, which raises the signal once more when all is done: an orderly end is no failure.
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True

    def _drain(self) -> None:
        if self._hub is not None and self._draining is None:
            self._draining = asyncio.get_running_loop().create_task(self._hub.drain())


def leave_out_of_collections() -> None:
    """Have the garbage collector pass over all that there is now, which is the program itself and stays.

    A full collection stops every stream. With 5,000 of them it took 212 ms, and takes 128 without the program's own 168,000
    objects; while as many come back at once, half. It is not turned off: a stream that is over leaves nothing that only a
    collection would free, but the libraries that answer requests promise nothing of the kind. What they leave is bounded as
    ever, since Python collects in full when what is new comes to a quarter of what it last kept.
    """
    gc.collect()
    gc.freeze()


def listen(host: str, port: int) -> socket.socket:
    """A listening socket whose connections cannot hide a reader that is slow or gone. Raises OSError when the port is taken."""
    family, kind, protocol, _name, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listening = socket.socket(family, kind, protocol)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, GIVE_UP_AFTER)
    listening.bind(address)
    listening.listen(BACKLOG)
    listening.settimeout(0)
    return listening

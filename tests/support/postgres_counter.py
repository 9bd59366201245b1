"""A proxy in front of PostgreSQL. It counts the statements and the round trips in the bytes of the connections.

An engine's own events would hide what the driver sends by itself: BEGIN, COMMIT, pings and empty statements.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field

#: A client asks for TLS with this code in a message without a type. The proxy refuses, because it must read the messages.
SSL_REQUEST = (80_877_103).to_bytes(4, "big")
NO_TLS = b"N"
#: The length of a message and the type before it.
LENGTH_BYTES, HEADER_BYTES = 4, 5
PORTION_BYTES = 65_536


@dataclass
class SentMessages:
    """What all connections have sent: the text of each statement, and the messages after which a client waits for an answer."""

    statements: list[str] = field(default_factory=list)
    round_trips: int = 0


class _ClientMessages:
    """Reads the messages of one connection, in the order of PostgreSQL's extended protocol."""

    def __init__(self, sent: SentMessages) -> None:
        self._sent = sent
        self._unread = b""
        self._prepared: dict[bytes, str] = {}
        self._portals: dict[bytes, str] = {}

    def add(self, portion: bytes) -> None:
        """Count the messages that are complete with this portion."""
        self._unread += portion
        while len(self._unread) >= HEADER_BYTES:
            length = 1 + int.from_bytes(self._unread[1:HEADER_BYTES], "big")
            if len(self._unread) < length:
                return
            kind, content = self._unread[:1], self._unread[HEADER_BYTES:length]
            self._unread = self._unread[length:]
            self._count(kind, content)

    def _count(self, kind: bytes, content: bytes) -> None:
        match kind:
            case b"Q":
                self._sent.statements.append(_text(content.partition(b"\0")[0]))
                self._sent.round_trips += 1
            case b"P":
                name, text = content.split(b"\0")[:2]
                self._prepared[name] = _text(text)
            case b"B":
                portal, name = content.split(b"\0")[:2]
                self._portals[portal] = self._prepared[name]
            case b"E":
                self._sent.statements.append(self._portals[content.partition(b"\0")[0]])
            case b"S" | b"H":
                self._sent.round_trips += 1
            case _:
                # Describe, Close, Terminate and the password: no statement, and no round trip alone.
                pass


def _text(statement: bytes) -> str:
    return " ".join(statement.decode().split())


class PostgresCounter:
    """The proxy. `sent` counts all its connections."""

    def __init__(self, host: str, port: int) -> None:
        self._server_address = host, port
        self._server: asyncio.Server | None = None
        self._clients: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}
        self.sent = SentMessages()

    async def start(self) -> int:
        """Listen on a free port, and return its number."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def close(self) -> None:
        """Close all connections."""
        if self._server is not None:
            self._server.close()
        tasks = list(self._clients.values())
        for client in self._clients:
            client.transport.abort()
        await asyncio.gather(*tasks)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients[writer] = task
        upstream: asyncio.StreamWriter | None = None
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            try:
                startup = await _read_startup(reader, writer)
                answers, upstream = await asyncio.open_connection(*self._server_address)
                upstream.write(startup)
                await self._forward(reader, writer, answers, upstream)
            finally:
                for end in filter(None, (writer, upstream)):
                    end.transport.abort()
                del self._clients[writer]

    async def _forward(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        answers: asyncio.StreamReader,
        upstream: asyncio.StreamWriter,
    ) -> None:
        messages = _ClientMessages(self.sent)
        # A statement is counted before it is sent, so it is counted when its effect is visible.
        requests = asyncio.create_task(_copy(reader, upstream, messages.add))
        copies = {requests, asyncio.create_task(_copy(answers, writer))}
        try:
            await asyncio.wait(copies, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for copy in copies:
                copy.cancel()
            await asyncio.gather(*copies, return_exceptions=True)


async def _read_startup(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """The first message, which has no type. Refuses TLS."""
    while True:
        length = await reader.readexactly(LENGTH_BYTES)
        content = await reader.readexactly(int.from_bytes(length, "big") - LENGTH_BYTES)
        if content != SSL_REQUEST:
            return length + content
        writer.write(NO_TLS)


async def _copy(
    source: asyncio.StreamReader, to: asyncio.StreamWriter, count: Callable[[bytes], None] = lambda _portion: None
) -> None:
    while portion := await source.read(PORTION_BYTES):
        count(portion)
        to.write(portion)

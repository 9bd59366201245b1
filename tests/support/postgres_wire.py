"""A TCP relay in front of PostgreSQL. It counts what a client sends, by reading PostgreSQL's protocol, and it can cut connections."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from patient_visit_engine.storage.database import Database

#: The code of the first message of a client that asks for TLS. Its startup message follows the answer.
TLS_REQUEST = (80877103).to_bytes(4, "big")
QUERY, PARSE, BIND, EXECUTE, SYNC = b"Q", b"P", b"B", b"E", b"S"


@dataclass
class _WireConnection:
    """One connection of a client. `texts` has the prepared statements by name, `portals` the bound ones."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    texts: dict[bytes, str] = field(default_factory=dict)
    portals: dict[bytes, str] = field(default_factory=dict)
    #: The next bytes of the server are lost with the connection.
    loses_answer: bool = False

    def abort(self) -> None:
        self.client.transport.abort()
        self.server.transport.abort()


class PostgresWire:
    """The relay. `statements` are the texts of all executed statements, BEGIN and COMMIT too, `round_trips` their round trips."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], _WireConnection] = {}
        self._cut_text: str | None = None
        self._loses_answer = False
        self.statements: list[str] = []
        self.round_trips = 0
        self.opened = 0

    async def start(self) -> int:
        """Accept connections, and return the port."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def reset(self) -> None:
        """Count from zero."""
        self.statements.clear()
        self.round_trips = 0

    def cut(self) -> None:
        """Break every connection. The client notices this at its next statement, or before."""
        for connection in self._connections.values():
            connection.abort()

    def cut_at(self, text: str, *, loses_answer: bool = False) -> None:
        """Break the next connection that sends a statement with this text, before or (`loses_answer`) after the server has run it."""
        self._cut_text, self._loses_answer = text, loses_answer

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.opened += 1
        try:
            from_server, to_server = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        connection = self._connections[task] = _WireConnection(writer, to_server)
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                await asyncio.gather(
                    self._copy_from_client(reader, connection), self._copy_from_server(from_server, connection)
                )
        finally:
            connection.abort()
            del self._connections[task]

    async def _copy_from_server(self, source: asyncio.StreamReader, connection: _WireConnection) -> None:
        while portion := await source.read(65_536):
            if connection.loses_answer:
                connection.abort()
            connection.client.write(portion)
            await connection.client.drain()
        connection.client.close()

    async def _copy_from_client(self, source: asyncio.StreamReader, connection: _WireConnection) -> None:
        is_started = False
        while not is_started:
            head = await source.readexactly(4)
            body = await source.readexactly(int.from_bytes(head, "big") - 4)
            is_started = body[:4] != TLS_REQUEST
            connection.server.write(head + body)
        while True:
            head = await source.readexactly(5)
            body = await source.readexactly(int.from_bytes(head[1:], "big") - 4)
            text = _executed_text(head[:1], body, connection)
            if text is not None:
                self.statements.append(text)
            self.round_trips += head[:1] in (QUERY, SYNC)
            if text is not None and self._cut_text is not None and self._cut_text in text:
                self._cut_text = None
                if not self._loses_answer:
                    connection.abort()
                connection.loses_answer = True
            connection.server.write(head + body)
            await connection.server.drain()


def _executed_text(kind: bytes, body: bytes, connection: _WireConnection) -> str | None:
    """The text of the statement that this message executes. None for all other messages."""
    if kind == QUERY:
        return body[:-1].decode()
    if kind == PARSE:
        name, text, _ = body.split(b"\0", 2)
        connection.texts[name] = text.decode()
    elif kind == BIND:
        portal, name, _ = body.split(b"\0", 2)
        connection.portals[portal] = connection.texts[name]
    elif kind == EXECUTE:
        return connection.portals[body.split(b"\0", 1)[0]]
    return None


@asynccontextmanager
async def wired(database: Database) -> AsyncIterator[tuple[PostgresWire, Database]]:
    """A relay, and the database as a client of the relay sees it."""
    assert database.url.host is not None
    assert database.url.port is not None
    wire = PostgresWire(database.url.host, database.url.port)
    url = database.url.set(host="127.0.0.1", port=await wire.start())
    through = Database(url.render_as_string(hide_password=False))
    try:
        yield wire, through
    finally:
        await through.close()
        await wire.stop()

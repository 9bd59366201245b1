"""One keep-alive HTTP/1.1 connection with next to no cost of its own; it must not know what is asked, nor judge the answer."""

import asyncio
import json
import re
from time import perf_counter
from typing import Any, cast

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
HEAD_END = b"\r\n\r\n"
#: Seconds that an answer may take; far beyond what is measured.
PATIENCE = 30.0
#: uvicorn ends a connection that was idle for five.
IDLE_SECONDS = 3.0


class Answer:
    """A status, a JSON body and the seconds from the first byte sent to the last one received."""

    __slots__ = ("body", "seconds", "status")

    def __init__(self, status: int, body: bytes, seconds: float) -> None:
        self.status = status
        self.body = body
        self.seconds = seconds

    def json(self) -> Any:
        return json.loads(self.body)


class Connection(asyncio.Protocol):
    """Sends one request at a time and waits for its answer; `headers` go with each of them."""

    def __init__(self, host: str, headers: dict[str, str]) -> None:
        lines = {"Host": host, "Content-Type": "application/json"} | headers
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in lines.items()).encode()
        self._received = bytearray()
        self._waiting: asyncio.Future[tuple[int, bytes]] | None = None
        self._transport: asyncio.Transport | None = None
        self._last_used = perf_counter()

    @property
    def is_stale(self) -> bool:
        """Whether the server may have hung up, as servers do after some seconds without a request."""
        return perf_counter() - self._last_used > IDLE_SECONDS

    async def ask(self, method: str, path: str, body: object = None, key: str | None = None) -> Answer:
        """Send a request, with its Idempotency-Key if it has one. Raises ConnectionError when the server hangs up."""
        assert self._transport is not None
        assert self._waiting is None
        content = b"" if body is None else json.dumps(body).encode()
        keyed = b"" if key is None else b"Idempotency-Key: %b\r\n" % key.encode()
        head = b"%b %b HTTP/1.1\r\n%b%bContent-Length: %d\r\n\r\n"
        message = head % (method.encode(), path.encode(), self._headers, keyed, len(content)) + content
        self._waiting = asyncio.get_running_loop().create_future()
        began = perf_counter()
        self._transport.write(message)
        try:
            async with asyncio.timeout(PATIENCE):
                status, answer = await self._waiting
        finally:
            self._waiting = None
            self._last_used = perf_counter()
        return Answer(status, answer, self._last_used - began)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are asyncio's by their methods, not by their class.
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(ConnectionError("the server closed the connection"))

    def data_received(self, data: bytes) -> None:
        self._received += data
        head = self._received.find(HEAD_END)
        if head < 0 or self._waiting is None or self._waiting.done():
            return
        length = LENGTH.search(self._received, 0, head + 2)
        if length is None:
            self._waiting.set_exception(ConnectionError("an answer without a length"))
            return
        end = head + len(HEAD_END) + int(length[1])
        if len(self._received) >= end:
            self._waiting.set_result((int(self._received[9:12]), bytes(self._received[head + len(HEAD_END) : end])))
            del self._received[:end]


async def connect(port: int, headers: dict[str, str]) -> Connection:
    """A connection to a server on this machine."""
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(lambda: Connection(f"127.0.0.1:{port}", headers), "127.0.0.1", port)
    return connection

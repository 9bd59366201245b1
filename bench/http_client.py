"""A keep-alive HTTP/1.1 connection that costs little itself, so that the measurements show the server."""

import asyncio
import json
import re
from time import perf_counter
from typing import Any, cast

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
HEAD_END = b"\r\n\r\n"
#: Seconds to wait for a response. No measured call comes near this.
RESPONSE_TIMEOUT = 30.0
#: uvicorn closes a connection after five idle seconds.
IDLE_SECONDS = 3.0


class Response:
    """A status, a body, and the seconds from the first byte sent to the last byte received."""

    __slots__ = ("body", "seconds", "status")

    def __init__(self, status: int, body: bytes, seconds: float) -> None:
        self.status = status
        self.body = body
        self.seconds = seconds

    def json(self) -> Any:
        return json.loads(self.body)


class HttpConnection(asyncio.Protocol):
    """Sends one request at a time and waits for its response. Each request carries `headers`."""

    def __init__(self, host: str, headers: dict[str, str]) -> None:
        lines = {"Host": host, "Content-Type": "application/json"} | headers
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in lines.items()).encode()
        self._received = bytearray()
        self._pending: asyncio.Future[tuple[int, bytes]] | None = None
        self._transport: asyncio.Transport | None = None
        self._last_used = perf_counter()

    @property
    def is_stale(self) -> bool:
        """Whether the server may have closed the connection because it was idle."""
        return perf_counter() - self._last_used > IDLE_SECONDS

    async def request(self, method: str, path: str, body: object = None, key: str | None = None) -> Response:
        """Send a request, with `key` as its Idempotency-Key. Raises ConnectionError when the server hangs up."""
        assert self._transport is not None
        assert self._pending is None
        content = b"" if body is None else json.dumps(body).encode()
        key_header = b"" if key is None else b"Idempotency-Key: %b\r\n" % key.encode()
        head = b"%b %b HTTP/1.1\r\n%b%bContent-Length: %d\r\n\r\n"
        message = head % (method.encode(), path.encode(), self._headers, key_header, len(content)) + content
        self._pending = asyncio.get_running_loop().create_future()
        start = perf_counter()
        self._transport.write(message)
        try:
            async with asyncio.timeout(RESPONSE_TIMEOUT):
                status, response_body = await self._pending
        finally:
            self._pending = None
            self._last_used = perf_counter()
        return Response(status, response_body, self._last_used - start)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods of asyncio.Transport, but another class.
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._pending is not None and not self._pending.done():
            self._pending.set_exception(ConnectionError("the server closed the connection"))

    def data_received(self, data: bytes) -> None:
        self._received += data
        head_end = self._received.find(HEAD_END)
        if head_end < 0 or self._pending is None or self._pending.done():
            return
        length = LENGTH.search(self._received, 0, head_end + 2)
        if length is None:
            self._pending.set_exception(ConnectionError("the response has no Content-Length"))
            return
        body_start = head_end + len(HEAD_END)
        body_end = body_start + int(length[1])
        if len(self._received) >= body_end:
            self._pending.set_result((int(self._received[9:12]), bytes(self._received[body_start:body_end])))
            del self._received[:body_end]


async def connect(port: int, headers: dict[str, str]) -> HttpConnection:
    """Open a connection to a server on this machine."""
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(
        lambda: HttpConnection(f"127.0.0.1:{port}", headers), "127.0.0.1", port
    )
    return connection

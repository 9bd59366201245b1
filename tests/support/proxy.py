"""A proxy between browser and API. It serves a test page, and it can fail as proxies and networks do."""

import asyncio
from pathlib import Path

from tests.support.relay import PORTION, Relay, run_until_one_ends

CLIENT = Path(__file__).parent.parent.parent / "web" / "stream" / "dist"
PAGE = """<!doctype html><meta charset="utf-8"><title>harness</title><script type="module">
import { VisitStream } from "/client/index.js";
globalThis.follow = options => {
    globalThis.received = [];
    globalThis.resets = [];
    globalThis.states = [];
    const stream = new VisitStream(options);
    stream.onAny(event => received.push(event.data.number));
    stream.onReset(() => resets.push(1));
    stream.onState(state => states.push(state.name));
    globalThis.stream = stream;
};
globalThis.loaded = true;
</script>"""
FAULTS = {
    "502": (502, "Bad Gateway", "text/html", "<h1>502 Bad Gateway</h1>"),
    "html": (200, "OK", "text/html", "<h1>We will be back soon</h1>"),
}


class _ProxiedRequest:
    """One request of the browser."""

    def __init__(self, path: str, writer: asyncio.StreamWriter) -> None:
        self.path = path
        self.writer = writer
        self.upstream: asyncio.StreamWriter | None = None
        #: Bytes are dropped silently in both directions.
        self.lost = False


class Proxy(Relay):
    """`mode` is `open`, `502`, `html` (status 200 with an HTML page) or `lost` (packets are dropped)."""

    def __init__(self, api_port: int, *, own_page: bool = True) -> None:
        super().__init__()
        self.api_port = api_port
        #: Whether the proxy serves its own test page. Otherwise the API serves every path.
        self.own_page = own_page
        self.mode = "open"
        self.opened = 0
        self._requests: set[_ProxiedRequest] = set()

    @property
    def streams(self) -> int:
        """The number of open event streams that are not lost."""
        return sum(request.path.startswith("/api/events") and not request.lost for request in self._requests)

    def cut(self) -> None:
        """Break every connection."""
        for request in list(self._requests):
            request.writer.transport.abort()
            if request.upstream is not None:
                request.upstream.transport.abort()

    def lose(self) -> None:
        """Drop packets from now on. Connections that are open now never recover."""
        self.mode = "lost"
        for request in self._requests:
            request.lost = True

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        method, path, _ = head.split(" ", 2)
        if self.own_page and not path.startswith("/api"):
            await self._page(path, writer)
            return
        if self.mode == "lost":
            await asyncio.Event().wait()
        if self.mode in FAULTS:
            await _answer(writer, *FAULTS[self.mode], head=method == "HEAD")
            return
        request = _ProxiedRequest(path if method == "GET" else "", writer)
        self._requests.add(request)
        try:
            await self._forward(request, head, reader)
        finally:
            self._requests.discard(request)
            if request.upstream is not None:
                request.upstream.close()

    async def _forward(self, request: _ProxiedRequest, head: str, reader: asyncio.StreamReader) -> None:
        try:
            upstream, request.upstream = await asyncio.open_connection("127.0.0.1", self.api_port)
        except OSError:
            await _answer(request.writer, *FAULTS["502"], head=head.startswith("HEAD"))
            return
        self.opened += request.path.startswith("/api/events")
        # One request per connection, so that the end of the answer is the end of the connection.
        lines = [line for line in head.split("\r\n")[:-2] if not line.lower().startswith("connection:")]
        request.upstream.write("\r\n".join([*lines, "connection: close", "", ""]).encode("latin-1"))
        await run_until_one_ends(
            self._copy(request, upstream, request.writer), self._copy(request, reader, request.upstream)
        )

    async def _copy(self, request: _ProxiedRequest, source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        while True:
            portion = await source.read(PORTION)
            if request.lost:
                await asyncio.Event().wait()
            if not portion:
                return
            to.write(portion)
            await to.drain()

    async def _page(self, path: str, writer: asyncio.StreamWriter) -> None:
        if path.startswith("/client/"):
            code = (CLIENT / path.rpartition("/")[2]).read_text()
            await _answer(writer, 200, "OK", "text/javascript", code)
        else:
            await _answer(writer, 200, "OK", "text/html", PAGE if path == "/" else "")


async def _answer(
    writer: asyncio.StreamWriter, status: int, phrase: str, kind: str, body: str, *, head: bool = False
) -> None:
    content = body.encode()
    lines = [f"HTTP/1.1 {status} {phrase}", f"content-type: {kind}", f"content-length: {len(content)}"]
    writer.write("\r\n".join([*lines, "cache-control: no-store", "connection: close", "", ""]).encode())
    if not head:
        writer.write(content)
    await writer.drain()

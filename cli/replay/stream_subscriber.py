"""Subscribers of the event stream that record the position of each event, for the check of its delivery."""

import asyncio
import contextlib
import json
from dataclasses import dataclass, field

import httpx

CONTROL_EVENTS = frozenset({"ready", "heartbeat", "reset"})
#: Seconds before a broken stream is opened again.
RECONNECT_SECONDS = 0.2


@dataclass
class StreamSubscriber:
    """Reads the event stream and records the position of each event in the order of arrival."""

    name: str
    token: str
    channels: tuple[str, ...]
    positions: list[int] = field(default_factory=list)
    #: The position at which the stream was first ready; -1 before that.
    start_position: int = -1
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    _last_id: str = ""
    _highest_position: int = -1
    _advanced: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait_for_position(self, position: int) -> None:
        """Wait until an event at this position, or a later one, has arrived."""
        while self._highest_position < position:
            self._advanced.clear()
            await self._advanced.wait()

    async def run(self, client: httpx.AsyncClient) -> None:
        """Read until cancelled. After a break the stream resumes where it ended."""
        while True:
            with contextlib.suppress(httpx.HTTPError):
                await self._read_stream(client)
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _read_stream(self, client: httpx.AsyncClient) -> None:
        headers = {"Authorization": f"Bearer {self.token}", "Accept": "text/event-stream"}
        if self._last_id:
            headers["Last-Event-ID"] = self._last_id
        query = {"channels": ",".join(self.channels)}
        timeout = httpx.Timeout(10.0, read=None)
        async with client.stream("GET", "/api/events", params=query, headers=headers, timeout=timeout) as stream:
            stream.raise_for_status()
            block: dict[str, str] = {}
            async for line in stream.aiter_lines():
                if line:
                    name, _, value = line.partition(":")
                    block[name] = value.removeprefix(" ")
                elif block:
                    self._receive(block)
                    block = {}

    def _receive(self, block: dict[str, str]) -> None:
        """Record one block of the stream. Control events are not events of the log, although they carry a cursor."""
        self._last_id = block.get("id", self._last_id)
        name = block.get("event", "")
        if name == "ready":
            if self.start_position < 0:
                self.start_position = position_of(json.loads(block["data"])["cursor"])
            self.ready.set()
        elif name and name not in CONTROL_EVENTS:
            self.positions.append(position_of(block["id"]))
            self._highest_position = max(self._highest_position, self.positions[-1])
            self._advanced.set()


def position_of(cursor: str) -> int:
    """The position in an event id `epoch-position`."""
    return int(cursor.rpartition("-")[2])

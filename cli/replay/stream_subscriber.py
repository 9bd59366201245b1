"""Subscribers of the event stream that check what they are promised: nothing missing, nothing twice, in order; it must not know visits."""

import asyncio
import contextlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

import httpx

CONTROL = frozenset({"ready", "heartbeat", "reset"})
#: Seconds before a stream that broke is opened again.
COME_BACK_AFTER = 0.2


@dataclass
class Listener:
    """One subscriber: the channels that it asked for, and every position that it was given, in the order of arrival."""

    name: str
    token: str
    channels: tuple[str, ...]
    positions: list[int] = field(default_factory=list)
    since: int = -1
    reconnects: int = 0
    resets: int = 0
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    _last_id: str = ""
    _furthest: int = -1
    _moved: asyncio.Event = field(default_factory=asyncio.Event)

    async def reach(self, position: int) -> None:
        """Wait until an event at this position, or behind it, has come."""
        while self._furthest < position:
            self._moved.clear()
            await self._moved.wait()

    async def listen(self, client: httpx.AsyncClient) -> None:
        """Read until cancelled; a stream that ends is resumed where it ended."""
        while True:
            with contextlib.suppress(httpx.HTTPError):
                await self._read(client)
            self.reconnects += 1
            await asyncio.sleep(COME_BACK_AFTER)

    async def _read(self, client: httpx.AsyncClient) -> None:
        headers = {"Authorization": f"Bearer {self.token}", "Accept": "text/event-stream"}
        if self._last_id:
            headers["Last-Event-ID"] = self._last_id
        query = {"channels": ",".join(self.channels)}
        waits = httpx.Timeout(10.0, read=None)
        async with client.stream("GET", "/api/events", params=query, headers=headers, timeout=waits) as stream:
            stream.raise_for_status()
            block: dict[str, str] = {}
            async for line in stream.aiter_lines():
                if line:
                    name, _, value = line.partition(":")
                    block[name] = value.removeprefix(" ")
                elif block:
                    self.take(block)
                    block = {}

    def take(self, block: dict[str, str]) -> None:
        """One block of the stream; the control events carry a cursor and are no events of the log."""
        self._last_id = block.get("id", self._last_id)
        name = block.get("event", "")
        if name == "ready":
            if self.since < 0:
                self.since = position_of(json.loads(block["data"])["cursor"])
            self.ready.set()
        elif name == "reset":
            self.resets += 1
        elif name and name not in CONTROL:
            self.positions.append(position_of(block["id"]))
            self._furthest = max(self._furthest, self.positions[-1])
            self._moved.set()


@dataclass(frozen=True)
class Heard:
    """What a listener was given, against what the log holds for its channels."""

    name: str
    expected: int
    received: int
    missing: int
    duplicate: int
    out_of_order: int
    strangers: int

    @property
    def is_as_promised(self) -> bool:
        return not (self.missing or self.duplicate or self.out_of_order or self.strangers)


def compare(name: str, positions: list[int], published: Iterable[int]) -> Heard:
    """`positions` in the order of arrival, against the positions of the log that the listener was to be given."""
    wanted, given = set(published), set(positions)
    falls = sum(1 for before, after in pairwise(positions) if after < before)
    return Heard(
        name=name,
        expected=len(wanted),
        received=len(positions),
        missing=len(wanted - given),
        duplicate=len(positions) - len(given),
        out_of_order=falls,
        strangers=len(given - wanted),
    )


def position_of(cursor: str) -> int:
    """The position in an event id, `epoch-position`."""
    return int(cursor.rpartition("-")[2])

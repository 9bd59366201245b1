"""Clients that behave like browsers: each reconnects to any API process and records the event ids that it has received."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from random import Random

from patient_visit_engine.live.cursor import read_cursor
from tests.support.api_processes import GONE, ApiProcesses
from tests.support.stream_server import StreamClient

CLIENTS = 50
DOCTORS = 10


@dataclass
class StreamScreen:
    """One client. It reconnects to any process with its last id, and drops events that it has seen."""

    subject: str
    doctor: int | None
    requested: str | None
    channels: frozenset[str]
    first_position: int | None = None
    last_id: str | None = None
    received: list[str] = field(default_factory=list)
    client: StreamClient | None = None
    connections: int = 0
    resets: int = 0
    #: The newest cursor of the present connection.
    newest: tuple[str, int] | None = None
    reading: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def position(self) -> int:
        cursor = read_cursor(self.last_id or "")
        return cursor[1] if cursor else 0

    async def run(self, api_processes: ApiProcesses, chance: Random) -> None:
        """Read forever, on one process after the other."""
        seen = set[str]()
        while True:
            with suppress(*GONE):
                api = chance.choice(api_processes.apis)
                self.client = await api_processes.open(
                    api, self.subject, self.doctor, channels=self.requested, last_id=self.last_id, receive_buffer=32_768
                )
                if self.client.status == 200:
                    self.connections += 1
                    await self._read(self.client, seen)
            if self.client is not None:
                self.client.close()
            # The process is not there, or not ready. Try again, sooner than a browser would.
            await asyncio.sleep(0.05)

    async def _read(self, client: StreamClient, seen: set[str]) -> None:
        self.newest = None
        while await client.read_chunk():
            for event in client.received:
                self.resets += event.name == "reset"
                if event.name == "ready" and self.first_position is None:
                    cursor = read_cursor(event.id)
                    assert cursor is not None
                    self.first_position = cursor[1]
            cursors = [cursor for event in client.events if (cursor := read_cursor(event.id))]
            # A browser would drop the duplicate, but a server that sends an event twice on one connection has a fault.
            assert len(cursors) == len(client.events)
            assert cursors == sorted(set(cursors)), "an event came twice or out of order on one connection"
            assert not cursors or self.newest is None or cursors[0] > self.newest, (
                "an event came twice on one connection"
            )
            self.newest = cursors[-1] if cursors else self.newest
            new_ids = [event.id for event in client.events if event.id not in seen]
            seen.update(new_ids)
            self.received += new_ids
            self.last_id = client.blocks.last_id or self.last_id
            client.received.clear()
            client.body = b""
            await self.reading.wait()

    def disconnect(self) -> None:
        if self.client is not None:
            self.client.close()


def create_screens() -> list[StreamScreen]:
    """Create doctors with all their channels, receptionists, and doctors with only their private channel."""
    screens = []
    for number in range(CLIENTS):
        doctor, kind = number % DOCTORS + 1, number // DOCTORS
        own = f"doctor.{doctor}"
        if kind < 3:
            screen = StreamScreen(f"doctor-{number}", doctor, None, frozenset({"consultations", own}))
        elif kind == 3:
            screen = StreamScreen(f"desk-{number}", None, None, frozenset({"consultations"}))
        else:
            screen = StreamScreen(f"private-{number}", doctor, own, frozenset({own}))
        screen.reading.set()
        screens.append(screen)
    return screens


@asynccontextmanager
async def run_screens(
    api_processes: ApiProcesses, screens: list[StreamScreen], chance: Random
) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Let all screens read while the context is open."""
    tasks = [asyncio.create_task(screen.run(api_processes, chance)) for screen in screens]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

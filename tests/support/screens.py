"""Readers as browsers are: each comes back wherever it can, and keeps the ids that it has had; it must not know what goes wrong."""

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
    """One reader as a browser is one: it comes back wherever it can with its last id, and drops what it has seen."""

    subject: str
    doctor: int | None
    asked: str | None
    channels: frozenset[str]
    begun_at: int | None = None
    last_id: str | None = None
    had: list[str] = field(default_factory=list)
    client: StreamClient | None = None
    connections: int = 0
    resets: int = 0
    #: The newest place that came over the present connection.
    newest: tuple[str, int] | None = None
    reading: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def position(self) -> int:
        found = read_cursor(self.last_id or "")
        return found[1] if found else 0

    async def live(self, hospital: ApiProcesses, chance: Random) -> None:
        """Read for ever, on one process after the other."""
        seen = set[str]()
        while True:
            with suppress(*GONE):
                api = chance.choice(hospital.apis)
                self.client = await hospital.open(
                    api, self.subject, self.doctor, channels=self.asked, last_id=self.last_id, receive_buffer=32_768
                )
                if self.client.status == 200:
                    self.connections += 1
                    await self._read(self.client, seen)
            if self.client is not None:
                self.client.close()
            # Nobody is there, or not yet: asked again, as a browser does, only sooner.
            await asyncio.sleep(0.05)

    async def _read(self, client: StreamClient, seen: set[str]) -> None:
        self.newest = None
        while await client.read_chunk():
            for one in client.told:
                self.resets += one.name == "reset"
                if one.name == "ready" and self.begun_at is None:
                    cursor = read_cursor(one.id)
                    assert cursor is not None
                    self.begun_at = cursor[1]
            places = [read_cursor(one.id) for one in client.events]
            # Dropped it would be, but a server that sends an event twice over one connection has a fault.
            assert places == sorted({place for place in places if place}), (
                "one connection, one event twice or out of order"
            )
            assert not places or self.newest is None or places[0] > self.newest, "one connection, one event twice"
            self.newest = places[-1] if places else self.newest
            fresh = [one.id for one in client.events if one.id not in seen]
            seen.update(fresh)
            self.had += fresh
            self.last_id = client.blocks.last_id or self.last_id
            client.told.clear()
            client.body = b""
            await self.reading.wait()

    def drop(self) -> None:
        if self.client is not None:
            self.client.close()


def the_screens() -> list[StreamScreen]:
    """Doctors with all that is theirs, reception, and doctors who asked for their private channel alone."""
    found = []
    for number in range(CLIENTS):
        doctor, kind = number % DOCTORS + 1, number // DOCTORS
        own = f"doctor.{doctor}"
        if kind < 3:
            screen = StreamScreen(f"doctor-{number}", doctor, None, frozenset({"consultations", own}))
        elif kind == 3:
            screen = StreamScreen(f"desk-{number}", None, None, frozenset({"consultations"}))
        else:
            screen = StreamScreen(f"alone-{number}", doctor, own, frozenset({own}))
        screen.reading.set()
        found.append(screen)
    return found


@asynccontextmanager
async def read_by(
    hospital: ApiProcesses, screens: list[StreamScreen], chance: Random
) -> AsyncIterator[list[asyncio.Task[None]]]:
    """All screens read for as long as this lasts."""
    tasks = [asyncio.create_task(screen.live(hospital, chance)) for screen in screens]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

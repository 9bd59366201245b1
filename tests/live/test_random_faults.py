"""Everything that can go wrong with the stream at once, by a script that a seed decides; what each reader has had must be its log."""

import asyncio
import os
import signal
from contextlib import suppress
from random import Random

import pytest
from sqlalchemy import Connection, text

from patient_visit_engine.live.cursor import read_cursor
from patient_visit_engine.storage.database import Database
from tests.support.api_processes import GONE, ApiProcesses, WriterProcess, eventually_true
from tests.support.screens import CLIENTS, DOCTORS, StreamScreen, read_by, the_screens

STEPS = 36
#: More than the 16 MiB that a process keeps at hand: who stands still through it, and should have had it, is cut off.
FLOOD = [60_000] * 300
LISTENERS = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
    " WHERE query LIKE 'LISTEN%' AND datname = current_database()"
)


class Storm:
    """The script: each step draws what goes wrong, while writers write."""

    def __init__(self, hospital: ApiProcesses, screens: list[StreamScreen], seed: int) -> None:
        self.hospital = hospital
        self.screens = screens
        self.chance = Random(seed)
        self.numbers = iter(range(1, 1_000_000))
        self.writers: list[WriterProcess] = []
        self.stalled: dict[int, list[StreamScreen]] = {}
        self.step = 0
        #: Readers that were cut off for having stood still, as far as anybody was there to count them.
        self.lagged = 0

    async def head(self) -> int:
        return await self.hospital.database.read(lambda c: c.scalar(text("SELECT seq FROM log_head")) or 0)

    async def grown_by(self, count: int) -> None:
        """Wait until so many more events are committed."""
        wanted = await self.head() + count

        async def reached() -> bool:
            return await self.head() >= wanted

        await eventually_true(reached, f"{count} more events")

    def events(self, count: int) -> list[tuple[str, int]]:
        channels = ["consultations", *(f"doctor.{doctor}" for doctor in range(1, DOCTORS + 1))]
        return [(self.chance.choice(channels), next(self.numbers)) for _ in range(count)]

    async def rage(self) -> None:
        self.writers = list(await asyncio.gather(*(self.hospital.writer() for _ in range(2))))
        faults = [
            self.kill_an_api,
            self.stop_an_api,
            self.stall,
            self.stall,
            self.drop,
            self.drop,
            self.kill_a_writer,
            self.regret,
        ]
        if not self.hospital.database.is_sqlite:
            faults.append(self.kill_the_listeners)
        floods = self.chance.sample(range(5, STEPS), 2)
        for self.step in range(STEPS):
            for screen in self.stalled.pop(self.step, []):
                screen.reading.set()
            await (self.flood if self.step in floods else self.chance.choice(faults))()
            self.start_some()
            await self.go_on()
            if self.step in floods:
                await self.note_the_lagged()

    def start_some(self) -> None:
        """A process that is down comes back now or at a later step; one of them is always there, or coming."""
        down = [api for api in self.hospital.apis if not api.running]
        for api in down:
            if self.chance.random() < 0.6 or len(down) == len(self.hospital.apis):
                api.start()

    async def go_on(self) -> None:
        """Wait until what is written now has reached half of the readers, whatever has just happened to them."""
        await self.chance.choice(self.writers).tell(
            "commit", *self.events(self.chance.randint(1, 20)), ("consultations", next(self.numbers))
        )
        head = await self.head()

        async def heard() -> bool:
            return sum(screen.position >= head for screen in self.screens) >= CLIENTS // 2

        await eventually_true(heard, f"readers to hear at step {self.step}")

    async def note_the_lagged(self) -> None:
        for api in self.hospital.apis:
            with suppress(*GONE):
                self.lagged += int(await api.count("visit_stream_dropped_total"))

    async def calm(self) -> None:
        """All is started again, and everybody reads."""
        for screen in self.screens:
            screen.reading.set()
        for api in self.hospital.apis:
            if not api.running:
                api.start()
            await api.ready()

    async def kill_an_api(self) -> None:
        self.chance.choice(self.hospital.apis).kill()

    async def stop_an_api(self) -> None:
        api = self.chance.choice(self.hospital.apis)
        if api.running:
            api.signal(signal.SIGTERM)
            # One that is told to stop while it is starting has nothing to end in order.
            assert await api.exited() in (0, -signal.SIGTERM)

    async def stall(self) -> None:
        self.stand_still(self.chance.choice(self.screens), self.chance.randint(1, 6))
        await self.writers[0].tell("commit", *self.events(10), text="x" * FLOOD[0])

    def stand_still(self, screen: StreamScreen, steps: int) -> None:
        screen.reading.clear()
        self.stalled.setdefault(self.step + steps, []).append(screen)

    async def drop(self) -> None:
        for screen in self.chance.sample(self.screens, 5):
            screen.drop()

    async def flood(self) -> None:
        """More on one doctor's own channel than a process keeps, while one of that doctor's readers stands still."""
        screen = self.chance.choice([one for one in self.screens if one.doctor is not None])
        self.stand_still(screen, 2)
        await self.writers[0].tell(
            "commit", *((f"doctor.{screen.doctor}", next(self.numbers)) for _ in FLOOD), text="x" * FLOOD[0]
        )

    async def kill_a_writer(self) -> None:
        """In the middle: of a transaction, or of one event after the other."""
        victim = self.writers.pop(self.chance.randrange(2))
        if self.chance.random() < 0.5:
            await victim.tell("halt inside", *self.events(3))
        else:
            await victim.begin("on and on", *self.events(500))
            await self.grown_by(self.chance.randint(1, 15))
        await victim.kill()
        self.writers.append(await self.hospital.writer())

    async def regret(self) -> None:
        await self.chance.choice(self.writers).tell("roll back", *self.events(3))

    async def kill_the_listeners(self) -> None:
        await self.hospital.database.write(lambda c: c.scalar(text(LISTENERS)))


async def the_log(database: Database) -> tuple[str, list[tuple[int, str]]]:
    """Its epoch, and place and channel of each event."""

    def read(connection: Connection) -> tuple[str, list[tuple[int, str]]]:
        epoch = connection.execute(text("SELECT epoch FROM log_head")).scalar_one()
        return epoch, [tuple(row) for row in connection.execute(text("SELECT seq, channel FROM events ORDER BY seq"))]

    return await database.read(read)


def place(cursor: str) -> int:
    found = read_cursor(cursor)
    return found[1] if found else 0


@pytest.mark.parametrize("seed", [7, 2026])
async def test_whatever_dies_stalls_or_is_cut_each_reader_has_the_log_that_its_rights_allow(
    hospital: ApiProcesses, seed: int
) -> None:
    seed = int(os.environ.get("VISIT_TEST_SEED", seed))
    print(f"VISIT_TEST_SEED={seed} does this again")
    await asyncio.gather(hospital.start(), hospital.start())
    screens = the_screens()
    storm = Storm(hospital, screens, seed)

    # Chance of their own: readers draw in an order that is not the script's.
    async with read_by(hospital, screens, Random(seed + 1)) as reading:

        async def all_have_begun() -> bool:
            return all(screen.begun_at is not None for screen in screens)

        await eventually_true(all_have_begun, "everybody's first stream")
        await storm.rage()
        await storm.calm()
        epoch, log = await the_log(hospital.database)
        wanted = {
            screen.subject: [
                f"{epoch}-{seq}" for seq, channel in log if seq > (screen.begun_at or 0) and channel in screen.channels
            ]
            for screen in screens
        }

        async def all_have_caught_up() -> bool:
            for task in reading:
                assert not task.done(), task.exception()
            # At or past its last: what it should not have had is found below, and not waited for.
            return all(
                len(screen.had) and place(screen.had[-1]) >= place(wanted[screen.subject][-1]) for screen in screens
            )

        await eventually_true(all_have_caught_up, "everybody to catch up")

    print(f"{len(log)} events, {sum(screen.connections for screen in screens)} connections, {storm.lagged} lagged")
    assert {screen.subject: screen.had for screen in screens} == wanted
    assert sum(screen.resets for screen in screens) == 0

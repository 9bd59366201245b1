"""Bringing one reader to the window's position, from the ring or the log; it must not know which readers are live.

Replay and live are one path: a reader is placed at a cursor, has what lies behind it written to it in order, and is level when
its cursor is the window's position. That is compared, and acted on, without a wait in between, so no event can fall into it.
"""

import asyncio
from collections.abc import Sequence

from patient_visit_engine.live.counters import StreamCounters
from patient_visit_engine.live.cursor import read_cursor, write_cursor
from patient_visit_engine.live.frames import Frame, encode, frame, joined
from patient_visit_engine.live.limits import StreamLimits
from patient_visit_engine.live.log import Log
from patient_visit_engine.live.subscriber import Subscriber, body
from patient_visit_engine.live.window import Window


class CatchUp:
    """Writes to one reader at a time, in that reader's own task; each write waits until the connection takes it."""

    def __init__(self, log: Log, window: Window, limits: StreamLimits, counters: StreamCounters) -> None:
        self._log = log
        self._window = window
        self._limits = limits
        self._counters = counters
        self._pages = asyncio.Semaphore(limits.pages_at_once)

    async def open(self, reader: Subscriber, last_id: str | None) -> None:
        """Place the reader at its cursor and tell it whether the stream goes on exactly from there."""
        placed = await self._place(reader, last_id)
        ready = f'{{"resume":"{"exact" if placed else "reset"}","cursor":"{self._cursor(reader)}"}}'
        # Without an id when the past is lost: a client cut off between the two blocks must not resume as if it were not.
        opening = encode(ready, name="ready", cursor=self._cursor(reader) if placed else None, retry=self._limits.retry)
        await self.write(reader, opening if placed else opening + self._reset(reader))

    async def _place(self, reader: Subscriber, last_id: str | None) -> bool:
        window = self._window
        reader.cursor = window.position
        if last_id is None:
            return True
        at = read_cursor(last_id)
        if at is None or at[0] != window.epoch:
            return False
        if at[1] > window.position:
            # A snapshot may have been taken ahead of the tailer, so the log's head decides what is in the future.
            async with self._pages:
                bounds = await self._log.bounds()
            reader.cursor = window.position
            if bounds.epoch != window.epoch or at[1] > bounds.head:
                return False
        elif at[1] < window.oldest - 1:
            # By what the tailer read last: a look for each reader of a wave would keep others from the database. What was pruned
            # since then is found missing with the page.
            return False
        reader.cursor = at[1]
        return True

    def _reset(self, reader: Subscriber) -> bytes:
        self._counters.resets += 1
        return encode("{}", name="reset", cursor=self._cursor(reader))

    def _cursor(self, reader: Subscriber) -> str:
        return write_cursor(self._window.epoch, reader.cursor)

    async def bring(self, reader: Subscriber) -> None:
        """Write all that the reader lacks; on return, and until the next wait, its cursor is the window's position."""
        window = self._window
        while reader.cursor != window.position:
            if reader.cursor > window.position:
                await window.move()
            elif window.ring.follows(reader.cursor):
                await self._from_ring(reader)
            else:
                await self._from_log(reader)

    async def _from_ring(self, reader: Subscriber) -> None:
        ring = self._window.ring
        time = asyncio.get_running_loop().time()
        taken: list[Frame] = []
        size = 0
        for seq in range(reader.cursor + 1, ring.newest + 1):
            one = ring[seq]
            if reader.may_have(one.channel, time):
                if taken and size + len(one.body) > self._limits.joined_bytes:
                    break
                taken.append(one)
                size += len(one.body)
            reader.cursor = seq
        await self._write_frames(reader, taken)

    async def _from_log(self, reader: Subscriber) -> None:
        window = self._window
        async with self._pages:
            page = await self._log.read_after(reader.cursor, self._limits.page, reader.reader.channels)
        if page.bounds.epoch != window.epoch or page.bounds.oldest > reader.cursor + 1:
            # Pruned while it was being read: to go on from what is left would skip in silence.
            reader.cursor = window.position
            await self.write(reader, self._reset(reader))
            return
        # The log may be ahead of the tailer, and the tailer may be holding before a gap: nobody is led past it here.
        reached = min(page.reached, window.position)
        time = asyncio.get_running_loop().time()
        taken: list[Frame] = []
        size = 0
        for entry in page.entries:
            if entry.seq > reached or not reader.may_have(entry.channel, time):
                continue
            one = frame(entry, window.epoch)
            if taken and size + len(one.body) > self._limits.joined_bytes:
                await self._write_frames(reader, taken)
                taken, size = [], 0
            taken.append(one)
            size += len(one.body)
            reader.cursor = entry.seq
        reader.cursor = max(reader.cursor, reached)
        await self._write_frames(reader, taken)

    async def _write_frames(self, reader: Subscriber, frames: Sequence[Frame]) -> None:
        if frames:
            self._counters.deliveries += len(frames)
            await self.write(reader, joined(frames))

    async def write(self, reader: Subscriber, content: bytes) -> None:
        """One write; the sweep cuts the reader off when its connection does not take it in time."""
        reader.writing_since = asyncio.get_running_loop().time()
        await reader.send(body(content))
        reader.writing_since = None
        self._counters.bytes += len(content)

"""Writes the events that one subscriber has missed, from the ring or from the log.

Catch-up and live delivery are one path. A subscriber starts at a cursor and gets every later event in order. It is live when its
cursor equals the window's position. There is no `await` between that comparison and the switch to live, so no event can be lost
in between.
"""

import asyncio
from collections.abc import Sequence

from patient_visit_engine.live.counters import StreamCounters
from patient_visit_engine.live.cursor import read_cursor, write_cursor
from patient_visit_engine.live.frames import Frame, encode, encode_entry, join_bodies
from patient_visit_engine.live.limits import StreamLimits
from patient_visit_engine.live.log import Log
from patient_visit_engine.live.subscriber import Subscriber, body
from patient_visit_engine.live.window import Window


class CatchUp:
    """Writes to one subscriber at a time, in that subscriber's task. Each write waits until the connection takes it."""

    def __init__(self, log: Log, window: Window, limits: StreamLimits, counters: StreamCounters) -> None:
        self._log = log
        self._window = window
        self._limits = limits
        self._counters = counters
        self._pages = asyncio.Semaphore(limits.concurrent_pages)

    async def write_opening(self, subscriber: Subscriber, last_id: str | None) -> None:
        """Set the subscriber's cursor and write `ready`: the stream resumes exactly after `last_id`, or it resets."""
        exact = await self._set_cursor(subscriber, last_id)
        cursor = self._cursor(subscriber)
        ready = f'{{"resume":"{"exact" if exact else "reset"}","cursor":"{cursor}"}}'
        # No id when events are lost. A client that is cut off between `ready` and `reset` would otherwise resume after the loss.
        opening = encode(ready, name="ready", cursor=cursor if exact else None, retry=self._limits.retry)
        await self.write(subscriber, opening if exact else opening + self._encode_reset(subscriber))

    async def _set_cursor(self, subscriber: Subscriber, last_id: str | None) -> bool:
        """Return whether the stream can resume exactly. If not, the cursor is the window's position."""
        window = self._window
        subscriber.position = window.position
        if last_id is None:
            return True
        requested = read_cursor(last_id)
        if requested is None or requested[0] != window.epoch:
            return False
        position = requested[1]
        if position > window.position:
            # A snapshot can be ahead of the tailer. So only the log's head can show that a position does not exist yet.
            async with self._pages:
                bounds = await self._log.bounds()
            subscriber.position = window.position
            if bounds.epoch != window.epoch or position > bounds.head:
                return False
        elif position < window.log_oldest - 1:
            # This uses the oldest position of the tailer's last read, because one query for each of a thousand reconnects would
            # block the database. Events pruned since that read are detected when the page is read.
            return False
        subscriber.position = position
        return True

    def _encode_reset(self, subscriber: Subscriber) -> bytes:
        self._counters.resets += 1
        return encode("{}", name="reset", cursor=self._cursor(subscriber))

    def _cursor(self, subscriber: Subscriber) -> str:
        return write_cursor(self._window.epoch, subscriber.position)

    async def write_missing(self, subscriber: Subscriber) -> None:
        """Write all events that the subscriber lacks.

        On return its cursor equals the window's position. This stays true until the caller's next `await`.
        """
        window = self._window
        while subscriber.position != window.position:
            if subscriber.position > window.position:
                await window.wait_for_move()
            elif window.ring.covers(subscriber.position):
                await self._write_from_ring(subscriber)
            else:
                await self._write_from_log(subscriber)

    async def _write_from_ring(self, subscriber: Subscriber) -> None:
        ring = self._window.ring
        loop_time = asyncio.get_running_loop().time()
        frames: list[Frame] = []
        size = 0
        for seq in range(subscriber.position + 1, ring.newest + 1):
            frame = ring[seq]
            if subscriber.may_receive(frame.channel, loop_time):
                if frames and size + len(frame.body) > self._limits.joined_bytes:
                    break
                frames.append(frame)
                size += len(frame.body)
            subscriber.position = seq
        await self._write_frames(subscriber, frames)

    async def _write_from_log(self, subscriber: Subscriber) -> None:
        window = self._window
        async with self._pages:
            page = await self._log.read_after(
                subscriber.position, self._limits.catch_up_page_size, subscriber.subscription.channels
            )
        if page.bounds.epoch != window.epoch or page.bounds.oldest > subscriber.position + 1:
            # Events were pruned during the read. To continue with the rest would skip them silently.
            subscriber.position = window.position
            await self.write(subscriber, self._encode_reset(subscriber))
            return
        # The log may be ahead of the tailer, and the tailer may have stopped at a gap. No subscriber may pass the tailer.
        reached = min(page.reached, window.position)
        loop_time = asyncio.get_running_loop().time()
        frames: list[Frame] = []
        size = 0
        for entry in page.entries:
            if entry.seq > reached or not subscriber.may_receive(entry.channel, loop_time):
                continue
            frame = encode_entry(entry, window.epoch)
            if frames and size + len(frame.body) > self._limits.joined_bytes:
                await self._write_frames(subscriber, frames)
                frames, size = [], 0
            frames.append(frame)
            size += len(frame.body)
            subscriber.position = entry.seq
        subscriber.position = max(subscriber.position, reached)
        await self._write_frames(subscriber, frames)

    async def _write_frames(self, subscriber: Subscriber, frames: Sequence[Frame]) -> None:
        if frames:
            self._counters.deliveries += len(frames)
            await self.write(subscriber, join_bodies(frames))

    async def write(self, subscriber: Subscriber, content: bytes) -> None:
        """Write once. The hub's deadline check cuts the subscriber off if the connection does not take the bytes in time."""
        subscriber.writing_since = asyncio.get_running_loop().time()
        await subscriber.send(body(content))
        subscriber.writing_since = None
        self._counters.bytes += len(content)

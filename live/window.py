"""The part of the log that this process has read: its position and its newest frames; it must not know who reads them."""

import asyncio
from collections.abc import Sequence
from math import inf

from patient_visit_engine.live.cursor import write_cursor
from patient_visit_engine.live.frames import Frame, Ring
from patient_visit_engine.live.limits import StreamLimits


class Window:
    """Moved by the tailer alone. All that is live has had every event up to `position`, and none behind it."""

    def __init__(self, limits: StreamLimits) -> None:
        self.epoch = ""
        self.position = 0
        #: The oldest position that the log held when it was last read.
        self.oldest = 1
        self.ring = Ring(limits.ring_frames, limits.ring_bytes)
        #: The latest time, by the monotonic clock, at which the log held nothing behind `position`.
        self.level_at = -inf
        self._moved = asyncio.Event()

    @property
    def cursor(self) -> str:
        """The window's own position as a reader's cursor."""
        return write_cursor(self.epoch, self.position)

    def restart(self, epoch: str, position: int) -> None:
        """Go on behind `position` of `epoch`, with nothing kept."""
        self.epoch = epoch
        self.position = position
        self.ring.clear(position)
        self._wake()

    def extend(self, run: Sequence[Frame]) -> None:
        """Take the frames next in order."""
        for one in run:
            self.ring.append(one)
        self.position = run[-1].seq
        self._wake()

    async def move(self) -> None:
        """Wait until the window has moved."""
        await self._moved.wait()

    def _wake(self) -> None:
        # Whoever waits now is woken; whoever comes after waits for the next move.
        self._moved.set()
        self._moved.clear()

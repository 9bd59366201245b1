"""The newest part of the log, as this process has read it: epoch, position and frames."""

import asyncio
from collections.abc import Sequence
from math import inf

from patient_visit_engine.live.cursor import write_cursor
from patient_visit_engine.live.frames import Frame, Ring
from patient_visit_engine.live.limits import StreamLimits


class Window:
    """Only the tailer moves it. Every live subscriber has received all events up to `position`, and no later one."""

    def __init__(self, limits: StreamLimits) -> None:
        self.epoch = ""
        self.position = 0
        #: The oldest position in the log at the last read.
        self.log_oldest = 1
        self.ring = Ring(limits.ring_frames, limits.ring_bytes)
        #: The latest time (monotonic clock) at which the log had nothing after `position`.
        self.caught_up_at = -inf
        self._moved = asyncio.Event()

    @property
    def cursor(self) -> str:
        """The window's position as a cursor."""
        return write_cursor(self.epoch, self.position)

    def restart(self, epoch: str, position: int) -> None:
        """Continue after `position` of `epoch`, with an empty ring."""
        self.epoch = epoch
        self.position = position
        self.ring.clear(position)
        self._notify()

    def append(self, frames: Sequence[Frame]) -> None:
        """Add the next frames, in order."""
        for frame in frames:
            self.ring.append(frame)
        self.position = frames[-1].seq
        self._notify()

    async def wait_for_move(self) -> None:
        await self._moved.wait()

    def _notify(self) -> None:
        # Wakes the tasks that wait now. A task that waits later waits for the next move.
        self._moved.set()
        self._moved.clear()

"""Reads the log as it grows and hands it to the hub, one after the other; it must not know how a change is noticed.

Positions have no gaps, so one that is missing means that something is wrong with the log. The tailer then holds: it says so,
tries again, and hands out nothing behind the gap, because whoever has been given a later id never comes back for an earlier one.
"""

import asyncio
import logging
from collections.abc import Sequence
from time import monotonic

from patient_visit_engine.live.frames import frame, runs
from patient_visit_engine.live.hub import Hub
from patient_visit_engine.live.log import Bounds, Changes, Entry, Log, Page

logger = logging.getLogger(__name__)

PAGE = 500
#: Seconds after a failed reading; the hub's readers keep their connections meanwhile.
RETRY_AFTER = 0.5
#: Seconds between two complaints about the same gap.
COMPLAIN_EVERY = 10.0


class Tailer:
    """One a process. `run` ends only by cancellation."""

    def __init__(self, log: Log, changes: Changes, hub: Hub) -> None:
        self._log = log
        self._changes = changes
        self._hub = hub
        self._failing = False
        self._complained_at: float | None = None

    async def run(self) -> None:
        """Follow the log for ever. Reads at least every `poll_every` seconds, whether or not a hint has come."""
        hinted = True
        while True:
            try:
                if not self._hub.started:
                    await self.begin()
                # Asked before it is read again: a commit between a reading and the next wait has left its hint by then.
                found = await self.read_on()
                self._hub.counters.found_unasked += found and not hinted
                self._recovered()
                hinted = await self._changes.changed(self._hub.limits.poll_every)
            except Exception:
                self._hub.counters.failures += 1
                if not self._failing:
                    logger.exception("the log cannot be read", extra={"position": self._hub.window.position})
                self._failing = True
                await asyncio.sleep(RETRY_AFTER)

    async def begin(self) -> None:
        """Start a ring's length before the head, so that readers who come back after a restart need no page of the log."""
        async with asyncio.timeout(self._hub.limits.read_within):
            bounds = await self._log.bounds()
        self._hub.window.oldest = bounds.oldest
        behind = max(bounds.oldest - 1, bounds.head - self._hub.limits.ring_frames, 0)
        self._hub.restart(bounds.epoch, behind)
        await self.read_on()
        self._hub.begin()

    def _recovered(self) -> None:
        if self._failing:
            logger.warning("the log is read again", extra={"position": self._hub.window.position})
        self._failing = False

    async def read_on(self) -> bool:
        """Hand out all that the log has; whether there was anything."""
        found = False
        while True:
            asked_at = monotonic()
            async with asyncio.timeout(self._hub.limits.read_within):
                page = await self._log.read_after(self._hub.window.position, PAGE, None)
            self._hub.window.oldest = page.bounds.oldest
            if self._restarted(page.bounds):
                return True
            follows = self._in_order(page)
            await self._hand_out(follows)
            found = found or bool(follows)
            self._hub.counters.lag = page.bounds.head - self._hub.window.position
            if not self._hub.counters.lag:
                self._hub.window.level_at = asked_at
            if len(follows) < len(page.entries) or page.reached == page.bounds.head:
                return found

    def _restarted(self, bounds: Bounds) -> bool:
        window = self._hub.window
        pruned = bounds.oldest > window.position + 1
        if bounds.epoch == window.epoch and not pruned and bounds.head >= window.position:
            return False
        logger.error(
            "the log is not the one that was followed",
            extra={"position": window.position, "head": bounds.head, "oldest": bounds.oldest, "epoch": bounds.epoch},
        )
        self._hub.restart(bounds.epoch, bounds.head)
        return True

    def _in_order(self, page: Page) -> Sequence[Entry]:
        """The entries up to the first gap."""
        position = self._hub.window.position
        for index, entry in enumerate(page.entries):
            if entry.seq != position + index + 1:
                self._hold(position + index + 1, entry.seq)
                return page.entries[:index]
        last = position + len(page.entries)
        if page.reached > last:
            self._hold(last + 1, page.reached)
        else:
            self._hub.counters.holding = False
            self._complained_at = None
        return page.entries

    def _hold(self, missing: int, found: int) -> None:
        time = asyncio.get_running_loop().time()
        if not self._hub.counters.holding:
            self._hub.counters.holds += 1
            self._hub.counters.holding = True
        if self._complained_at is None or time - self._complained_at >= COMPLAIN_EVERY:
            self._complained_at = time
            logger.error("the log has a gap, the stream holds", extra={"missing": missing, "found": found})

    async def _hand_out(self, entries: Sequence[Entry]) -> None:
        hub = self._hub
        if hub.started:
            now = hub.now()
            for entry in entries:
                hub.counters.delays.count((now - entry.at).total_seconds())
        for run in runs((frame(entry, hub.window.epoch) for entry in entries), hub.limits.joined_bytes):
            hub.publish(run)
            # A long page goes to thousands of readers: requests must have their turn in between.
            await asyncio.sleep(0)

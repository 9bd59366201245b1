"""Reads the log as it grows and publishes each event to the hub, in order.

Positions have no gaps. So a missing position means that the log is damaged. The tailer then stops at the gap. It logs an error and
reads again. It publishes nothing after the gap, because a client that has received a later id never asks for an earlier one.
"""

import asyncio
import logging
from collections.abc import Sequence
from time import monotonic

from patient_visit_engine.live.frames import encode_entry, group_by_channel
from patient_visit_engine.live.hub import Hub
from patient_visit_engine.live.log import Bounds, Entry, Log, LogHints, Page

logger = logging.getLogger(__name__)

#: Entries that the tailer reads with one query. One process reads them once, so the page is larger than one of a catch-up.
TAILER_PAGE_SIZE = 500
#: Seconds to wait after a failed read. Streams stay open during that time.
READ_RETRY_PAUSE_SECONDS = 0.5
#: Seconds between two log lines about the same gap.
GAP_LOG_INTERVAL_SECONDS = 10.0


class Tailer:
    """One per process. `run` ends only when it is cancelled."""

    def __init__(self, log: Log, hints: LogHints, hub: Hub) -> None:
        self._log = log
        self._hints = hints
        self._hub = hub
        self._failing = False
        self._gap_logged_at: float | None = None

    async def run(self) -> None:
        """Follow the log forever. Reads at least every `poll_interval` seconds, with or without a hint."""
        hinted = True
        while True:
            try:
                if not self._hub.started:
                    await self.start()
                # Read before waiting: a commit that comes after this read has left its hint when the wait starts.
                has_news = await self.read_new()
                self._hub.counters.found_unasked += has_news and not hinted
                self._log_recovery()
                hinted = await self._hints.wait_for_hint(self._hub.limits.poll_interval)
            except Exception:
                self._hub.counters.failures += 1
                if not self._failing:
                    logger.exception("the log cannot be read", extra={"position": self._hub.window.position})
                self._failing = True
                await asyncio.sleep(READ_RETRY_PAUSE_SECONDS)

    async def start(self) -> None:
        """Read the newest events first, as many as the ring holds.

        Clients that reconnect after a restart are then served from memory.
        """
        async with asyncio.timeout(self._hub.limits.read_timeout):
            bounds = await self._log.bounds()
        self._hub.window.log_oldest = bounds.oldest
        position = max(bounds.oldest - 1, bounds.head - self._hub.limits.ring_frames, 0)
        self._hub.restart(bounds.epoch, position)
        await self.read_new()
        self._hub.start()

    def _log_recovery(self) -> None:
        if self._failing:
            logger.warning("the log can be read again", extra={"position": self._hub.window.position})
        self._failing = False

    async def read_new(self) -> bool:
        """Publish all new events of the log. Return whether there were any."""
        has_news = False
        while True:
            read_at = monotonic()
            async with asyncio.timeout(self._hub.limits.read_timeout):
                page = await self._log.read_after(self._hub.window.position, TAILER_PAGE_SIZE, None)
            self._hub.window.log_oldest = page.bounds.oldest
            if self._restart_if_replaced(page.bounds):
                return True
            entries = self._entries_before_gap(page)
            await self._publish(entries)
            has_news = has_news or bool(entries)
            self._hub.counters.lag = page.bounds.head - self._hub.window.position
            if not self._hub.counters.lag:
                self._hub.window.caught_up_at = read_at
            if len(entries) < len(page.entries) or page.reached == page.bounds.head:
                return has_news

    def _restart_if_replaced(self, bounds: Bounds) -> bool:
        window = self._hub.window
        pruned = bounds.oldest > window.position + 1
        if bounds.epoch == window.epoch and not pruned and bounds.head >= window.position:
            return False
        logger.error(
            "the log was replaced or pruned, all streams restart",
            extra={"position": window.position, "head": bounds.head, "oldest": bounds.oldest, "epoch": bounds.epoch},
        )
        self._hub.restart(bounds.epoch, bounds.head)
        return True

    def _entries_before_gap(self, page: Page) -> Sequence[Entry]:
        """Return the entries up to the first gap. If there is no gap, clear the hold."""
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
            self._gap_logged_at = None
        return page.entries

    def _hold(self, missing: int, present: int) -> None:
        """Count and log a gap: position `missing` is not there, the next one in the log is `present`."""
        loop_time = asyncio.get_running_loop().time()
        if not self._hub.counters.holding:
            self._hub.counters.holds += 1
            self._hub.counters.holding = True
        if self._gap_logged_at is None or loop_time - self._gap_logged_at >= GAP_LOG_INTERVAL_SECONDS:
            self._gap_logged_at = loop_time
            logger.error("the log has a gap, no later event is sent", extra={"missing": missing, "present": present})

    async def _publish(self, entries: Sequence[Entry]) -> None:
        hub = self._hub
        if hub.started:
            now = hub.now()
            for entry in entries:
                hub.counters.delays.count((now - entry.at).total_seconds())
        frames = (encode_entry(entry, hub.window.epoch) for entry in entries)
        for group in group_by_channel(frames, hub.limits.joined_bytes):
            hub.publish(group)
            # A long page goes to thousands of subscribers. Requests must get their turn in between.
            await asyncio.sleep(0)

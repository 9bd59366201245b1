"""The readers that are level with the window, and the one pass that writes to them; it must not know how a reader comes or goes."""

import asyncio
import logging
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from patient_visit_engine.live.counters import StreamCounters
from patient_visit_engine.live.stepping import SuspendedCoroutine
from patient_visit_engine.live.subscriber import Subscriber, body
from patient_visit_engine.live.window import Window

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class WriteResult:
    """What became of one message: to how many it went, who has to wait for a connection, and whose failed."""

    written: int = 0
    slow: list[tuple[Subscriber, SuspendedCoroutine]] = field(default_factory=list)
    failed: list[Subscriber] = field(default_factory=list)


class LiveSet:
    """Who is live, by channel. The cursor of all of them is the window's position."""

    def __init__(self, window: Window, counters: StreamCounters) -> None:
        self._window = window
        self._counters = counters
        #: In the order in which they came: what belongs to one reader was allocated together, and is met again so.
        self._followers: dict[str, dict[Subscriber, None]] = {}

    def join(self, reader: Subscriber) -> None:
        """Into the pass; the reader must have had all that the window has."""
        reader.live = reader.was_live = True
        for channel in reader.reader.channels:
            self._followers.setdefault(channel, {})[reader] = None

    def part(self, reader: Subscriber) -> None:
        """Out of the pass, at the cursor that all in it have."""
        reader.live = False
        reader.cursor = self._window.position
        for channel in reader.reader.channels:
            followers = self._followers[channel]
            followers.pop(reader, None)
            if not followers:
                del self._followers[channel]

    def followers(self, channel: str) -> list[Subscriber]:
        """Who is in the pass for this channel; a copy, since a write may be the end of a reader."""
        return list(self._followers.get(channel, ()))

    def channels(self) -> Collection[str]:
        """The channels that somebody follows."""
        return set(self._followers)

    def write(self, readers: Iterable[Subscriber], content: bytes, channel: str | None = None) -> WriteResult:
        """Write to those whose time is not over and who may read the channel, if it is of one.

        One loop that looks at each reader once, offers before it sends, and steps by itself what `step` would: with thousands of
        readers nothing of one is in the processor's cache any more when its turn comes, and a second look costs as much as the first.
        """
        message = body(content)
        time = asyncio.get_running_loop().time()
        done = WriteResult()
        written = 0
        for reader in readers:
            if reader.deadline <= time or not (channel is None or reader.reader.may_read(channel)):
                continue
            try:
                if reader.connection is not None and reader.connection.offer(content):
                    written += 1
                    continue
                sending = reader.send(message)
                awaited = sending.send(None)
            except StopIteration:
                written += 1
            except Exception:
                logger.exception("stream failed", extra={"position": self._window.position})
                done.failed.append(reader)
            else:
                written += 1
                done.slow.append((reader, SuspendedCoroutine(sending, awaited)))
        done.written = written
        self._counters.bytes += written * len(content)
        return done

"""The live subscribers, by channel, and the loop that writes one message to all of them."""

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
    """The outcome of one message.

    `written` counts the subscribers that have it or will have it. Those in `slow` must wait for their connection first. For
    those in `failed`, the write raised an error.
    """

    written: int = 0
    slow: list[tuple[Subscriber, SuspendedCoroutine]] = field(default_factory=list)
    failed: list[Subscriber] = field(default_factory=list)


class LiveSet:
    """The live subscribers, by channel. The cursor of each is the window's position."""

    def __init__(self, window: Window, counters: StreamCounters) -> None:
        self._window = window
        self._counters = counters
        #: A dict keeps the order of arrival. So `write` visits together the objects that were allocated together, which uses the
        #: processor's cache better.
        self._by_channel: dict[str, dict[Subscriber, None]] = {}

    def add(self, subscriber: Subscriber) -> None:
        """Make the subscriber live. It must have received everything up to the window's position."""
        subscriber.live = subscriber.was_live = True
        for channel in subscriber.subscription.channels:
            self._by_channel.setdefault(channel, {})[subscriber] = None

    def remove(self, subscriber: Subscriber) -> None:
        """Take the subscriber out and set its cursor to the window's position."""
        subscriber.live = False
        subscriber.position = self._window.position
        for channel in subscriber.subscription.channels:
            subscribers = self._by_channel[channel]
            subscribers.pop(subscriber, None)
            if not subscribers:
                del self._by_channel[channel]

    def subscribers_of(self, channel: str) -> list[Subscriber]:
        """Return the live subscribers of this channel as a copy, because a write can remove a subscriber."""
        return list(self._by_channel.get(channel, ()))

    def channels(self) -> Collection[str]:
        """Return the channels that have a live subscriber."""
        return set(self._by_channel)

    def write(self, subscribers: Iterable[Subscriber], content: bytes, channel: str | None = None) -> WriteResult:
        """Write to each subscriber that may read the channel, unless its deadline has passed. None means a message for all.

        The loop tries `try_write` first, and then `send`. It contains a copy of `stepping.step`, and visits each subscriber only
        once. With thousands of subscribers each visit misses the processor's cache, so a second visit would double the cost.
        """
        message = body(content)
        loop_time = asyncio.get_running_loop().time()
        result = WriteResult()
        written = 0
        for subscriber in subscribers:
            if subscriber.deadline <= loop_time or not (channel is None or subscriber.subscription.may_read(channel)):
                continue
            try:
                if subscriber.connection is not None and subscriber.connection.try_write(content):
                    written += 1
                    continue
                sending = subscriber.send(message)
                awaited = sending.send(None)
            except StopIteration:
                written += 1
            except Exception:
                logger.exception("stream failed", extra={"position": self._window.position})
                result.failed.append(subscriber)
            else:
                written += 1
                result.slow.append((subscriber, SuspendedCoroutine(sending, awaited)))
        result.written = written
        self._counters.bytes += written * len(content)
        return result

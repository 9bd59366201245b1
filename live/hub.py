"""Delivers events to all subscribers of one process.

The hub runs the `send` coroutine of each live subscriber itself, up to its first wait. All get the same message object. So a
delivery wakes no task. Waking tasks would be its main cost. If a `send` must wait for its connection, a task of that subscriber
finishes it, catches up, and makes the subscriber live again. So a slow subscriber does not delay the others.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from random import SystemRandom
from time import monotonic

from patient_visit_engine.live.catch_up import CatchUp
from patient_visit_engine.live.counters import StreamCounters
from patient_visit_engine.live.frames import Frame, encode, encode_retry, join_bodies
from patient_visit_engine.live.limits import DEFAULT_LIMITS, StreamLimits
from patient_visit_engine.live.log import Log
from patient_visit_engine.live.open_streams import OpenStreams
from patient_visit_engine.live.refusals import StreamDrainingError, StreamNotReadyError, StreamRefusedError
from patient_visit_engine.live.stepping import step
from patient_visit_engine.live.subscriber import Presence, SendMessage, StreamConnection, Subscriber, Subscription
from patient_visit_engine.live.window import Window

logger = logging.getLogger(__name__)

RANDOM = SystemRandom().random


def _now() -> datetime:
    return datetime.now(UTC)


class Hub:
    """One per process, on one event loop. Methods without `async` cannot be interrupted by other tasks."""

    def __init__(
        self,
        log: Log,
        limits: StreamLimits = DEFAULT_LIMITS,
        *,
        now: Callable[[], datetime] = _now,
        random: Callable[[], float] = RANDOM,
    ) -> None:
        self.limits = limits
        self.counters = StreamCounters()
        self.window = Window(limits)
        self.draining = False
        self.now = now
        self._random = random
        self._started = asyncio.Event()
        self._catch_up = CatchUp(log, self.window, limits, self.counters)
        self._streams = OpenStreams(self.window, limits, self.counters)

    @property
    def subscribers(self) -> int:
        """The number of open streams."""
        return len(self._streams)

    @property
    def behind(self) -> int:
        """The number of subscribers that are catching up now."""
        return len(self._streams.behind)

    @property
    def started(self) -> bool:
        """Whether the tailer has read up to the log's head once."""
        return self._started.is_set()

    def start(self) -> None:
        """Admit subscribers from now on. The tailer calls this."""
        self._started.set()

    async def wait_until_started(self, within: float) -> bool:
        """Wait until the hub has started, for `within` seconds at most. Return whether it has."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._started.wait(), within)
        return self.started

    @property
    def lag_seconds(self) -> float:
        """Seconds since the tailer last had every event of the log. Infinite before the first read."""
        return monotonic() - self.window.caught_up_at

    @property
    def log_is_fresh(self) -> bool:
        """Whether the tailer had every event of the log within the last `limits.stale_after` seconds."""
        return self.started and self.lag_seconds <= self.limits.stale_after

    def admit(
        self,
        subscription: Subscription,
        send: SendMessage,
        end_connection: Callable[[], object],
        connection: StreamConnection | None = None,
    ) -> Subscriber:
        """Add a subscriber, or raise `StreamRefusedError`.

        The hub calls `end_connection` when it ends the stream. `connection` is the server's, if it offers more than ASGI.
        The subscriber stays until `remove` is called or the hub ends the stream.
        """
        if refusal := self.refusal(subscription):
            self.counters.refused[refusal.code] += 1
            raise refusal
        loop_time = asyncio.get_running_loop().time()
        since = self.now()
        lifetime = self.limits.lifetime * (0.8 + 0.2 * self._random())
        if subscription.ends_at is not None:
            lifetime = min(lifetime, (subscription.ends_at - since).total_seconds())
        subscriber = Subscriber(subscription, since, loop_time + lifetime, send, end_connection, connection)
        subscriber.writing_since = loop_time
        subscriber.position = self.window.position
        self._streams.add(subscriber)
        return subscriber

    def refusal(self, subscription: Subscription) -> StreamRefusedError | None:
        """Return the reason why this subscription would get no stream now, or None."""
        if self.draining:
            return StreamDrainingError()
        if not self.log_is_fresh:
            return StreamNotReadyError()
        return self._streams.refusal(subscription.user)

    def start_stream(self, subscriber: Subscriber, last_id: str | None) -> None:
        """Start writing after the event `last_id`, or at the head if it is None. The response's start must be sent before.

        If the stream has already ended, this does nothing and the caller must complete the response.
        """
        if subscriber.end_reason is None:
            subscriber.started = True
            opening = self._catch_up.write_opening(subscriber, last_id)
            suspended = step(self._bring_up_to_date(subscriber, opening))
            if suspended is not None:
                subscriber.task = asyncio.get_running_loop().create_task(suspended.finish())

    def remove(self, subscriber: Subscriber, *, given_up: bool = False) -> None:
        """Remove a subscriber after its connection closed, or after the kernel gave it up. No effect on an ended stream."""
        if given_up and subscriber.end_reason is None:
            self.counters.dropped["given_up"] += 1
        self._streams.remove(subscriber, "given_up" if given_up else "left")

    async def _bring_up_to_date(self, subscriber: Subscriber, first: Awaitable[None]) -> None:
        try:
            await first
            subscriber.writing_since = None
            await self._catch_up.write_missing(subscriber)
        except Exception:
            logger.exception("stream failed", extra={"position": subscriber.position})
            subscriber.task = None
            self._streams.cut_off(subscriber, "failed")
        else:
            # No `await` here: an event that is published after `write_missing` and before this would be lost.
            self._mark_live(subscriber)

    def _mark_live(self, subscriber: Subscriber) -> None:
        if subscriber.end_reason is None:
            subscriber.task = None
            self._streams.mark_live(subscriber)

    def publish(self, frames: Sequence[Frame]) -> None:
        """Append frames of one channel to the window and write them to every live subscriber that may read them."""
        channel = frames[0].channel
        content = join_bodies(frames)
        self.window.append(frames)
        self.counters.events += len(frames)
        written = self._write(self._streams.live.subscribers_of(channel), content, channel)
        self.counters.deliveries += len(frames) * written
        ring = self.window.ring
        for subscriber in [each for each in self._streams.behind if each.was_live and not ring.covers(each.position)]:
            self.counters.dropped["lagged"] += 1
            self._streams.close(subscriber, "lagged", b"")

    def _write(self, subscribers: Iterable[Subscriber], content: bytes, channel: str | None = None) -> int:
        result = self._streams.live.write(subscribers, content, channel)
        for subscriber, suspended in result.slow:
            self._streams.mark_behind(subscriber)
            loop = asyncio.get_running_loop()
            subscriber.writing_since = loop.time()
            subscriber.task = loop.create_task(self._bring_up_to_date(subscriber, suspended))
        for subscriber in result.failed:
            self._streams.cut_off(subscriber, "failed")
        return result.written

    def heartbeat(self) -> None:
        """Send the current cursor to every live subscriber.

        A subscriber that is behind gets no heartbeat, because its id would make the client skip the missing events.
        No heartbeat is sent while the log is stale, because clients would then show that they are up to date.
        """
        if not self.log_is_fresh:
            return
        live = [subscriber for subscriber in self._streams if subscriber.live]
        self.counters.heartbeats += len(live)
        if live:
            self._write(live, encode("{}", name="heartbeat", cursor=self.window.cursor))

    def end_overdue_streams(self) -> None:
        """End streams that have reached their deadline and cut off connections that have taken no bytes for too long."""
        loop_time = asyncio.get_running_loop().time()
        for subscriber in [each for each in self._streams if each.deadline <= loop_time]:
            self._streams.close(subscriber, "lifetime", b"")
        for subscriber in list(self._streams.behind):
            if (
                subscriber.writing_since is not None
                and loop_time - subscriber.writing_since >= self.limits.stalled_after
            ):
                self._streams.cut_off(subscriber, "stalled")

    def revoke(self, session: str) -> int:
        """End all streams of a session that is no longer valid. Return their number."""
        revoked = [subscriber for subscriber in self._streams if subscriber.subscription.session == session]
        for subscriber in revoked:
            self._streams.close(subscriber, "revoked", b"")
        return len(revoked)

    def restart(self, epoch: str, position: int) -> None:
        """End all streams, because the log was replaced or pruned. Each client reconnects and learns whether it lost events."""
        for subscriber in self._streams:
            self._streams.close(subscriber, "log_restarted", self._encode_random_retry())
        self.window.restart(epoch, position)

    async def drain(self) -> None:
        """Admit no more subscribers and end all streams, within `limits.close_timeout` seconds.

        Each client gets its own random time to reconnect.
        """
        self.draining = True
        for subscriber in self._streams:
            self._streams.close(subscriber, "drained", self._encode_random_retry())
        await self._streams.wait_until_closed()

    def _encode_random_retry(self) -> bytes:
        return encode_retry(self.limits.retry + self._random() * (self.limits.longest_retry - self.limits.retry))

    def sessions(self) -> Collection[str]:
        """Return the sessions that have an open stream, so that a caller can check which have ended."""
        return {subscriber.subscription.session for subscriber in self._streams}

    def channels(self) -> Collection[str]:
        """Return the channels that have a live subscriber."""
        return self._streams.live.channels()

    def connected(self) -> set[Subscriber]:
        """Return a copy of the set of all subscribers. Callers compare it with an earlier one."""
        return set(self._streams)

    def catching_up(self) -> set[Subscriber]:
        """Return a copy of the set of subscribers that are behind."""
        return set(self._streams.behind)

    def presence(self) -> list[Presence]:
        """Return all subscribers, longest connected first."""
        log_is_fresh = self.log_is_fresh
        subscribers = sorted(self._streams, key=lambda subscriber: subscriber.since)
        return [subscriber.presence(self.window, log_is_fresh=log_is_fresh) for subscriber in subscribers]

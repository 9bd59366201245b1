"""Who reads the stream, from a reader's first moment to its last; it must not know what an event means.

A reader whose connection takes what it is given is written to here, with one message object for all, by stepping its `send`:
no task wakes, which is what a delivery costs in Python. A `send` that would have to wait for its connection is handed to a
task of that reader's own, which catches up and comes back. So the slowest reader delays nobody.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from random import SystemRandom
from time import monotonic

from patient_visit_engine.live.admission import Admission
from patient_visit_engine.live.catch_up import CatchUp
from patient_visit_engine.live.closer import Closer
from patient_visit_engine.live.counters import StreamCounters
from patient_visit_engine.live.frames import Frame, encode, encode_retry, joined
from patient_visit_engine.live.limits import DEFAULT_LIMITS, StreamLimits
from patient_visit_engine.live.live_set import LiveSet
from patient_visit_engine.live.log import Log
from patient_visit_engine.live.refusals import StreamDrainingError, StreamNotReadyError, StreamRefusedError
from patient_visit_engine.live.stepping import step
from patient_visit_engine.live.subscriber import Presence, SendMessage, StreamConnection, Subscriber, Subscription, body
from patient_visit_engine.live.window import Window

logger = logging.getLogger(__name__)

CHANCE = SystemRandom().random


def _now() -> datetime:
    return datetime.now(UTC)


class Hub:
    """One a process, on one event loop. Everything here that is not a coroutine runs whole: no reader sees half of it."""

    def __init__(
        self,
        log: Log,
        limits: StreamLimits = DEFAULT_LIMITS,
        *,
        now: Callable[[], datetime] = _now,
        chance: Callable[[], float] = CHANCE,
    ) -> None:
        self.limits = limits
        self.counters = StreamCounters()
        self.window = Window(limits)
        self._begun = asyncio.Event()
        self.draining = False
        self.now = now
        self._chance = chance
        self._catch_up = CatchUp(log, self.window, limits, self.counters)
        self._farewells = Closer(limits.farewell)
        self._places = Admission(limits)
        self._behind: set[Subscriber] = set()
        self._level = LiveSet(self.window, self.counters)

    @property
    def subscribers(self) -> int:
        return len(self._places)

    @property
    def behind(self) -> int:
        """Readers that are catching up now."""
        return len(self._behind)

    @property
    def started(self) -> bool:
        """Whether the window has stood at the log's head once."""
        return self._begun.is_set()

    def begin(self) -> None:
        """Admit readers from now on; the tailer says so."""
        self._begun.set()

    async def begun(self, within: float) -> bool:
        """Wait until readers are admitted, so many seconds at most; whether they are."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._begun.wait(), within)
        return self.started

    @property
    def lag_seconds(self) -> float:
        """For how long at most the log may have held what the readers have not had; infinite before the first reading."""
        return monotonic() - self.window.level_at

    def admit(
        self,
        reader: Subscription,
        send: SendMessage,
        release: Callable[[], object],
        connection: StreamConnection | None = None,
    ) -> Subscriber:
        """Take a place for the reader, or raise `StreamRefusedError`. `release` is called when the hub ends the stream.

        `connection` is the server's own, where the server has more to give than ASGI.
        The place is given back by `leave`, or when the hub ends the stream, whichever comes first.
        """
        if why := self.refusal(reader):
            self.counters.refused[why.code] += 1
            raise why
        time = asyncio.get_running_loop().time()
        since = self.now()
        lifetime = self.limits.lifetime * (0.8 + 0.2 * self._chance())
        if reader.ends_at is not None:
            lifetime = min(lifetime, (reader.ends_at - since).total_seconds())
        new = Subscriber(reader, since, time + lifetime, send, release, connection)
        new.writing_since = time
        new.cursor = self.window.position
        self._places.take(new)
        self._behind.add(new)
        self.counters.opened += 1
        new.number = self.counters.opened
        return new

    def refusal(self, reader: Subscription) -> StreamRefusedError | None:
        """Why this reader would get no stream now, if so."""
        if self.draining:
            return StreamDrainingError()
        if not self.in_sight:
            return StreamNotReadyError()
        return self._places.refusal(reader.user)

    def follow(self, reader: Subscriber, last_id: str | None) -> None:
        """Begin to write, behind the event `last_id`, or at the head when that is None. The response's start must be out.

        A stream that was ended before this is the caller's to complete.
        """
        if reader.ended is None:
            reader.following = True
            waiting = step(self._drive(reader, self._catch_up.open(reader, last_id)))
            if waiting is not None:
                reader.task = asyncio.get_running_loop().create_task(waiting.finish())

    def leave(self, reader: Subscriber, *, given_up: bool = False) -> None:
        """The connection is gone, or was given up because nobody took what it held; harmless for a stream that is over."""
        if given_up and reader.ended is None:
            self.counters.dropped["given_up"] += 1
        self._forget(reader, "given_up" if given_up else "left")

    async def _drive(self, reader: Subscriber, first: Awaitable[None]) -> None:
        try:
            await first
            reader.writing_since = None
            await self._catch_up.bring(reader)
        except Exception:
            logger.exception("stream failed", extra={"position": reader.cursor})
            reader.task = None
            self._cut_off(reader, "failed")
        else:
            # No wait between the comparison that ended `bring` and this, or an event published then would be lost.
            self._join(reader)

    def _join(self, reader: Subscriber) -> None:
        if reader.ended is not None:
            return
        reader.task = None
        self._behind.discard(reader)
        self._level.join(reader)

    def publish(self, run: Sequence[Frame]) -> None:
        """Move the window by frames of one channel and write them to everyone who is live and may have them."""
        channel = run[0].channel
        content = joined(run)
        self.window.extend(run)
        self.counters.events += len(run)
        written = self._write(self._level.followers(channel), content, channel)
        self.counters.deliveries += len(run) * written
        for late in [one for one in self._behind if one.was_live and not self.window.ring.follows(one.cursor)]:
            self.counters.dropped["lagged"] += 1
            self._end(late, "lagged", b"")

    def _write(self, readers: Iterable[Subscriber], content: bytes, channel: str | None = None) -> int:
        done = self._level.write(readers, content, channel)
        for reader, waiting in done.slow:
            self._level.part(reader)
            self._behind.add(reader)
            loop = asyncio.get_running_loop()
            reader.writing_since = loop.time()
            reader.task = loop.create_task(self._drive(reader, waiting))
        for reader in done.failed:
            self._cut_off(reader, "failed")
        return done.written

    def heartbeat(self) -> None:
        """Tell every live reader its cursor. One that is behind gets none: this id would make it skip what it has not had.

        Nobody gets one while the log is out of sight: a screen must not be told that all is well by a process that cannot know.
        """
        if not self.in_sight:
            return
        live = [one for one in self._places if one.live]
        self.counters.heartbeats += len(live)
        if live:
            self._write(live, encode("{}", name="heartbeat", cursor=self.window.cursor))

    def sweep(self) -> None:
        """End the streams whose time is over and cut off those whose connection has stood still for too long."""
        time = asyncio.get_running_loop().time()
        for reader in [one for one in self._places if one.deadline <= time]:
            self._end(reader, "lifetime", b"")
        for reader in list(self._behind):
            if reader.writing_since is not None and time - reader.writing_since >= self.limits.stalled_after:
                self._cut_off(reader, "stalled")

    def revoke(self, session: str) -> int:
        """End the streams of a session that is no longer good; how many there were."""
        concerned = [one for one in self._places if one.reader.session == session]
        for reader in concerned:
            self._end(reader, "revoked", b"")
        return len(concerned)

    def sessions(self) -> Collection[str]:
        """The sessions that have a stream open, so that whoever keeps sessions can look which are over."""
        return {one.reader.session for one in self._places}

    def channels(self) -> Collection[str]:
        """The channels that a live reader follows now."""
        return self._level.channels()

    def restart(self, epoch: str, position: int) -> None:
        """The log is not what it was: end all streams, so that each comes back and is told what it missed."""
        for reader in self._places:
            self._end(reader, "log_restarted", self._come_back())
        self.window.restart(epoch, position)

    async def drain(self) -> None:
        """Admit nobody and end all streams, each told to come back at a moment of its own; at most `farewell` seconds."""
        self.draining = True
        for reader in self._places:
            self._end(reader, "drained", self._come_back())
        await self._farewells.wait()

    def _come_back(self) -> bytes:
        return encode_retry(self.limits.retry + self._chance() * (self.limits.retry_spread - self.limits.retry))

    def connected(self) -> set[Subscriber]:
        """All readers as they are now, to be compared with those of another moment."""
        return set(self._places)

    def catching_up(self) -> set[Subscriber]:
        """Those of them that are behind."""
        return set(self._behind)

    def presence(self) -> list[Presence]:
        """All readers, longest connected first."""
        in_sight = self.in_sight
        readers = sorted(self._places, key=lambda one: one.since)
        return [one.presence(self.window, in_sight=in_sight) for one in readers]

    @property
    def in_sight(self) -> bool:
        """Whether the log was found level not too long ago."""
        return self.started and self.lag_seconds <= self.limits.out_of_sight_after

    def _cut_off(self, reader: Subscriber, reason: str) -> None:
        """End without a last byte, for a connection that takes none."""
        if reader.ended is None:
            self.counters.dropped[reason] += 1
            self._forget(reader, reason)
            if reader.connection is not None:
                reader.connection.abort()
            reader.release()

    def _end(self, reader: Subscriber, reason: str, last: bytes) -> None:
        """End with `last` as the stream's last bytes; an orderly end, which no server logs as an error."""
        if reader.ended is None:
            self._forget(reader, reason)
            if reader.following:
                self._farewells.say(reader, body(last, more=False))

    def _forget(self, reader: Subscriber, reason: str) -> None:
        if reader.ended is not None:
            return
        reader.ended = reason
        self.counters.ended[reason] += 1
        if reader.live:
            self._level.part(reader)
        self._behind.discard(reader)
        self._places.give_back(reader)
        if reader.task is not None:
            reader.task.cancel()

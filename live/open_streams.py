"""The open streams of one process: which are live, which are behind, and how each ends."""

from collections.abc import Iterator

from patient_visit_engine.live.admission import Admission
from patient_visit_engine.live.closer import Closer
from patient_visit_engine.live.counters import StreamCounters
from patient_visit_engine.live.limits import StreamLimits
from patient_visit_engine.live.live_set import LiveSet
from patient_visit_engine.live.refusals import StreamRefusedError
from patient_visit_engine.live.subscriber import Subscriber, body
from patient_visit_engine.live.window import Window


class OpenStreams:
    """Every subscriber here is either in `live` or in `behind`. A subscriber ends once; ending it again has no effect."""

    def __init__(self, window: Window, limits: StreamLimits, counters: StreamCounters) -> None:
        self.live = LiveSet(window, counters)
        self.behind: set[Subscriber] = set()
        self._counters = counters
        self._admission = Admission(limits)
        self._closer = Closer(limits.close_timeout)

    def __len__(self) -> int:
        return len(self._admission)

    def __iter__(self) -> Iterator[Subscriber]:
        """Iterate over a copy, so that a subscriber can end during the loop."""
        return iter(self._admission)

    def refusal(self, user: str) -> StreamRefusedError | None:
        """Return the limit that prevents another stream of this user, or None."""
        return self._admission.refusal(user)

    def add(self, subscriber: Subscriber) -> None:
        """Add a new subscriber, which is behind, and give it its number."""
        self._admission.add(subscriber)
        self.behind.add(subscriber)
        self._counters.opened += 1
        subscriber.number = self._counters.opened

    def mark_live(self, subscriber: Subscriber) -> None:
        self.behind.discard(subscriber)
        self.live.add(subscriber)

    def mark_behind(self, subscriber: Subscriber) -> None:
        self.live.remove(subscriber)
        self.behind.add(subscriber)

    def close(self, subscriber: Subscriber, reason: str, last: bytes) -> None:
        """End in order, with `last` as the stream's last bytes. Servers do not log an error for such an end."""
        if subscriber.end_reason is None:
            self.remove(subscriber, reason)
            if subscriber.started:
                self._closer.close(subscriber, body(last, more=False))

    def cut_off(self, subscriber: Subscriber, reason: str) -> None:
        """End without last bytes, because the connection does not take any."""
        if subscriber.end_reason is None:
            self._counters.dropped[reason] += 1
            self.remove(subscriber, reason)
            if subscriber.connection is not None:
                subscriber.connection.abort()
            subscriber.end_connection()

    def remove(self, subscriber: Subscriber, reason: str) -> None:
        """End without touching the connection."""
        if subscriber.end_reason is not None:
            return
        subscriber.end_reason = reason
        self._counters.ended[reason] += 1
        if subscriber.live:
            self.live.remove(subscriber)
        self.behind.discard(subscriber)
        self._admission.remove(subscriber)
        if subscriber.task is not None:
            subscriber.task.cancel()

    async def wait_until_closed(self) -> None:
        """Wait until every response that `close` ended is complete or aborted."""
        await self._closer.wait()

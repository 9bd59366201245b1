"""Counts open streams and refuses new ones beyond the limits, in total and per user."""

from collections import Counter
from collections.abc import Iterator

from patient_visit_engine.live.limits import StreamLimits
from patient_visit_engine.live.refusals import StreamRefusedError, StreamsExhaustedError, TooManyStreamsError
from patient_visit_engine.live.subscriber import Subscriber


class Admission:
    """The open streams of this process."""

    def __init__(self, limits: StreamLimits) -> None:
        self._limits = limits
        self._subscribers: set[Subscriber] = set()
        self._streams_of_user: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._subscribers)

    def __iter__(self) -> Iterator[Subscriber]:
        """Iterate over a copy, so that a subscriber can be removed during the loop."""
        return iter(list(self._subscribers))

    def refusal(self, user: str) -> StreamRefusedError | None:
        """Return the reason why this user gets no other stream, or None."""
        if len(self._subscribers) >= self._limits.max_streams:
            return StreamsExhaustedError()
        if self._streams_of_user[user] >= self._limits.max_streams_per_user:
            return TooManyStreamsError()
        return None

    def add(self, subscriber: Subscriber) -> None:
        self._subscribers.add(subscriber)
        self._streams_of_user[subscriber.subscription.user] += 1

    def remove(self, subscriber: Subscriber) -> None:
        user = subscriber.subscription.user
        self._subscribers.discard(subscriber)
        self._streams_of_user[user] -= 1
        if not self._streams_of_user[user]:
            # Users come and go while the process lives. A zero for each of them would be a leak.
            del self._streams_of_user[user]

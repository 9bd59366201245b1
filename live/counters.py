"""The stream's counters as plain attributes. Each field's name is part of a metric's name: do not rename it."""

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

#: Upper bounds, in seconds, of the buckets for delays. One more bucket has no bound.
DELAY_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


@dataclass(slots=True)
class Delays:
    """Seconds from an event's decision to its delivery, counted in buckets. `total` is their sum in seconds."""

    #: The number of events in each bucket.
    classes: list[int] = field(default_factory=lambda: [0] * (len(DELAY_BOUNDS) + 1))
    total: float = 0.0

    def count(self, seconds: float) -> None:
        """Count one event. A negative delay counts as 0, because the deciding machine's clock may be ahead of ours."""
        seconds = max(0.0, seconds)
        self.classes[bisect_left(DELAY_BOUNDS, seconds)] += 1
        self.total += seconds


@dataclass(slots=True)
class StreamCounters:
    """Counts since the process started. The last two fields describe the present."""

    opened: int = 0
    #: Refused streams, by code.
    refused: Counter[str] = field(default_factory=Counter)
    #: Ended streams, by reason, including those that were cut off.
    ended: Counter[str] = field(default_factory=Counter)
    #: Streams that the server ended because of a problem, by reason. `lagged`: the subscriber needed an event that is no longer
    #: in the ring. `stalled`, `given_up`, `failed`: the connection did not take the bytes, or raised.
    dropped: Counter[str] = field(default_factory=Counter)
    resets: int = 0
    events: int = 0
    deliveries: int = 0
    bytes: int = 0
    heartbeats: int = 0
    delays: Delays = field(default_factory=Delays)
    #: Reads without a hint that found events. A growing count means that hints are lost.
    found_unasked: int = 0
    #: How many times the tailer stopped at a gap in the log.
    holds: int = 0
    #: Reads of the log that failed.
    failures: int = 0
    #: Whether the tailer waits at a gap now.
    holding: bool = False
    #: Events that the log had at the last read and that were not published yet.
    lag: int = 0

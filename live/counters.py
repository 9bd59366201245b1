"""What the stream counts, as plain attributes; it must not know who reads them."""

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

#: Upper bounds, in seconds, of the classes that delays are counted in; the last class has none.
DELAY_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


@dataclass(slots=True)
class Delays:
    """How long events took from their decision to the readers, counted by class; `total` is in seconds."""

    classes: list[int] = field(default_factory=lambda: [0] * (len(DELAY_BOUNDS) + 1))
    total: float = 0.0

    def count(self, seconds: float) -> None:
        """Count one event. Below nothing is nothing: the clock of who decided may be ahead of the one here."""
        seconds = max(0.0, seconds)
        self.classes[bisect_left(DELAY_BOUNDS, seconds)] += 1
        self.total += seconds


@dataclass(slots=True)
class StreamCounters:
    """Counts since the process began, but for the last two, which are now."""

    opened: int = 0
    #: Admissions refused, by code.
    refused: Counter[str] = field(default_factory=Counter)
    #: Streams over, by reason, cut off or not.
    ended: Counter[str] = field(default_factory=Counter)
    #: Streams that were cut off (`stalled`, `lagged`, `given_up`, `failed`), by reason.
    dropped: Counter[str] = field(default_factory=Counter)
    resets: int = 0
    events: int = 0
    deliveries: int = 0
    bytes: int = 0
    heartbeats: int = 0
    delays: Delays = field(default_factory=Delays)
    #: Readings of the log that found events though no hint had come: hints are being lost.
    found_unasked: int = 0
    #: Times that the tailer began to hold before a gap in the log.
    holds: int = 0
    #: Readings of the log that failed.
    failures: int = 0
    #: Whether the tailer is holding before a gap now.
    holding: bool = False
    #: Events that the log had, at its last reading, and the readers had not.
    lag: int = 0

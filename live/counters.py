"""What the stream counts, as plain attributes; it must not know who reads them."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class StreamCounters:
    """Counts since the process began, but for the last two, which are now."""

    opened: int = 0
    #: Admissions refused, by code.
    refused: Counter[str] = field(default_factory=Counter)
    #: Streams over, by reason, cut off or not.
    ended: Counter[str] = field(default_factory=Counter)
    #: Streams that were cut off (`stalled`, `lagged`, `failed`), by reason.
    dropped: Counter[str] = field(default_factory=Counter)
    resets: int = 0
    events: int = 0
    deliveries: int = 0
    bytes: int = 0
    heartbeats: int = 0
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

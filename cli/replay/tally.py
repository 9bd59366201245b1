"""Counts the requests and answers of a replay."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class ReplayTally:
    """Counts of requests and answers. Latencies are in milliseconds and cover only the last send of a request."""

    requested: int = 0
    granted: int = 0
    retried: int = 0
    completed: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    #: Sends with an unknown answer.
    undecided: int = 0
    #: Unexpected statuses, and requests that were never answered.
    errors: Counter[str] = field(default_factory=Counter)
    start_ms: list[float] = field(default_factory=list)
    complete_ms: list[float] = field(default_factory=list)
    #: Of a generated day: the answered commands by name, and those that could not be sent because an earlier one was refused.
    commands: Counter[str] = field(default_factory=Counter)
    skipped: int = 0
    #: Of a generated day: patients who came, and were neither seen, nor have left, nor are on the board.
    lost_patients: list[int] = field(default_factory=list)
    #: The longest time in seconds between the planned time of a start and its sending.
    max_start_lateness: float = 0.0

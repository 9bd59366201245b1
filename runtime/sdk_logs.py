"""Sends the log of Temporal's SDK through Python's logging, so that its lines look like all others.

The core of the SDK is written in Rust. By default it prints its own lines, with colours.
"""

import logging
from functools import cache

from temporalio import activity, workflow
from temporalio.runtime import LogForwardingConfig, LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter

CORE_LOGGER = "temporalio.core"


@cache
def redirect() -> None:
    """Redirect the log for this process. Call it before the process connects to Temporal. A second call changes nothing."""
    forwarding = LogForwardingConfig(
        logging.getLogger(CORE_LOGGER),
        append_target_to_name=False,
        prepend_target_on_message=False,
        append_log_fields_to_message=False,
    )
    levels = TelemetryFilter(core_level="WARN", other_level="ERROR")
    Runtime.set_default(Runtime(telemetry=TelemetryConfig(logging=LoggingConfig(levels, forwarding))))
    # The line has these facts as fields (`runtime.logs`). Python's text of them in the message could not be searched.
    workflow.logger.workflow_info_on_message = False
    activity.logger.activity_info_on_message = False

"""Temporal's development server with time skipping, for the tests and for recording histories."""

from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from patient_visit_engine.runtime import dev_server
from patient_visit_engine.workflows.visit_client import PATIENT_ID, VISIT_DAY
from patient_visit_engine.workflows.visit_display import CONSULTATION_OPEN_SINCE, DOCTOR_ID, VISIT_STATE, WAITING_COUNT


async def start_server() -> WorkflowEnvironment:
    """Start a server in memory on a free port, with the settings that `up` uses.

    Start visits inside `with_time_skipping_disabled()`.
    """
    return await WorkflowEnvironment.start_time_skipping_v2(
        data_converter=pydantic_data_converter,
        dev_server_existing_path=str(dev_server.executable()),
        dev_server_extra_args=[
            *dev_server.tuning_arguments(),
            *("--dynamic-config-value", "frontend.WorkflowTimeSkippingEnabled=true"),
        ],
        search_attributes=[PATIENT_ID, VISIT_DAY, VISIT_STATE, DOCTOR_ID, CONSULTATION_OPEN_SINCE, WAITING_COUNT],
        dev_server_log_level="error",
        # Recorded histories contain it. The default is the name of the machine, which does not belong there.
        identity="tests",
    )

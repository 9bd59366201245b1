"""Builds the Temporal worker."""

from datetime import timedelta

from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker, WorkflowRunner

from patient_visit_engine.activities.ledger import Ledger, LedgerActivities
from patient_visit_engine.worker.visit_places import visit_tuner
from patient_visit_engine.workflows.message_guard import MessageGuard
from patient_visit_engine.workflows.patient_visit import PatientVisit

# How long messages in progress may take after SIGTERM. After that, another worker repeats the unfinished messages.
SHUTDOWN_TIMEOUT = timedelta(seconds=10)
CACHED_VISITS = 2_000
# How long a message waits for the worker that has its visit in memory. After that, any worker rebuilds the visit from its history.
# Ten seconds, Temporal's default, is how long the visits of a killed worker would not answer. With much less, a busy worker would
# lose the messages that wait for it, and rebuild visits that it has in memory.
CACHED_VISIT_WAIT = timedelta(seconds=1)


def build(
    client: Client,
    task_queue: str,
    ledger: Ledger,
    *,
    max_cached_workflows: int = CACHED_VISITS,
    workflow_runner: WorkflowRunner | None = None,
) -> Worker:
    """A worker that keeps visits in memory between messages.

    When it has dropped a visit from memory, it rebuilds the visit from its history.

    Temporal's sandbox is off, because it costs a sixth of the throughput. docs/architecture.md says what replaces it.
    """
    activities = LedgerActivities(ledger)
    return Worker(
        client,
        task_queue=task_queue,
        workflows=[PatientVisit],
        activities=[activities.record_decision, activities.load_facts],
        workflow_runner=workflow_runner or UnsandboxedWorkflowRunner(),
        max_cached_workflows=max_cached_workflows,
        tuner=visit_tuner(),
        graceful_shutdown_timeout=SHUTDOWN_TIMEOUT,
        sticky_queue_schedule_to_start_timeout=CACHED_VISIT_WAIT,
        interceptors=[MessageGuard()],
    )

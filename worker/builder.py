"""Builds the Temporal worker from its parts; it must not know where the parts come from."""

from datetime import timedelta

from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker, WorkflowRunner

from patient_visit_engine.activities.ledger import Ledger, LedgerActivities
from patient_visit_engine.workflows.patient_visit import PatientVisit

# How long messages under way may take after SIGTERM; what is cut off then is run again by another worker.
GRACE = timedelta(seconds=10)
CACHED_VISITS = 2_000


def build(
    client: Client,
    task_queue: str,
    ledger: Ledger,
    *,
    max_cached_workflows: int = CACHED_VISITS,
    workflow_runner: WorkflowRunner | None = None,
) -> Worker:
    """A worker that keeps visits in memory between messages and rebuilds those it has dropped from their history.

    The sandbox is left out: it costs a sixth of the throughput, and what it would catch (clocks, chance, input and output
    in a decision) the import contracts, the linter and the replay tests catch before.
    """
    activities = LedgerActivities(ledger)
    return Worker(
        client,
        task_queue=task_queue,
        workflows=[PatientVisit],
        activities=[activities.record_decision, activities.load_facts],
        workflow_runner=workflow_runner or UnsandboxedWorkflowRunner(),
        max_cached_workflows=max_cached_workflows,
        graceful_shutdown_timeout=GRACE,
    )

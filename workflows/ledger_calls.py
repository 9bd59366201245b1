"""The calls from a visit to the ledger, as local activities of Temporal."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from patient_visit_engine.visit.names import LOAD_FACTS, RECORD_DECISION
    from patient_visit_engine.visit.record import LedgerEntry, LedgerReply
    from patient_visit_engine.visit.state import Facts

CALL_TIMEOUT = timedelta(seconds=10)
# The retries take about one minute when each call fails immediately. Temporal does not apply a time limit over all attempts of a local
# activity, and a visit that never gives up would fill its history with heartbeats until the server ends it.
RETRIES = RetryPolicy(
    initial_interval=timedelta(milliseconds=50),
    backoff_coefficient=2.0,
    maximum_interval=timedelta(seconds=2),
    maximum_attempts=34,
)


async def record_decision(entry: LedgerEntry) -> LedgerReply:
    """Record the decision. Raises FailureError when the ledger cannot be reached or rejects the entry.

    Temporal calls `activities.ledger.LedgerActivities.record_decision`, in this worker.
    """
    reply: LedgerReply = await workflow.execute_local_activity(
        RECORD_DECISION, entry, result_type=LedgerReply, start_to_close_timeout=CALL_TIMEOUT, retry_policy=RETRIES
    )
    return reply


async def load_facts(patient_id: int) -> Facts:
    """Everything that is open for the patient now. Raises FailureError when the ledger cannot be reached.

    Temporal calls `activities.ledger.LedgerActivities.load_facts`, in this worker.
    """
    facts: Facts = await workflow.execute_local_activity(
        LOAD_FACTS, patient_id, result_type=Facts, start_to_close_timeout=CALL_TIMEOUT, retry_policy=RETRIES
    )
    return facts

"""The calls from a visit to the ledger, as local activities of Temporal, and the pauses while the ledger is away.

A local activity that takes longer than a workflow task adds three events to the history every four seconds, and so do its retries.
A history that grows all through an outage would end with the visit. So only the first call of an outage is retried for a while.
"""

from datetime import timedelta
from typing import TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError, FailureError

with workflow.unsafe.imports_passed_through():
    from patient_visit_engine.visit.facts import Facts
    from patient_visit_engine.visit.names import LOAD_FACTS, RECORD_DECISION
    from patient_visit_engine.visit.record import LedgerEntry, LedgerReply, UnrecordableError

T = TypeVar("T")
CALL_TIMEOUT = timedelta(seconds=10)
# The retries take nine seconds when each call fails immediately, because a client waits for ten (`VISIT_DECISION_TIMEOUT`). Temporal
# does not apply a time limit over all attempts of a local activity.
RETRIES = RetryPolicy(
    initial_interval=timedelta(milliseconds=50),
    backoff_coefficient=2.0,
    maximum_interval=timedelta(seconds=2),
    maximum_attempts=10,
)
#: While the ledger is away, a client gets 503 immediately and repeats its request.
SINGLE_ATTEMPT = RetryPolicy(maximum_attempts=1)
#: The pause after the first failed call. Each further pause is twice as long, up to the longest.
FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(minutes=1)
PAUSE_DOUBLINGS = 4


def pause_after(failures: int) -> timedelta:
    """The pause after so many failed calls in a row."""
    pause: timedelta = FIRST_PAUSE * 2 ** min(failures - 1, PAUSE_DOUBLINGS)
    return min(pause, LONGEST_PAUSE)


class LedgerCalls:
    """The ledger, as one run of a visit calls it."""

    def __init__(self) -> None:
        self._failures = 0
        self._takes_decisions = True

    @property
    def is_away(self) -> bool:
        """Whether calls have failed since the ledger worked. After a failed record, only a recorded decision shows that it works."""
        return self._failures > 0

    async def record_decision(self, entry: LedgerEntry) -> LedgerReply:
        """Record the decision. Raises FailureError when the ledger cannot be reached or rejects the entry.

        Temporal calls `activities.ledger.LedgerActivities.record_decision`, in this worker.
        """
        try:
            reply = await self._call(RECORD_DECISION, entry, LedgerReply)
        except FailureError as error:
            self._takes_decisions = self._takes_decisions and _is_answer(error)
            raise
        # For these replies the ledger has written nothing.
        if not (reply.overtaken or reply.expired):
            self._takes_decisions = True
            self._failures = 0
        return reply

    async def load_facts(self, patient_id: int) -> Facts:
        """Everything that is open for the patient now. Raises FailureError when the ledger cannot be reached.

        Temporal calls `activities.ledger.LedgerActivities.load_facts`, in this worker.
        """
        facts = await self._call(LOAD_FACTS, patient_id, Facts)
        # A database that is full, or only a standby, can be read and takes no decision.
        if self._takes_decisions:
            self._failures = 0
        return facts

    async def pause(self) -> None:
        """Wait before the next attempt. A call to the ledger that succeeds in this time ends the pause."""
        try:
            pause = pause_after(self._failures)
            await workflow.wait_condition(
                lambda: not self.is_away, timeout=pause, timeout_summary="next attempt: the ledger is away"
            )
        except TimeoutError:
            return

    async def _call(self, activity: str, argument: object, result_type: type[T]) -> T:
        try:
            result: T = await workflow.execute_local_activity(
                activity,
                argument,
                result_type=result_type,
                start_to_close_timeout=CALL_TIMEOUT,
                retry_policy=SINGLE_ATTEMPT if self.is_away else RETRIES,
            )
        # A local activity raises its own failure, not an `ActivityError`.
        except FailureError as error:
            if not _is_answer(error):
                self._failures += 1
            raise
        return result


def _is_answer(error: FailureError) -> bool:
    """Whether the ledger is there, and rejects this entry only."""
    return isinstance(error, ApplicationError) and error.type == UnrecordableError.__name__

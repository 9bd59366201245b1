"""What is known of a decision after its commit, for the worker's log."""

from dataclasses import dataclass
from datetime import timedelta
from time import perf_counter

from patient_visit_engine.storage.ledger.stored_state import StoredState
from patient_visit_engine.visit.record import LedgerEntry
from patient_visit_engine.wire.answers import RenderedAnswer


@dataclass(frozen=True)
class RecordedDecision:
    """A new decision. It has no names.

    `status` and `code` are those of the stored answer: `code` is None unless the command was refused, and both are None when a timer
    decided. `duration` begins when the API got the request, on the database's clock, or else when the ledger had the patient's lock.
    `retries` is how often the command was decided, or the decision was written, without success before.
    """

    entry: LedgerEntry
    status: int | None
    code: str | None
    duration: timedelta
    retries: int


@dataclass(frozen=True)
class Receipt:
    """The answer that a transaction has stored, and the state that it has read."""

    stored: StoredState
    answer: RenderedAnswer | None

    def describe(self, entry: LedgerEntry, attempt: int) -> RecordedDecision:
        """The decision, immediately after the commit. `attempt` counts the ledger's own attempts from 0."""
        duration = timedelta(seconds=perf_counter() - self.stored.read_at)
        row = self.stored.request_row
        if row is not None and row.request.asked_at is not None:
            duration += max(row.now - row.request.asked_at, timedelta(0))
        body = None if self.answer is None else self.answer.body
        return RecordedDecision(
            entry=entry,
            status=None if self.answer is None else self.answer.status,
            code=None if body is None else body.get("code"),
            duration=duration,
            retries=entry.retries + attempt,
        )

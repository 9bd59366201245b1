"""The ledger as Temporal activities. They depend on the `Ledger` protocol only, so they import no SQL."""

import asyncio
from typing import Protocol

from temporalio import activity
from temporalio.exceptions import ApplicationError

from patient_visit_engine.visit.facts import Facts
from patient_visit_engine.visit.names import LOAD_FACTS, RECORD_DECISION
from patient_visit_engine.visit.record import LedgerEntry, LedgerReply, UnrecordableError

#: How long a call may take. A call that hangs, behind a lock that a person has forgotten, keeps its visit among the few on which the
#: worker works at the same time (`worker.visit_places`). So it is not repeated: the visit pauses, and others go on.
LONGEST_CALL_SECONDS = 8.0


class Ledger(Protocol):
    """Stores the open facts of each patient, the answers, the timeline and the event log in one database."""

    async def load(self, patient_id: int) -> Facts:
        """Everything that is open for the patient now."""

    async def record(self, entry: LedgerEntry) -> LedgerReply:
        """Write the decision, its events and its answer in one transaction. A repeated call writes nothing.

        When the patient's facts or the appointment have changed since the decision, nothing is written, and the reply is
        `overtaken` with the facts as they are. Raises `UnrecordableError` when the entry can never be recorded.
        """


class LedgerActivities:
    """The activities that a worker registers."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    @activity.defn(name=RECORD_DECISION)
    async def record_decision(self, entry: LedgerEntry) -> LedgerReply:
        """Record one decision; see `Ledger.record`."""
        if (earlier_attempts := activity.info().attempt - 1) > 0:
            entry = entry.model_copy(update={"retries": entry.retries + earlier_attempts})
        try:
            async with asyncio.timeout(LONGEST_CALL_SECONDS):
                return await self._ledger.record(entry)
        except Exception as error:  # noqa: BLE001 - the text of an error must not enter the history
            raise _without_text(error) from None

    @activity.defn(name=LOAD_FACTS)
    async def load_facts(self, patient_id: int) -> Facts:
        """Read the patient's facts; see `Ledger.load`."""
        try:
            async with asyncio.timeout(LONGEST_CALL_SECONDS):
                return await self._ledger.load(patient_id)
        except Exception as error:  # noqa: BLE001 - the text of an error must not enter the history
            raise _without_text(error) from None


def _without_text(error: Exception) -> ApplicationError:
    """The failure for Temporal, with the error's class only.

    The text of a database error can quote a row, and failures stay in the visit's history.
    """
    activity.logger.warning("ledger call failed", extra={"fault": type(error).__name__}, exc_info=None)
    # Retries of an entry that can never be recorded would block the visit for everyone else, and those of a call that hangs all visits.
    is_final = isinstance(error, UnrecordableError | TimeoutError)
    return ApplicationError("the ledger call failed", type=type(error).__name__, non_retryable=is_final)

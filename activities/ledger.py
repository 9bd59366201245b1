"""The two things that a visit asks of the ledger, as activities; it must not know how or where the ledger keeps them."""

from typing import Protocol

from temporalio import activity
from temporalio.exceptions import ApplicationError

from patient_visit_engine.visit.names import LOAD_FACTS, RECORD_DECISION
from patient_visit_engine.visit.record import LedgerEntry, Recorded, UnrecordableError
from patient_visit_engine.visit.state import Facts


class Ledger(Protocol):
    """What is open for each patient, and the log of what happened, kept together."""

    async def load(self, patient_id: int) -> Facts:
        """Everything open for the patient now."""

    async def record(self, entry: LedgerEntry) -> Recorded:
        """Write the decision, its events and its answer in one transaction, once however often it is asked.

        When the patient's facts or the appointment are not those the decision was based on, nothing is written
        and the answer is `overtaken`, with the facts as they are. Raises `UnrecordableError` for what can never be recorded.
        """


class LedgerActivities:
    """The ledger, as a worker offers it to its visits."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    @activity.defn(name=RECORD_DECISION)
    async def record_decision(self, entry: LedgerEntry) -> Recorded:
        """Record one decision; see `Ledger.record`."""
        try:
            return await self._ledger.record(entry)
        except Exception as fault:  # noqa: BLE001 - whatever it is, its words stay out of the history
            raise _nameless(fault) from None

    @activity.defn(name=LOAD_FACTS)
    async def load_facts(self, patient_id: int) -> Facts:
        """Read the patient's facts; see `Ledger.load`."""
        try:
            return await self._ledger.load(patient_id)
        except Exception as fault:  # noqa: BLE001 - whatever it is, its words stay out of the history
            raise _nameless(fault) from None


def _nameless(fault: Exception) -> ApplicationError:
    """The fault by its kind alone: a database's own words can quote a row, and failures stay in the visit's history."""
    activity.logger.warning("ledger call failed", extra={"fault": type(fault).__name__}, exc_info=None)
    # Tried again and again, what can never be recorded would hold the visit's lock against everybody else.
    hopeless = isinstance(fault, UnrecordableError)
    return ApplicationError("the ledger did not answer", type=type(fault).__name__, non_retryable=hopeless)

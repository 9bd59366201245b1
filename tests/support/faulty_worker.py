"""A worker that halts just before or after its next commit, so that a test can kill it at that place.

It is the real worker with another ledger. That ledger creates a file `halted` in the data directory and then waits forever:
`before-commit` when it gets a decision to record, `after-commit` when the decision is in the database but not yet returned.

Usage: `faulty_worker.py before-commit|after-commit`.
"""

import asyncio
import sys
from datetime import timedelta
from pathlib import Path

from patient_visit_engine.activities import ledger as ledger_activities
from patient_visit_engine.runtime import temporal
from patient_visit_engine.runtime.settings import Settings, load_settings
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.ledger.recording import SqlLedger
from patient_visit_engine.visit.facts import Facts
from patient_visit_engine.visit.record import LedgerEntry, LedgerReply
from patient_visit_engine.worker.builder import build
from patient_visit_engine.workflows import ledger_calls

#: A halted call does not end before the kill, also on a busy machine.
HALT = timedelta(hours=1)


class HaltingLedger:
    """The real ledger, which halts at `fault`."""

    def __init__(self, ledger: SqlLedger, fault: str, mark: Path) -> None:
        self._ledger = ledger
        self._fault = fault
        self._mark = mark

    async def load(self, patient_id: int) -> Facts:
        return await self._ledger.load(patient_id)

    async def record(self, entry: LedgerEntry) -> LedgerReply:
        if self._fault == "before-commit":
            await self._halt()
        recorded = await self._ledger.record(entry)
        if self._fault == "after-commit" and not recorded.overtaken:
            await self._halt()
        return recorded

    async def _halt(self) -> None:
        self._mark.touch()
        await asyncio.Event().wait()


async def run(settings: Settings, fault: str) -> None:
    """Work until the test kills the process."""
    ledger_activities.LONGEST_CALL_SECONDS = HALT.total_seconds()
    ledger_calls.CALL_TIMEOUT = HALT
    client = await temporal.connect(settings)
    ledger = HaltingLedger(SqlLedger(Database(settings.effective_database_url)), fault, settings.data_dir / "halted")
    async with build(client, settings.task_queue, ledger):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(run(load_settings(), sys.argv[1]))

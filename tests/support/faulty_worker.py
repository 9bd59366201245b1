"""A worker that halts around its next commit, for a test to kill it there: no real part can be stopped at so exact a place.

It is the real worker but for its ledger, which writes a file named `halted` in the data directory and waits for the end:
`before-commit` when it is asked to record something, `after-commit` once that is in the database and before anybody hears of it.
"""

import asyncio
import sys
from pathlib import Path

from patient_visit_engine.runtime import temporal
from patient_visit_engine.runtime.settings import Settings, load
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.ledger.recording import Ledger
from patient_visit_engine.visit.record import LedgerEntry, Recorded
from patient_visit_engine.visit.state import Facts
from patient_visit_engine.worker.builder import build


class HaltingLedger:
    """The ledger up to the place where it halts."""

    def __init__(self, ledger: Ledger, fault: str, mark: Path) -> None:
        self._ledger = ledger
        self._fault = fault
        self._mark = mark

    async def load(self, patient_id: int) -> Facts:
        return await self._ledger.load(patient_id)

    async def record(self, entry: LedgerEntry) -> Recorded:
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
    client = await temporal.connect(settings)
    ledger = HaltingLedger(Ledger(Database(settings.database)), fault, settings.data_dir / "halted")
    async with build(client, settings.task_queue, ledger):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(run(load(), sys.argv[1]))

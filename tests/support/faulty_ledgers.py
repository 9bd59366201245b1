"""A ledger that a test can make late, absent or forgetful; it must not know what is recorded."""

import asyncio

from patient_visit_engine.activities.ledger import Ledger
from patient_visit_engine.visit.record import LedgerEntry, Recorded
from patient_visit_engine.visit.state import Facts

#: What a database might say when it fails: it quotes the row.
INDISCREET = "duplicate key: (Zebulon, Quarterpole, forgot to sign out)"


class FaultyLedger:
    """The real ledger behind a door that can be shut; it fails as often as it is told to, before or after the commit."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._door = asyncio.Event()
        self._door.set()
        self.waiting = 0
        self.fails = 0
        self.loses_answers = 0

    def shut(self) -> None:
        """Whoever asks from now on waits at the door."""
        self._door.clear()

    def reopen(self) -> None:
        """All who wait go in."""
        self._door.set()

    async def load(self, patient_id: int) -> Facts:
        """Read the facts, as the real one does."""
        await self._enter()
        return await self._ledger.load(patient_id)

    async def record(self, entry: LedgerEntry) -> Recorded:
        """Record the entry, as the real one does."""
        await self._enter()
        recorded = await self._ledger.record(entry)
        if self.loses_answers > 0:
            self.loses_answers -= 1
            raise ConnectionResetError(INDISCREET)
        return recorded

    async def _enter(self) -> None:
        if self.fails > 0:
            self.fails -= 1
            raise ConnectionRefusedError(INDISCREET)
        self.waiting += 1
        try:
            await self._door.wait()
        finally:
            self.waiting -= 1

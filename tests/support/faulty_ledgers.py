"""A ledger that a test can block, make fail, or make lose its answers."""

import asyncio
from datetime import date

from patient_visit_engine.activities.ledger import Ledger
from patient_visit_engine.visit.facts import Facts
from patient_visit_engine.visit.record import LedgerEntry, LedgerReply

#: An error text as a database may write it: it quotes the row.
ERROR_WITH_NAMES = "duplicate key: (Zebulon, Quarterpole, forgot to sign out)"


class FaultyLedger:
    """The real ledger with faults that a test switches on.

    The next `failures` calls fail before the commit. The next `lost_answers` records fail after the commit. While `read_only` is true,
    every record fails. While `overtakes` is true, every record is overtaken.
    `waiting` is the number of calls that are blocked now, and `failed` the number of calls that failed.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._open = asyncio.Event()
        self._open.set()
        self._blocked_day: date | None = None
        self.waiting = 0
        self.failures = 0
        self.lost_answers = 0
        self.overtakes = False
        self.read_only = False
        self.failed = 0

    def block(self, day: date | None = None) -> None:
        """Make every later call wait; with `day`, only the decisions of that day's visit."""
        self._blocked_day = day
        self._open.clear()

    def unblock(self) -> None:
        """Let all waiting calls continue."""
        self._open.set()

    async def load(self, patient_id: int) -> Facts:
        """Read the facts from the real ledger."""
        await self._enter(None)
        return await self._ledger.load(patient_id)

    async def record(self, entry: LedgerEntry) -> LedgerReply:
        """Record the entry in the real ledger."""
        await self._enter(entry.day)
        if self.overtakes:
            return LedgerReply(facts=await self._ledger.load(entry.patient_id), overtaken=True)
        if self.read_only:
            self.failed += 1
            raise PermissionError(ERROR_WITH_NAMES)
        recorded = await self._ledger.record(entry)
        if self.lost_answers > 0:
            self.lost_answers -= 1
            self.failed += 1
            raise ConnectionResetError(ERROR_WITH_NAMES)
        return recorded

    async def _enter(self, day: date | None) -> None:
        if self.failures > 0:
            self.failures -= 1
            self.failed += 1
            raise ConnectionRefusedError(ERROR_WITH_NAMES)
        if self._blocked_day not in (None, day):
            return
        self.waiting += 1
        try:
            await self._open.wait()
        finally:
            self.waiting -= 1

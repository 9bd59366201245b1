"""Stands in for the visits in Temporal, for tests of what the sweep sends and when."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import date, datetime

from patient_visit_engine.visit.codes import RescueReason
from patient_visit_engine.visit.commands import Command, SystemCommand
from patient_visit_engine.visit.patient_commands import Adopt
from patient_visit_engine.visit.visit_messages import Reply
from patient_visit_engine.workflows.visit_client import VisitClient
from patient_visit_engine.workflows.visit_rescue import VisitRescue


class RecordedVisits(VisitClient):
    """Counts the messages to each patient. A message to a patient in `silent` is never answered; one in `errors` raises.

    A request in `silent_requests` is never answered; one in `errors_of_requests` raises.

    While `closed` is set, every message waits.
    """

    def __init__(self) -> None:
        #: The patients to whom a message was sent, in order.
        self.sent: list[int] = []
        self.adopted: list[int] = []
        self.opened: list[int] = []
        self.request_ids: list[str | None] = []
        self.silent: set[int] = set()
        self.silent_requests: set[str] = set()
        self.errors: dict[int, Exception] = {}
        self.errors_of_requests: dict[str, Exception] = {}
        self.waiting: Counter[int] = Counter()
        self.most_waiting = 0
        self.most_waiting_of_one_patient = 0
        self._open = asyncio.Event()
        self._open.set()

    def block(self) -> None:
        """Make every later message wait."""
        self._open.clear()

    def unblock(self) -> None:
        """Answer the waiting messages."""
        self._open.set()

    async def send(
        self, patient_id: int, day: date, command: Command | SystemCommand, update_id: str | None = None
    ) -> Reply:
        """Record the message."""
        if isinstance(command, Adopt):
            self.adopted.append(patient_id)
        else:
            self.request_ids.append(update_id)
        await self._receive(patient_id, is_silent=update_id in self.silent_requests)
        if update_id in self.errors_of_requests:
            raise self.errors_of_requests[update_id]
        return Reply(decided=True)

    async def serve_line(self, patient_id: int, day: date) -> None:
        """Record the message."""
        await self._receive(patient_id)

    async def open(self, patient_id: int, day: date) -> None:
        """Record the opening."""
        self.opened.append(patient_id)
        await self._receive(patient_id)

    async def _receive(self, patient_id: int, *, is_silent: bool = False) -> None:
        self.sent.append(patient_id)
        self.waiting[patient_id] += 1
        self.most_waiting = max(self.most_waiting, self.waiting.total())
        self.most_waiting_of_one_patient = max(self.most_waiting_of_one_patient, self.waiting[patient_id])
        try:
            await (asyncio.Event().wait() if is_silent or patient_id in self.silent else self._open.wait())
            # The other tasks run, as they do while a message is on its way.
            await asyncio.sleep(0)
            if patient_id in self.errors:
                raise self.errors[patient_id]
        finally:
            self.waiting[patient_id] -= 1


class RecordedRescue(VisitRescue):
    """Counts the looks at visits. Each look returns `reason`."""

    def __init__(self) -> None:
        self.looked_at: list[int] = []
        self.reason: RescueReason | None = None
        #: The days before which failed visits were looked for.
        self.days_looked_at: list[date] = []

    async def rescue(self, patient_id: int, day: date, now: datetime) -> RescueReason | None:
        """Record the look."""
        self.looked_at.append(patient_id)
        return self.reason

    async def end_failed_visits(self, before: date) -> AsyncIterator[str]:
        """Record the day, and find none."""
        self.days_looked_at.append(before)
        none: list[str] = []
        for visit in none:
            yield visit

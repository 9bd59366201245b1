"""Sends the messages of the sweep to visits: a limited number at the same time, and one at a time to each patient."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from weakref import WeakValueDictionary

import structlog
from temporalio.client import WorkflowUpdateFailedError

from patient_visit_engine.workflows.update_failures import is_unrecordable
from patient_visit_engine.workflows.visit_rescue import VisitRescue

logger = structlog.get_logger()

#: Messages of one call of `send_all` that wait for their visits at the same time. With fewer, some slow visits would delay all
#: others. With many more, the sweep would take the server's time from the staff.
SIMULTANEOUS_SENDS = 20
#: How long a visit may take to answer, and how long a look at a silent visit may take.
SEND_TIMEOUT = timedelta(seconds=10)


@dataclass(frozen=True)
class VisitMessage:
    """A message to the patient's visit of `day`. `send` returns when the visit has answered, or raises."""

    patient_id: int
    day: date
    send: Callable[[], Awaitable[object]]
    request_id: str | None = None


class MessageSender:
    """Sends the messages of one worker. A visit that does not answer is looked at and, if it cannot decide, rescued."""

    def __init__(self, visit_rescue: VisitRescue, now: Callable[[], datetime]) -> None:
        self._visit_rescue = visit_rescue
        self._now = now
        #: The last request of each patient that got no answer.
        self._last_unanswered: dict[int, str] = {}
        self._patient_locks: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    async def send_all(self, messages: Iterable[VisitMessage]) -> list[VisitMessage]:
        """Send the messages, those of one patient in order. Returns the messages whose decisions can never be recorded.

        Never raises for a message that fails. When a visit does not answer, its other messages wait for the next call.
        """
        messages_of: dict[int, list[VisitMessage]] = {}
        for message in messages:
            messages_of.setdefault(message.patient_id, []).append(message)
        slots = asyncio.Semaphore(SIMULTANEOUS_SENDS)
        async with asyncio.TaskGroup() as tasks:
            results = [
                tasks.create_task(self._send_in_turn(patient_id, in_turn, slots))
                for patient_id, in_turn in messages_of.items()
            ]
        return [message for result in results for message in result.result()]

    async def _send_in_turn(
        self, patient_id: int, messages: list[VisitMessage], slots: asyncio.Semaphore
    ) -> list[VisitMessage]:
        unrecordable: list[VisitMessage] = []
        silent_days: set[date] = set()
        # The lock comes first, so that a task that waits for it takes no slot from other patients.
        async with self._lock_of(patient_id), slots:
            for message in self._after_last_unanswered(patient_id, messages):
                if message.day in silent_days:
                    continue
                error = await self._send(message)
                if error is not None and not is_unrecordable(error) and await self._rescue(patient_id, message.day):
                    error = await self._send(message)
                if error is not None and is_unrecordable(error):
                    unrecordable.append(message)
                elif error is not None:
                    if isinstance(error, WorkflowUpdateFailedError):
                        continue
                    silent_days.add(message.day)
                    if message.request_id is not None:
                        self._last_unanswered[patient_id] = message.request_id
        if not silent_days and any(message.request_id is not None for message in messages):
            self._last_unanswered.pop(patient_id, None)
        return unrecordable

    def _after_last_unanswered(self, patient_id: int, messages: list[VisitMessage]) -> list[VisitMessage]:
        """The messages, first those after the request that got no answer last. It must not hide those after it."""
        request_id = self._last_unanswered.get(patient_id)
        place = next((n for n, message in enumerate(messages, 1) if message.request_id == request_id is not None), 0)
        return messages[place:] + messages[:place]

    def _lock_of(self, patient_id: int) -> asyncio.Lock:
        return self._patient_locks.setdefault(patient_id, asyncio.Lock())

    async def _send(self, message: VisitMessage) -> Exception | None:
        visit = {"patient_id": message.patient_id, "day": str(message.day)}
        try:
            async with asyncio.timeout(SEND_TIMEOUT.total_seconds()):
                await message.send()
        except Exception as error:  # noqa: BLE001 - one message must not end the others
            # A later round tries again.
            logger.warning("command not carried out", **visit, fault=type(error).__name__)
            return error
        if message.request_id is None:
            logger.info("adopt sent to visit", **visit)
        else:
            logger.info("open request sent again", request_id=message.request_id)
        return None

    async def _rescue(self, patient_id: int, day: date) -> bool:
        """Look at the visit. Returns whether it was rescued."""
        try:
            async with asyncio.timeout(SEND_TIMEOUT.total_seconds()):
                reason = await self._visit_rescue.rescue(patient_id, day, self._now())
        except Exception as error:  # noqa: BLE001 - one visit must not end the others
            logger.warning("visit not looked at", patient_id=patient_id, day=str(day), fault=type(error).__name__)
            return False
        if reason is not None:
            logger.warning("visit rescued", patient_id=patient_id, day=str(day), reason=reason.value)
        return reason is not None

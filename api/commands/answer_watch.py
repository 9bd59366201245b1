"""Gives waiting callers their stored answers when these are committed, before Temporal reports that the update has ended."""

import asyncio
import logging
from collections.abc import Iterator
from typing import Protocol

from patient_visit_engine.storage.database import Database, is_unavailable
from patient_visit_engine.storage.requests import StoredRequest, find_decided_requests

logger = logging.getLogger(__name__)

#: How many ids one statement looks for. A list is filled up to one of these lengths, so that the database prepares few statements.
STATEMENT_LENGTHS = (1, 8, 64, 512)
#: Seconds without a hint after which the watch reads anyway, because hints can be lost.
UNHINTED_READ_SECONDS = 1.0
#: Seconds to wait after a failed read. The callers still get their answers after the update's result.
READ_RETRY_PAUSE_SECONDS = 0.5


class CommitHints(Protocol):
    """Hints that something was committed. A hint may be lost or wrong."""

    async def wait_for_hint(self, within: float) -> bool:
        """Wait for a hint for `within` seconds at most. Return whether one came."""
        ...

    def drop_hints(self) -> None:
        """Forget the hints until now. Raises nothing."""
        ...


class AnswerWatch:
    """The callers of one process who wait for a stored answer. While there are any, one task reads all their answers together.

    The task reads after each hint. Without `hints` it never reads, and callers get no answer from here.
    """

    def __init__(
        self, database: Database, hints: CommitHints | None, unhinted_read_every: float = UNHINTED_READ_SECONDS
    ) -> None:
        self._database = database
        self._hints = hints
        self._unhinted_read_every = unhinted_read_every
        self._callers: dict[str, list[asyncio.Future[StoredRequest | None]]] = {}
        self._task: asyncio.Task[None] | None = None
        self._is_reading = False
        self._is_failing = False

    def expect(self, request_id: str) -> "asyncio.Future[StoredRequest | None]":
        """A future that gets the answer once it is stored. The caller may set it, and must pass it to `forget` in the end.

        Call this before the command is sent: an answer that is already stored is seen only after the next hint.
        """
        answer: asyncio.Future[StoredRequest | None] = asyncio.get_running_loop().create_future()
        if self._hints is not None:
            self._callers.setdefault(request_id, []).append(answer)
            if self._task is None:
                # Of commits while no one waited.
                self._hints.drop_hints()
                self._task = asyncio.create_task(self._follow(self._hints))
        return answer

    def forget(self, request_id: str, answer: "asyncio.Future[StoredRequest | None]") -> None:
        """Stop waiting for this answer."""
        callers = self._callers.get(request_id)
        if callers is not None and answer in callers:
            callers.remove(answer)
            if not callers:
                del self._callers[request_id]
        # A read is not cancelled, because that would cost its connection to the database.
        if not self._callers and not self._is_reading:
            self.close()

    def close(self) -> None:
        """End the task."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _follow(self, hints: CommitHints) -> None:
        """Read after each hint, while anyone waits."""
        while self._callers:
            try:
                await hints.wait_for_hint(self._unhinted_read_every)
                await self._read_answers()
                self._is_failing = False
            except Exception as error:
                if not self._is_failing:
                    # An outage needs no traceback.
                    logger.warning(
                        "stored answers cannot be read, so callers wait for the update's result",
                        extra={"error": type(error).__name__},
                        exc_info=not is_unavailable(error),
                    )
                self._is_failing = True
                await asyncio.sleep(READ_RETRY_PAUSE_SECONDS)
        self._task = None

    async def _read_answers(self) -> None:
        self._is_reading = True
        try:
            for request_ids in _split(list(self._callers)):
                stored = await self._database.read_inline(find_decided_requests, request_ids)
                for request_id, answer in stored.items():
                    self._give(request_id, answer)
        finally:
            self._is_reading = False

    def _give(self, request_id: str, stored: StoredRequest) -> None:
        for answer in self._callers.pop(request_id, ()):
            if not answer.done():
                answer.set_result(stored)


def _split(request_ids: list[str]) -> Iterator[list[str]]:
    """The ids in lists for one statement each."""
    longest = STATEMENT_LENGTHS[-1]
    for start in range(0, len(request_ids), longest):
        part = request_ids[start : start + longest]
        length = next(length for length in STATEMENT_LENGTHS if length >= len(part))
        yield [*part, *(part[-1:] * (length - len(part)))]

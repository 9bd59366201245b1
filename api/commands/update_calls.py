"""Sends commands as updates. Each caller gets its stored answer at the commit, or after the update's result: what comes first."""

import asyncio
from collections.abc import Callable
from datetime import date
from functools import partial
from typing import Protocol
from uuid import uuid4

from patient_visit_engine.api.commands.answer_watch import AnswerWatch
from patient_visit_engine.api.commands.undecided import leaves_undecided
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.requests import StoredRequest, find_request
from patient_visit_engine.visit.commands import Command, patient_of
from patient_visit_engine.visit.request import Request
from patient_visit_engine.visit.visit_messages import Reply

#: Calls that go on after their callers have been answered. Further ones are cancelled, which costs the visit nothing.
MAX_CALLS_LEFT = 1_000
#: Seconds to look for a stored answer after the update has failed.
FIND_DESPITE_ERROR_SECONDS = 1.0


class VisitSender(Protocol):
    """The methods that the command path uses of `workflows.visit_client.VisitClient`."""

    async def send(self, patient_id: int, day: date, command: Command, update_id: str | None = None) -> Reply: ...

    async def signal(self, patient_id: int, day: date, command: Command) -> None: ...

    async def end_retired(self, patient_id: int, day: date) -> None: ...


class UpdateCalls:
    """The updates that one process sends. A call may take `within` seconds.

    A caller who is answered at the commit leaves its call behind. Such a call ends by itself, milliseconds later. It is not
    cancelled, because a proxy in front of Temporal may take many cancelled calls for an attack, and close the connection.

    `count_answer` counts an answer by what came first: `commit` or `update`.
    """

    def __init__(
        self,
        database: Database,
        visits: VisitSender,
        watch: AnswerWatch,
        within: float,
        count_answer: Callable[[str], None],
    ) -> None:
        self._database = database
        self._visits = visits
        self._watch = watch
        self._within = within
        self._count_answer = count_answer
        self._calls_left: set[asyncio.Task[None]] = set()

    async def send_and_find(self, command: Command, day: date) -> StoredRequest | None:
        """Send the command, and return its stored answer. None when the visit has decided and the ledger has no answer.

        Raises the errors of `send`, when there is no stored answer.
        """
        try:
            stored = await self._answer_at_commit(command, day)
        except Exception as error:
            if (stored := await self._find_despite(error, command.request)) is None:
                raise
            self._count_answer("update")
            return stored
        if stored is not None:
            self._count_answer("commit")
            return stored
        stored = await self._find_after_update(command, day)
        if stored is not None:
            self._count_answer("update")
        return stored

    async def send_attempt(self, command: Command, day: date, within: float) -> StoredRequest | str | None:
        """Send a command, the refusal of which is not stored. Returns the stored answer, or the code of the refusal.

        The visit may take `within` seconds.

        None when the visit has decided and the ledger has no answer. Raises as `send_and_find`.
        """
        # With the request's id, the visit would repeat the reply to the attempt before.
        update_id = f"{command.request.id}/{uuid4().hex}"
        try:
            async with asyncio.timeout(within):
                reply = await self._visits.send(patient_of(command), day, command, update_id)
        except Exception as error:
            if (stored := await self._find_despite(error, command.request)) is None:
                raise
            self._count_answer("update")
            return stored
        if reply.answer == "refused" and reply.code is not None:
            # If two requests with one key try at the same time, the other one may have its answer.
            return await self._find_decided(command.request) or reply.code
        stored = await self._find_decided(command.request)
        if stored is not None:
            self._count_answer("update")
        return stored

    async def close(self) -> None:
        """End the watch, and cancel the calls that are left."""
        self._watch.close()
        calls = list(self._calls_left)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)

    async def _answer_at_commit(self, command: Command, day: date) -> StoredRequest | None:
        """Send the command, and return its stored answer, or None when the update's result comes first."""
        request_id = command.request.id
        answer = self._watch.expect(request_id)
        call = asyncio.create_task(self._call(command, day))
        call.add_done_callback(partial(_end_wait, answer))
        try:
            stored = await answer
        except BaseException:
            # The caller has given up.
            call.cancel()
            self._leave(call)
            raise
        finally:
            self._watch.forget(request_id, answer)
        if stored is None:
            await call
        else:
            self._leave(call)
        return stored

    async def _find_after_update(self, command: Command, day: date) -> StoredRequest | None:
        stored = await self._find_decided(command.request)
        if stored is None:
            # After a restore from a backup, the ledger may lack an answer that the visit has already given. For a known
            # update id the visit only repeats its reply. So send the command without the id: the visit then decides again.
            await self._visits.send(patient_of(command), day, command)
            stored = await self._find_decided(command.request)
        return stored

    async def _call(self, command: Command, day: date) -> None:
        async with asyncio.timeout(self._within):
            await self._visits.send(patient_of(command), day, command, command.request.id)

    def _leave(self, call: asyncio.Task[None]) -> None:
        if len(self._calls_left) >= MAX_CALLS_LEFT:
            call.cancel()
        # Also then: asyncio itself has no strong reference to a task.
        self._calls_left.add(call)
        call.add_done_callback(self._calls_left.discard)

    async def _find_despite(self, error: Exception, request: Request) -> StoredRequest | None:
        """The stored answer, when the update has failed after the commit and the watch has not seen it."""
        if not leaves_undecided(error):
            return None
        try:
            # The caller knows the error already, and must not wait for a database that is silent.
            async with asyncio.timeout(FIND_DESPITE_ERROR_SECONDS):
                return await self._find_decided(request)
        except Exception:  # noqa: BLE001 - the caller raises the update's error, which shows the reason
            return None

    async def _find_decided(self, request: Request) -> StoredRequest | None:
        """The stored request, when it is decided."""
        stored = await self._database.read_inline(find_request, request.id)
        return stored if stored is not None and stored.decided else None


def _end_wait(answer: "asyncio.Future[StoredRequest | None]", call: asyncio.Task[None]) -> None:
    # Read the error of each call: asyncio would log that it was never retrieved.
    if not call.cancelled():
        call.exception()
    if not answer.done():
        answer.set_result(None)

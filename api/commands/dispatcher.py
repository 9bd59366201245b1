"""The one path of a command through the API: resolve the request, send the command to its visit, return the stored answer."""

import asyncio
import json
import logging
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import date, datetime, timedelta
from functools import partial
from typing import TypeVar

from pydantic import BaseModel
from sqlalchemy import Connection
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from patient_visit_engine.api.access.sessions import Caller
from patient_visit_engine.api.commands.caller_ids import CallerIds
from patient_visit_engine.api.commands.command_budget import CommandBudget
from patient_visit_engine.api.commands.idempotency import (
    check_same_request,
    identify_request,
    request_path,
    request_state,
    stored_response,
)
from patient_visit_engine.api.commands.prepared_requests import PreparedRequest, find_or_look_up
from patient_visit_engine.api.commands.undecided import (
    SentCommand,
    Undecided,
    UndecidedReason,
    UnsentCall,
    leaves_undecided,
    reason_of,
)
from patient_visit_engine.api.commands.update_calls import UpdateCalls, VisitSender
from patient_visit_engine.api.commands.validity import for_later, with_expiry
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.requests import open_request
from patient_visit_engine.visit.codes import Role
from patient_visit_engine.visit.commands import Command, ExpiringCommand, patient_of
from patient_visit_engine.visit.request import Request
from patient_visit_engine.workflows.visit_errors import DayClosedError

logger = logging.getLogger(__name__)

T = TypeVar("T")
#: Seconds allowed for sending a signal. If Temporal does not accept the signal in this time, the worker's sweep sends it.
SIGNAL_TIMEOUT_SECONDS = 1.0

#: Seconds allowed for storing the time of a request without an answer. The caller waits for it.
NOTE_TIMEOUT_SECONDS = 1.0


class CommandDispatcher:
    """Sends commands to visits, and reads their answers from the database.

    `calls` sends the commands that a caller waits for, `visits` the others.
    `timeout` limits each step: the lookup, a reason to store, and the wait for the decision. `now` returns the current time, aware.
    `start_valid_for` is how long an expiring command is valid after it was asked. `budget` limits the commands of each user.
    """

    def __init__(
        self,
        database: Database,
        visits: VisitSender,
        calls: UpdateCalls,
        timeout: timedelta,
        start_valid_for: timedelta,
        budget: CommandBudget,
        now: Callable[[], datetime],
    ) -> None:
        self._timeout = timeout.total_seconds()
        self._start_valid_for = start_valid_for
        self._database = database
        self._visits = visits
        self._calls = calls
        self._budget = budget
        self._now = now
        self.caller_ids = CallerIds(database)

    async def prepare(
        self, caller: Caller, key: str, http: HttpRequest, body: BaseModel | None, look_up: Callable[[Connection], T]
    ) -> PreparedRequest[T]:
        """Find the earlier response, or else `look_up` what the command needs. The ledger compares it with the tables later.

        The request gets the database's time as `asked_at`. A stored request that is still open keeps its
        first one, unless it was set aside.
        Raises what `look_up` raises, Problem 422 `idempotency_key_reused` and 429 `too_many_commands`, and Undecided.
        """
        # Before the database is used. Otherwise a loop would load it as much as commands do.
        self._budget.spend(caller)
        async with self._database_step(_unsent_call(http, body)):
            request = identify_request(await self.caller_ids.find_or_create(caller), key, http, body)
            if caller.role is Role.service:
                request = request.model_copy(update={"sent_by_feed": True})
            stored, now, looked_up = await self._database.read_inline(find_or_look_up, request.id, look_up)
        if stored is None:
            return PreparedRequest(request.model_copy(update={"asked_at": now}), None, looked_up)
        check_same_request(stored, request)
        asked_at = now if stored.asked_at is None or stored.is_set_aside else stored.asked_at
        asking = {"asked_at": asked_at, "asynchronous": stored.asynchronous}
        earlier_response = stored_response(stored) if stored.decided else None
        return PreparedRequest(request.model_copy(update=asking), earlier_response, looked_up)

    async def dispatch(self, command: Command, day: date) -> Response:
        """Send the command to the patient's visit of `day`, and return the answer that the ledger has stored.

        Raises Undecided when there is no answer within the timeout. The command may still be carried out, once. What starts or
        reserves is carried out only while it is valid.
        """
        command = with_expiry(command, self._start_valid_for)
        sent = SentCommand(command, day)
        try:
            async with self._within_timeout(sent):
                stored = await self._calls.send_and_find(command, day)
        except Undecided as error:
            await self._note_asking(command, error)
            raise
        if stored is None:
            # The visit has decided, but the ledger does not have the answer.
            raise Undecided(UndecidedReason.ledger_away, sent)
        # Two requests with one key can pass `prepare` at the same time. Then this one reads the answer of the other.
        check_same_request(stored, command.request)
        return stored_response(stored)

    async def dispatch_attempt(self, command: Command, day: date, within: timedelta) -> Response | str:
        """Like `dispatch`, for a command whose refusal is not stored. Then it returns the code of the refusal.

        Raises Undecided when the visit has given no answer `within` this time.
        """
        command = with_expiry(command, self._start_valid_for)
        sent = SentCommand(command, day)
        async with self._within_timeout(sent):
            stored = await self._calls.send_attempt(command, day, within.total_seconds())
        if stored is None:
            raise Undecided(UndecidedReason.ledger_away, sent)
        if isinstance(stored, str):
            return stored
        check_same_request(stored, command.request)
        return stored_response(stored)

    async def dispatch_with_reason(self, command: Command, day: date, reason: str | None) -> Response:
        """Like `dispatch`, for a command with a reason. The reason is stored in an open request, where the ledger reads it.

        Without a reason nothing is stored before.
        """
        if reason is None:
            return await self.dispatch(command, day)
        async with self._database_step(SentCommand(command, day)):
            stored = await self._database.write(partial(open_request, reason=reason), command.request, self._now())
        check_same_request(stored, command.request)
        return await self.dispatch(command, day)

    async def write(self, http: HttpRequest, body: BaseModel, function: Callable[[Connection], T]) -> T:
        """Run a transaction of a call on several visits. Raises Undecided when the database does not answer in time."""
        async with self._database_step(_unsent_call(http, body)):
            return await self._database.write(function)

    async def read(self, http: HttpRequest, body: BaseModel, function: Callable[[Connection], T]) -> T:
        """Like `write`, for a query."""
        async with self._database_step(_unsent_call(http, body)):
            return await self._database.read_inline(function)

    async def read_snapshot(self, http: HttpRequest, body: BaseModel | None, function: Callable[[Connection], T]) -> T:
        """Like `read`, for several statements that must see one moment."""
        async with self._database_step(_unsent_call(http, body)):
            return await self._database.read(function)

    async def keep_material(
        self, request: Request, material: str | None, http: HttpRequest, body: BaseModel
    ) -> Request:
        """Store the request with its material, unless it is stored. Returns it with the time at which it was asked first."""
        async with self._database_step(_unsent_call(http, body)):
            stored = await self._database.write(partial(open_request, material=material), request, self._now())
        check_same_request(stored, request)
        return request.model_copy(update={"asked_at": stored.asked_at})

    async def dispatch_later(self, command: Command, day: date, key: str) -> Response:
        """Store the request, send it as a signal, and return 202 with the path of its decision."""
        command = for_later(command)
        async with self._database_step(SentCommand(command, day)):
            stored = await self._database.write(partial(open_request, command=command), command.request, self._now())
        check_same_request(stored, command.request)
        if stored.decided:
            return stored_response(stored)
        try:
            async with self._within_timeout(SentCommand(command, day), SIGNAL_TIMEOUT_SECONDS):
                # When the day has closed, the worker's sweep sends the open request to today's visit, or to tomorrow's.
                with suppress(DayClosedError):
                    await self._visits.signal(patient_of(command), day, command)
        except Undecided:
            logger.warning("request %s waits for the sweep", command.request.id)
        headers = {"Location": request_path(key), "Preference-Applied": "respond-async"}
        return Response(json.dumps(request_state(stored)), 202, headers, "application/json")

    async def end_retired_visit(self, patient_id: int, day: date) -> None:
        """Make the visit of a record that was just retired end now. Later it ends by itself, so it does not matter if this fails."""
        try:
            async with self._within_timeout(None, SIGNAL_TIMEOUT_SECONDS):
                await self._visits.end_retired(patient_id, day)
        except Undecided:
            logger.warning("the visit of retired patient %s ends later", patient_id)

    async def _note_asking(self, command: Command, error: Undecided) -> None:
        """Store when a command without an answer was asked, because a repeat with the same key is asked at that time too.

        Otherwise the repeat of a completion could end a consultation that was reopened after the completion was asked. The repeat of
        a command that expires is asked again.
        """
        if isinstance(command, ExpiringCommand) or error.reason is UndecidedReason.ledger_away:
            return
        try:
            async with self._within_timeout(None, NOTE_TIMEOUT_SECONDS):
                await self._database.write(open_request, command.request, self._now())
        except Undecided:
            logger.warning("the time of request %s is not stored", command.request.id)

    @asynccontextmanager
    async def _database_step(self, call: SentCommand | UnsentCall) -> AsyncIterator[None]:
        """Raise Undecided when the database does not answer in time."""
        try:
            async with self._within_timeout(None):
                yield
        except Undecided:
            raise Undecided(UndecidedReason.ledger_away, call) from None

    @asynccontextmanager
    async def _within_timeout(self, sent: SentCommand | None, at_most: float = math.inf) -> AsyncIterator[None]:
        """Raise Undecided when the time is over, or when Temporal or the database cannot be reached."""
        try:
            async with asyncio.timeout(min(self._timeout, at_most)):
                yield
        except Exception as error:
            if leaves_undecided(error):
                raise Undecided(reason_of(error), sent) from None
            raise


def _unsent_call(http: HttpRequest, body: BaseModel | None) -> UnsentCall:
    ids = {
        name: value for name in ("patient_id", "appointment_id") if isinstance(value := getattr(body, name, None), int)
    }
    return UnsentCall(f"{http.method} {http.url.path}", ids)

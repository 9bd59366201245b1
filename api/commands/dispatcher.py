"""One change from the request to its kept answer, the same for a repeated key; it must not know what is asked, nor decide it."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import Generic, TypeVar

from pydantic import BaseModel
from sqlalchemy import Connection
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from patient_visit_engine.api.access.sessions import Caller
from patient_visit_engine.api.commands.idempotency import address_of, answer_again, check_same, identify
from patient_visit_engine.api.commands.visit_client import VisitClient
from patient_visit_engine.api.problems import Undecided
from patient_visit_engine.storage.callers import find_caller, register_caller
from patient_visit_engine.storage.database import Database, is_unavailable
from patient_visit_engine.storage.requests import KeptRequest, find_request, open_request
from patient_visit_engine.visit.commands import Command, Request

log = logging.getLogger(__name__)

T = TypeVar("T")
#: How many callers' numbers a process remembers.
CALLERS_REMEMBERED = 10_000


@dataclass(frozen=True)
class PreparedRequest(Generic[T]):
    """A request before it is sent: either `again`, the answer that it got before, or what was looked up for it."""

    request: Request
    again: Response | None
    looked_up: T | None

    @property
    def found(self) -> T:
        """What was looked up, where there is no earlier answer."""
        assert self.looked_up is not None
        return self.looked_up


class CommandDispatcher:
    """Asks visits on behalf of callers, and reads the answers from where the ledger keeps them."""

    def __init__(
        self, database: Database, visits: VisitClient, patience: timedelta, now: Callable[[], datetime]
    ) -> None:
        self._patience = patience.total_seconds()
        self._database = database
        self._visits = visits
        self._now = now
        self._numbers: dict[str, int] = {}

    async def begin(
        self, caller: Caller, key: str, http: HttpRequest, body: BaseModel | None, look: Callable[[Connection], T]
    ) -> PreparedRequest[T]:
        """Find the earlier answer, or else `look` up what the command needs, in one read transaction.

        Raises what `look` raises, and Problem 422 `idempotency_key_reused`.
        """
        async with self._in_time():
            request = identify(await self.number_of(caller), key, http, body)
            kept, found = await self._database.glance(_kept_or_found, request.id, look)
        if kept is not None:
            check_same(kept, request)
        return PreparedRequest(request, answer_again(kept) if kept is not None and kept.decided else None, found)

    async def number_if_any(self, caller: Caller) -> int | None:
        """The caller's number, if the caller ever asked for a change."""
        known = self._numbers.get(caller.subject)
        return known if known is not None else await self._database.glance(find_caller, caller.subject)

    async def number_of(self, caller: Caller) -> int:
        """The caller's number, given at the first request."""
        number = await self.number_if_any(caller)
        if number is None:
            number = await self._database.write(register_caller, caller.subject, caller.created_by)
        if len(self._numbers) >= CALLERS_REMEMBERED:
            self._numbers.clear()
        self._numbers[caller.subject] = number
        return number

    async def send(self, command: Command, day: date) -> Response:
        """Have the visit of `day` decide, and give the answer that the ledger keeps. Raises Undecided."""
        async with self._in_time():
            await self._visits.send(command, day=day)
            kept = await self._database.glance(find_request, command.request.id)
            if kept is None or not kept.decided:
                # A visit repeats what it said under this key before, although the ledger, restored from a copy, has lost it.
                await self._visits.send(command, day=day, anew=True)
                kept = await self._database.glance(find_request, command.request.id)
        if kept is None or not kept.decided:
            raise Undecided
        # Two requests with one key can pass `begin` side by side: the one that came second has the other's answer.
        check_same(kept, command.request)
        return answer_again(kept)

    @asynccontextmanager
    async def _in_time(self) -> AsyncIterator[None]:
        """A change is decided within the decision timeout or `Undecided`, whichever part of the system is away."""
        try:
            async with asyncio.timeout(self._patience):
                yield
        except Exception as fault:
            if is_unavailable(fault):
                raise Undecided from None
            raise

    async def send_with_reason(self, command: Command, day: date, reason: str) -> Response:
        """The same, with a text that stays in the database: the ledger finds it at the open request."""
        async with self._in_time():
            kept = await self._database.write(partial(open_request, reason=reason), command.request, self._now())
        check_same(kept, command.request)
        return await self.send(command, day)

    async def send_later(self, command: Command, day: date, key: str) -> Response:
        """Write the request down, hand it over and answer 202 with the address of its decision."""
        async with self._in_time():
            kept = await self._database.write(partial(open_request, command=command), command.request, self._now())
        check_same(kept, command.request)
        if kept.decided:
            return answer_again(kept)
        try:
            await self._visits.send_later(command, day=day)
        except Undecided:
            # Written down, so the promise holds: the worker's sweep sends it.
            log.warning("request %s waits for the sweep", command.request.id)
        headers = {"Location": address_of(key), "Preference-Applied": "respond-async"}
        return Response(json.dumps(standing(kept)), 202, headers, "application/json")


def _kept_or_found(
    connection: Connection, request_id: str, look: Callable[[Connection], T]
) -> tuple[KeptRequest | None, T | None]:
    kept = find_request(connection, request_id)
    return kept, None if kept is not None and kept.decided else look(connection)


def standing(kept: KeptRequest) -> dict[str, object]:
    """Where an asynchronous request stands, with its answer once there is one."""
    return {
        "state": "decided" if kept.decided else "open",
        "status": kept.status,
        "location": kept.location,
        "body": None if kept.body is None else json.loads(kept.body),
    }

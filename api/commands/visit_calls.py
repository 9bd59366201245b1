"""The path of a call that visits decide: from the request to a command, and from its decision to the answer."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from fastapi import Request as HttpRequest
from pydantic import BaseModel
from sqlalchemy import Connection
from starlette.responses import Response

from patient_visit_engine.api.access.sessions import Caller
from patient_visit_engine.api.dependencies import dependencies_of
from patient_visit_engine.visit.commands import Command
from patient_visit_engine.visit.request import Request

T = TypeVar("T")


@dataclass(frozen=True)
class VisitCall:
    """A call with its caller and key. The reason is the text for the patient's timeline, if there is one."""

    http: HttpRequest
    caller: Caller
    key: str
    body: BaseModel | None = None
    reason: str | None = None

    async def send(
        self, look_up: Callable[[Connection], T], build_command: Callable[[Request, T], Command]
    ) -> Response:
        """The answer under the key, or else that of the visit to the command that is built from what `look_up` reads.

        Raises what `look_up` raises, and what `CommandDispatcher` raises.
        """
        dependencies = dependencies_of(self.http)

        async def dispatch(request: Request, looked_up: T) -> Response:
            command = build_command(request, looked_up)
            return await dependencies.dispatcher.dispatch_with_reason(command, dependencies.today(), self.reason)

        return await self.answer(look_up, dispatch)

    async def answer(
        self, look_up: Callable[[Connection], T], decide: Callable[[Request, T], Awaitable[Response]]
    ) -> Response:
        """The answer under the key, or else that of `decide`, which gets what `look_up` reads. This may send several commands."""
        dispatcher = dependencies_of(self.http).dispatcher
        prepared = await dispatcher.prepare(self.caller, self.key, self.http, self.body, look_up)
        if prepared.earlier_response is not None:
            return prepared.earlier_response
        return await decide(prepared.request, prepared.looked_up)

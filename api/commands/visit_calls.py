"""The path of a call that one visit decides: from the request to a command, and from its decision to the answer."""

from collections.abc import Callable
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
        dispatcher = dependencies.dispatcher
        prepared = await dispatcher.prepare(self.caller, self.key, self.http, self.body, look_up)
        if prepared.earlier_response is not None:
            return prepared.earlier_response
        command = build_command(prepared.request, prepared.looked_up)
        return await dispatcher.dispatch_with_reason(command, dependencies.today(), self.reason)

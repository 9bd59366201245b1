"""The path of a call that no visit decides: one transaction carries it out and stores its answer under its key."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fastapi import Request
from pydantic import BaseModel
from sqlalchemy import Connection

from patient_visit_engine.api.access.sessions import Caller
from patient_visit_engine.api.commands.idempotency import check_same_request, identify_request
from patient_visit_engine.api.dependencies import dependencies_of
from patient_visit_engine.storage.kept_answers import KeptAnswer, answer_once
from patient_visit_engine.storage.requests import StoredRequest, find_request


@dataclass(frozen=True)
class KeptCall:
    """A call with its caller and key."""

    http: Request
    caller: Caller
    key: str

    async def answer(
        self, body: BaseModel, prepare: Callable[[], Awaitable[Callable[[Connection], KeptAnswer]]]
    ) -> tuple[StoredRequest, bool]:
        """Return the stored answer, and whether this call was carried out just now.

        `prepare` does what takes long, before the transaction. Raises Problem 422 `idempotency_key_reused`.
        """
        dependencies = dependencies_of(self.http)
        caller_id = await dependencies.dispatcher.caller_ids.find_or_create(self.caller)
        request = identify_request(caller_id, self.key, self.http, body)
        stored = await dependencies.database.read(find_request, request.id)
        if stored is not None and stored.decided:
            check_same_request(stored, request)
            return stored, False
        carry_out = await prepare()
        answer, is_new = await dependencies.database.write(answer_once, request, dependencies.now(), carry_out)
        check_same_request(answer, request)
        return answer, is_new

"""The row of a request in the ledger's transaction: whether it may still be decided, and its answer."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypedDict

from sqlalchemy import Connection, bindparam, insert, select, update

from patient_visit_engine.storage.hint_sender import request_hint
from patient_visit_engine.storage.ledger.errors import OvertakenError
from patient_visit_engine.storage.prepared_statements import PreparedWrite
from patient_visit_engine.storage.row_unions import Columns
from patient_visit_engine.storage.tables import requests
from patient_visit_engine.visit.request import Request
from patient_visit_engine.wire.answers import RenderedAnswer

#: The lowest HTTP status of a refusal.
BAD_REQUEST = 400
#: The columns of a stored request, in a query that also has the database's time as `now`.
REQUEST_COLUMNS = (requests.c.request_id, requests.c.decided_at, requests.c.reason, requests.c.fingerprint)
FIND_ANSWER = select(requests.c.status, requests.c.body).where(requests.c.request_id == bindparam("id"))
INSERT_REQUEST = PreparedWrite(insert(requests))
DECIDE_REQUEST = PreparedWrite(
    update(requests).where(requests.c.request_id == bindparam("id")).where(requests.c.decided_at.is_(None))
)


class AnswerSummary(TypedDict, total=False):
    """What a visit returns of an answer: whether the request is granted, and the code of a refusal. Empty without an answer."""

    answer: Literal["granted", "refused"]
    code: str | None


@dataclass(frozen=True)
class RequestRow:
    """A request, and what the database has about it. `now` is the database's time after the patient's lock was taken."""

    request: Request
    now: datetime
    is_stored: bool
    decided_at: datetime | None
    #: The reason of a release, which the API stores before it sends the command.
    reason: str | None
    fingerprint: str | None

    @property
    def is_settled(self) -> bool:
        """Whether the request has its answer already, or must not get one because its key belongs to another request."""
        # The API answers the caller with 422 when the fingerprint is another one.
        return self.is_stored and (self.decided_at is not None or self.fingerprint != self.request.fingerprint)

    @property
    def has_expired(self) -> bool:
        """Whether the end of its validity has passed."""
        return self.request.valid_until is not None and self.now > self.request.valid_until


def to_request_row(request: Request, row: Columns) -> RequestRow:
    """The request with its columns, all of them NULL when it is not stored. They must be read after the patient's lock.

    One request can reach the visits of two days, and only the first of them may decide it. A command can also wait for the lock
    until the end of its validity.
    """
    is_stored = row["request_id"] is not None
    return RequestRow(request, row["now"], is_stored, row["decided_at"], row["reason"], row["fingerprint"])


def write_answer(connection: Connection, row: RequestRow, rendered: RenderedAnswer, at: datetime) -> None:
    """Store the answer under the request's id. Raises OvertakenError when the request has an answer."""
    # The caller's API process waits for this answer, also when the decision has no event.
    request_hint(connection)
    body = None if rendered.body is None else json.dumps(rendered.body, ensure_ascii=False)
    decided = {
        "decided_at": at,
        "status": rendered.status,
        "body": body,
        "location": rendered.location,
        "material": None,
    }
    request = row.request
    if row.is_stored:
        if DECIDE_REQUEST.execute(connection, {"id": request.id} | decided).rowcount != 1:
            raise OvertakenError
        return
    identity = {"request_id": request.id, "caller_id": request.caller_id, "fingerprint": request.fingerprint}
    origin = {"created_at": at, "asked_at": request.asked_at, "http_request_id": request.http_request_id}
    INSERT_REQUEST.execute(connection, identity | origin | decided)


def read_answer(connection: Connection, request_id: str) -> AnswerSummary:
    """The summary of the answer that an earlier request with this id got."""
    row = connection.execute(FIND_ANSWER, {"id": request_id}).one()
    if row.status is None:
        return {}
    return summarize(RenderedAnswer(row.status, None if row.body is None else json.loads(row.body)))


def summarize(answer: RenderedAnswer | None) -> AnswerSummary:
    """The summary of an answer. Empty when a timer decided."""
    if answer is None:
        return {}
    if answer.status < BAD_REQUEST:
        return {"answer": "granted"}
    return {"answer": "refused", "code": None if answer.body is None else answer.body.get("code")}

"""Answers of calls that no visit decides. Each is stored under its key by the transaction that carries the call out."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, update

from patient_visit_engine.storage.requests import StoredRequest, find_request, open_request
from patient_visit_engine.storage.tables import requests
from patient_visit_engine.visit.request import Request


@dataclass(frozen=True)
class KeptAnswer:
    """An answer that a repeat gets again. It must contain no secret."""

    status: int
    body: Mapping[str, Any]
    location: str | None = None


def answer_once(
    connection: Connection, request: Request, at: datetime, carry_out: Callable[[Connection], KeptAnswer]
) -> tuple[StoredRequest, bool]:
    """Carry out the call and store its answer, unless the key has an answer or belongs to another call.

    Returns the stored request, and whether `carry_out` ran. What it raises undoes all.
    """
    stored = open_request(connection, request, at)
    if stored.decided or stored.fingerprint != request.fingerprint:
        return stored, False
    return keep_answer(connection, request, at, carry_out(connection)), True


def keep_answer(connection: Connection, request: Request, at: datetime, answer: KeptAnswer) -> StoredRequest:
    """Store the answer of an open request, unless it has one. Returns the request with the answer that is stored."""
    text = json.dumps(answer.body, ensure_ascii=False, separators=(",", ":"))
    values = {"decided_at": at, "status": answer.status, "body": text, "location": answer.location}
    is_open = requests.c.request_id == request.id, requests.c.decided_at.is_(None)
    connection.execute(update(requests).where(*is_open).values(**values))
    decided = find_request(connection, request.id)
    assert decided is not None
    return decided

"""Which request this is, by its caller and Idempotency-Key, and whether it was asked before; it must not know what it asks for."""

import hashlib
import re
import secrets
from collections.abc import Mapping
from typing import Annotated
from urllib.parse import quote

from fastapi import Depends, Header
from fastapi import Request as HttpRequest
from pydantic import BaseModel
from pydantic.json_schema import WithJsonSchema
from starlette.responses import Response

from patient_visit_engine.api.problems import PROBLEM_JSON, Problem
from patient_visit_engine.storage.requests import KeptRequest
from patient_visit_engine.visit.commands import Request

KEY = re.compile(r"[\x21-\x7e]{1,128}")
MADE_UP_BYTES = 24


class IdempotencyKey(str):
    """A key that a client sent, or one made up for it."""

    __slots__ = ()


async def idempotency_key(
    request: HttpRequest,
    _documented: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            description="Makes the call safe to repeat: the same key, path and body get the same answer for 7 days.",
        ),
        WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[!-~]+$"}),
    ] = None,
) -> IdempotencyKey:
    """The key sent, or a new one. Raises Problem 422 `bad_idempotency_key`."""
    sent = request.headers.getlist("idempotency-key")
    if not sent:
        return IdempotencyKey(secrets.token_urlsafe(MADE_UP_BYTES))
    if len(sent) > 1 or not KEY.fullmatch(sent[0]):
        raise Problem(422, "bad_idempotency_key", "An Idempotency-Key is one line of 1 to 128 visible ASCII characters")
    return IdempotencyKey(sent[0])


Key = Annotated[IdempotencyKey, Depends(idempotency_key)]


async def respond_async(
    request: HttpRequest,
    _documented: Annotated[
        str | None,
        Header(alias="Prefer", description="`respond-async`: answer 202 at once, the decision follows at Location."),
    ] = None,
) -> bool:
    """Whether the client would rather not wait (RFC 7240)."""
    wishes = ",".join(request.headers.getlist("prefer")).split(",")
    return any(wish.partition(";")[0].strip().lower() == "respond-async" for wish in wishes)


Later = Annotated[bool, Depends(respond_async)]


def request_id(caller_id: int, key: str) -> str:
    """The SHA-256 of caller and key. Their lengths are in it: no two pairs run together."""
    who = str(caller_id)
    return hashlib.sha256(f"{len(who)}:{who}{len(key)}:{key}".encode()).hexdigest()


def identify(caller_id: int, key: str, http: HttpRequest, body: BaseModel | None) -> Request:
    """The identity that the answer is kept under; the fingerprint is that of method, path and body as it was understood."""
    said = "" if body is None else body.model_dump_json()
    fingerprint = hashlib.sha256(f"{http.method}\n{http.url.path.lower()}\n{said}".encode()).hexdigest()
    return Request(id=request_id(caller_id, key), caller_id=caller_id, fingerprint=fingerprint)


def address_of(key: str) -> str:
    """Where the decision of an asynchronous request is found."""
    return f"/api/requests/{quote(key, safe='')}"


def check_same(kept: KeptRequest, request: Request) -> None:
    """Raise Problem 422 `idempotency_key_reused` when the key stands for something else."""
    if kept.fingerprint != request.fingerprint:
        raise Problem(422, "idempotency_key_reused", "This Idempotency-Key was sent with another path or body")


def answer_again(kept: KeptRequest, headers: Mapping[str, str] | None = None) -> Response:
    """The kept answer, byte for byte."""
    assert kept.status is not None
    more = dict(headers or {}) | ({} if kept.location is None else {"Location": kept.location})
    if kept.body is None or kept.status == 204:
        return Response(status_code=kept.status, headers=more)
    media_type = PROBLEM_JSON if kept.status >= 400 else "application/json"
    return Response(kept.body, kept.status, more, media_type)

"""The identity of a request: its caller and Idempotency-Key, and the answer that is stored under them."""

import hashlib
import json
import re
import secrets
from typing import Annotated
from urllib.parse import quote

from fastapi import Depends, Header
from fastapi import Request as HttpRequest
from pydantic import BaseModel
from pydantic.json_schema import WithJsonSchema
from starlette.responses import Response

from patient_visit_engine.api.problems import PROBLEM_JSON, Problem
from patient_visit_engine.api.request_ids import current_request_id
from patient_visit_engine.api.serving.limits import DEFAULT_LIMITS
from patient_visit_engine.storage.requests import StoredRequest
from patient_visit_engine.visit.request import Request
from patient_visit_engine.wire import answer_bodies

KEY = re.compile(r"[\x21-\x7e]{1,128}")
KEY_SCHEMA = {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[!-~]+$"}
#: Random bytes of a key that the API makes for a client without one.
RANDOM_KEY_BYTES = 24


class IdempotencyKey(str):
    """A key that a client sent, or a random one."""

    __slots__ = ()


async def idempotency_key(
    request: HttpRequest,
    # Only for the OpenAPI document. FastAPI would keep one of several headers, so the function reads the request itself.
    _documented: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            description="Makes the call safe to repeat: the same key, method, path and body get the same answer for 7 days.",
        ),
        WithJsonSchema(KEY_SCHEMA),
    ] = None,
) -> IdempotencyKey:
    """The key that was sent, or a random one. Raises Problem 422 `bad_idempotency_key`."""
    keys = request.headers.getlist("idempotency-key")
    if not keys:
        return IdempotencyKey(secrets.token_urlsafe(RANDOM_KEY_BYTES))
    if len(keys) > 1 or not KEY.fullmatch(keys[0]):
        raise Problem(422, "bad_idempotency_key", "An Idempotency-Key is one line of 1 to 128 visible ASCII characters")
    return IdempotencyKey(keys[0])


Key = Annotated[IdempotencyKey, Depends(idempotency_key)]


async def prefers_async(
    request: HttpRequest,
    # Only for the OpenAPI document, as above.
    _documented: Annotated[
        str | None,
        Header(
            alias="Prefer", description="`respond-async`: answer 202 immediately. The decision follows at Location."
        ),
        WithJsonSchema({"type": "string", "maxLength": DEFAULT_LIMITS.max_head}),
    ] = None,
) -> bool:
    """Whether the client prefers not to wait (RFC 7240)."""
    preferences = ",".join(request.headers.getlist("prefer")).split(",")
    return any(preference.partition(";")[0].strip().lower() == "respond-async" for preference in preferences)


PrefersAsync = Annotated[bool, Depends(prefers_async)]


def request_id(caller_id: int, key: str) -> str:
    """The SHA-256 of caller and key. Their lengths are hashed too, so that no two pairs give the same text."""
    caller = str(caller_id)
    return hashlib.sha256(f"{len(caller)}:{caller}{len(key)}:{key}".encode()).hexdigest()


def identify_request(caller_id: int, key: str, http: HttpRequest, body: BaseModel | None) -> Request:
    """The identity under which the answer is stored. The fingerprint covers method, path and the validated body."""
    # Without the fields that were not sent: a key must stay valid when a new version adds a field.
    content = "" if body is None else body.model_dump_json(exclude_none=True)
    fingerprint = hashlib.sha256(f"{http.method}\n{http.url.path.lower()}\n{content}".encode()).hexdigest()
    return Request(
        id=request_id(caller_id, key),
        caller_id=caller_id,
        fingerprint=fingerprint,
        http_request_id=current_request_id() or None,
    )


def request_path(key: str) -> str:
    """The path at which the decision of an asynchronous request is read."""
    return f"/api/requests/{quote(key, safe='')}"


def check_same_request(stored: StoredRequest, request: Request) -> None:
    """Raise Problem 422 `idempotency_key_reused` when the key was used for another request."""
    if stored.fingerprint != request.fingerprint:
        raise Problem(422, "idempotency_key_reused", "This Idempotency-Key was sent with another method, path or body")


def stored_response(stored: StoredRequest) -> Response:
    """The stored answer of a decided request, byte for byte."""
    assert stored.status is not None
    headers = {} if stored.location is None else {"Location": stored.location}
    if stored.body is None or stored.status == 204:
        return Response(status_code=stored.status, headers=headers)
    media_type = PROBLEM_JSON if stored.status >= 400 else "application/json"
    return Response(stored.body, stored.status, headers, media_type)


def request_state(stored: StoredRequest) -> answer_bodies.AsyncRequest:
    """The state of an asynchronous request, with its answer once it is decided."""
    return {
        "state": "decided" if stored.decided else "set_aside" if stored.is_set_aside else "open",
        "status": stored.status,
        "location": stored.location,
        "body": None if stored.body is None else json.loads(stored.body),
    }

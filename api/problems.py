"""Every error as `application/problem+json` with a stable code (RFC 9457); it must not know a route, nor echo what a client sent."""

import json
import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from patient_visit_engine.storage.database import is_unavailable
from patient_visit_engine.wire.problems import problem_body

log = logging.getLogger(__name__)

PROBLEM_JSON = "application/problem+json"
#: Seconds after which a client that was answered 503 may ask again.
RETRY_AFTER = 1
#: How many wrong fields an answer names.
ERRORS_SHOWN = 20
#: A wrong field is named only when it looks like one of ours: an unknown one is a client's text.
FIELD = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")


class Problem(Exception):  # noqa: N818 - the word of RFC 9457
    """A refusal that has nothing to do with a visit's rule, on its way to the client."""

    def __init__(
        self, status: int, code: str, title: str, *, headers: Mapping[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.title = title
        self.headers = dict(headers or {})
        self.more = more

    def response(self) -> Response:
        return ProblemResponse(problem_body(self.status, self.code, self.title, **self.more), self.headers)


class Undecided(Problem):
    """No answer came in time: the request may still be carried out, once, and its key finds out."""

    def __init__(self) -> None:
        title = "The engine did not answer in time: ask again with the same Idempotency-Key"
        super().__init__(503, "undecided", title, headers={"Retry-After": str(RETRY_AFTER)})


class Unavailable(Problem):
    """Something that this process depends on is away."""

    def __init__(self) -> None:
        title = "The service is not available at the moment"
        super().__init__(503, "unavailable", title, headers={"Retry-After": str(RETRY_AFTER)})


class NotFound(Problem):
    """What the request speaks of does not exist; `what` is one word of ours, as in `patient`."""

    def __init__(self, what: str) -> None:
        super().__init__(404, f"unknown_{what}", f"There is no such {what}")


class ProblemResponse(Response):
    """A problem's body as it goes out."""

    media_type = PROBLEM_JSON

    def __init__(self, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> None:
        super().__init__(json.dumps(body, ensure_ascii=False), body["status"], headers)


async def on_problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return error.response()


async def on_invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors = error.errors()
    if any(one["type"] == "json_invalid" for one in errors):
        return malformed().response()
    told = [{"field": _field(one["loc"]), "message": _message(one)} for one in errors[:ERRORS_SHOWN]]
    return Problem(422, "invalid", "The request is not valid", errors=told).response()


def _field(where: Sequence[object]) -> str:
    named = [str(part) for part in where]
    if named[0] == "body":
        named = named[1:] or ["body"]
    return ".".join(part if FIELD.fullmatch(part) or part.isdecimal() else "?" for part in named)


def _message(error: Mapping[str, Any]) -> str:
    if error["type"] == "extra_forbidden":
        return "Unknown field"
    return str(error["msg"]).removeprefix("Value error, ")


def malformed() -> Problem:
    """The body is not JSON."""
    return Problem(400, "malformed_json", "The body is not well-formed JSON")


async def on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return Problem(404, "not_found", "There is nothing at this address").response()
    if error.status_code == 405:
        return _method_not_allowed(request).response()
    if error.status_code == 400:
        return malformed().response()
    return Problem(error.status_code, "refused", "The request was refused", headers=error.headers).response()


def _method_not_allowed(request: Request) -> Problem:
    allowed: set[str] = set()
    # The router stops at the first route of an address: the methods of the others would be missing from Allow.
    for route in request.app.router.routes:
        match, _ = route.matches(request.scope)
        if match is not Match.NONE:
            allowed |= set(getattr(route, "methods", None) or ())
    return Problem(
        405,
        "method_not_allowed",
        "This address does not take this method",
        headers={"Allow": ", ".join(sorted(allowed))},
    )


async def on_fault(_request: Request, error: Exception) -> Response:
    return fault(error).response()


def fault(error: BaseException) -> Problem:
    """What a client is told of an exception that nobody expected: nothing, or that something is away."""
    return Unavailable() if is_unavailable(error) else Problem(500, "internal", "Something went wrong on our side")


def note_fault(error: BaseException) -> None:
    """Write down what failed and where, without its message: a database error quotes the values of its statement."""
    if is_unavailable(error):
        log.warning("a dependency is away: %s", type(error).__name__)
        return
    frames, at = [], error.__traceback__
    while at is not None:
        frames.append(f"{at.tb_frame.f_code.co_filename}:{at.tb_lineno} {at.tb_frame.f_code.co_name}")
        at = at.tb_next
    log.error("unexpected %s at %s", type(error).__name__, " < ".join(reversed(frames[-12:])))

"""Errors as `application/problem+json` with a stable code (RFC 9457). No error repeats what the client sent."""

import json
import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from patient_visit_engine.api.request_ids import current_request_id
from patient_visit_engine.storage.database import is_unavailable
from patient_visit_engine.wire.problems import problem_body

logger = logging.getLogger(__name__)

PROBLEM_JSON = "application/problem+json"
#: Headers of every answer of the API and of the event stream.
COMMON_HEADERS = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))
#: Seconds after which a client may retry a request that got a 503.
RETRY_AFTER_SECONDS = 1
#: The number of invalid fields that an answer lists at most.
MAX_ERRORS = 20
#: An answer names an invalid field only if it looks like one of ours. Any other name is the client's text.
FIELD = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")


class Problem(Exception):  # noqa: N818 - the word of RFC 9457
    """An error of the API itself, not a refusal by a visit. `code` is stable, `title` is for people. `more` has further body fields."""

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
        more = self.more
        if self.status == 503:
            # Its cause is only in the logs. A person who reports the answer can quote this id.
            more = more | {"http_request_id": current_request_id()}
        return ProblemResponse(problem_body(self.status, self.code, self.title, **more), self.headers)


class Unavailable(Problem):
    """A dependency of this process cannot be reached."""

    def __init__(self) -> None:
        title = "The service is not available at the moment"
        super().__init__(503, "unavailable", title, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


class NotFound(Problem):
    """The record does not exist. `kind` is the kind of record, for example `patient`."""

    def __init__(self, kind: str) -> None:
        super().__init__(404, f"unknown_{kind}", f"There is no such {kind}")


class ProblemResponse(Response):
    """The HTTP response of a problem."""

    media_type = PROBLEM_JSON

    def __init__(self, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> None:
        super().__init__(json.dumps(body, ensure_ascii=False), body["status"], headers)


async def on_problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return error.response()


async def on_invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors = error.errors()
    if any(each["type"] == "json_invalid" for each in errors):
        return malformed_json().response()
    listed = [{"field": _field_name(each["loc"]), "message": _message(each)} for each in errors[:MAX_ERRORS]]
    return Problem(422, "invalid", "The request is not valid", errors=listed).response()


def _field_name(location: Sequence[object]) -> str:
    names = [str(part) for part in location]
    if names[0] == "body":
        names = names[1:] or ["body"]
    return ".".join(name if FIELD.fullmatch(name) or name.isdecimal() else "?" for name in names)


def _message(error: Mapping[str, Any]) -> str:
    if error["type"] == "extra_forbidden":
        return "Unknown field"
    return str(error["msg"]).removeprefix("Value error, ")


def malformed_json() -> Problem:
    """The body is not JSON."""
    return Problem(400, "malformed_json", "The body is not well-formed JSON")


async def on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return unknown_path().response()
    if error.status_code == 405:
        return method_not_allowed(_allowed_methods(request)).response()
    if error.status_code == 400:
        return malformed_json().response()
    return Problem(error.status_code, "refused", "The request was refused", headers=error.headers).response()


def unknown_path(headers: Mapping[str, str] | None = None) -> Problem:
    return Problem(404, "not_found", "There is nothing at this address", headers=headers)


def method_not_allowed(allowed: Iterable[str]) -> Problem:
    """The address exists, but takes only the methods `allowed`."""
    headers = {"Allow": ", ".join(allowed)}
    return Problem(405, "method_not_allowed", "This address does not take this method", headers=headers)


def _allowed_methods(request: Request) -> list[str]:
    allowed: set[str] = set()
    # The router stops at the first route of a path. Without this loop, Allow would lack the methods of the other routes.
    for route in request.app.router.routes:
        match, _ = route.matches(request.scope)
        if match is not Match.NONE:
            allowed |= set(getattr(route, "methods", None) or ())
    return sorted(allowed)


async def on_fault(_request: Request, error: Exception) -> Response:
    return fault_problem(error).response()


def fault_problem(error: BaseException) -> Problem:
    """The answer to an unexpected exception: 503 when a dependency cannot be reached, else a 500 without details."""
    return Unavailable() if is_unavailable(error) else Problem(500, "internal", "Something went wrong on our side")


def log_fault(error: BaseException) -> None:
    """Log the type of the error and its place in the code.

    The message of the error is left out, because a database error quotes the values of its statement.
    """
    if is_unavailable(error):
        logger.warning("a dependency is away: %s", type(error).__name__)
        return
    frames, entry = [], error.__traceback__
    while entry is not None:
        frames.append(f"{entry.tb_frame.f_code.co_filename}:{entry.tb_lineno} {entry.tb_frame.f_code.co_name}")
        entry = entry.tb_next
    logger.error("unexpected %s at %s", type(error).__name__, " < ".join(reversed(frames[-12:])))

"""The outermost layer, in plain ASGI: limits bodies, counts answers and turns unexpected errors into problems.

This is not middleware of the framework, for two reasons. The hub calls a stream's `send` for every delivery, so nothing may wrap
it. And middleware would add milliseconds to each start.
"""

import time

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from patient_visit_engine.api.dependencies import Dependencies
from patient_visit_engine.api.problems import COMMON_HEADERS, Problem, fault_problem, log_fault, unknown_path
from patient_visit_engine.api.request_ids import begin_request, id_header

EVENTS = "/api/events"
#: The paths of the API. If the page was built, the page answers all other paths. `/fhir/` is reserved for a later FHIR interface.
API_PATHS = ("/api/", "/fhir/", "/livez/", "/readyz/", "/metrics/", "/openapi.json/")
#: A reason of 1,000 characters with escapes is the longest body. Strangers can make the process keep this much for each connection.
MAX_BODY = 16 * 1024
WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


class Gateway:
    """Passes each request to the application, the event stream or the page."""

    def __init__(self, app: FastAPI, events: ASGIApp | None, dependencies: Dependencies, page: ASGIApp | None) -> None:
        self.app = app
        self.dependencies = dependencies
        self._events = events
        self._metrics = dependencies.metrics
        self._page = page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begin_request(scope)
        if scope["path"] == EVENTS and self._events is not None:
            await self._events(scope, receive, send)
        elif self._page is not None and not _is_api_path(scope["path"]):
            await self._page(scope, receive, send)
        else:
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        started_at = time.perf_counter()
        status = 0

        async def send_counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *COMMON_HEADERS, id_header()]
            await send(message)

        try:
            body = await _read_body(scope, receive)
            if body is not None:
                await self.app(scope, _replay(body, receive), send_counted)
        except Problem as problem:
            if self._is_unknown_path(scope):
                # The body is read before the routes are looked at, but an unknown path is 404 with every body.
                problem = unknown_path(problem.headers)
            await problem.response()(scope, receive, send_counted)
        except Exception as error:  # noqa: BLE001 - logged, and turned into an answer
            # The framework has already answered and raises again for the server. The server would log the message, which may
            # contain a patient's name.
            log_fault(error)
            if not status:
                await fault_problem(error).response()(scope, receive, send_counted)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            self._metrics.count_answer(scope["method"], route, status, time.perf_counter() - started_at)

    def _is_unknown_path(self, scope: Scope) -> bool:
        return all(route.matches(scope)[0] is Match.NONE for route in self.app.router.routes)


def _is_api_path(path: str) -> bool:
    # With the added slash, `/api` matches and `/apix` does not.
    return f"{path}/".startswith(API_PATHS)


async def _read_body(scope: Scope, receive: Receive) -> bytes | None:
    """Read the whole body, or return None when the client disconnects. Raises Problem 413 or 415."""
    headers = Headers(scope=scope)
    stated_length = headers.get("content-length", "0")
    if not stated_length.isdecimal() or len(stated_length) > 12 or int(stated_length) > MAX_BODY:
        raise _body_too_large()
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > MAX_BODY:
            raise _body_too_large()
        chunks.append(chunk)
        if not message.get("more_body", False):
            break
    if size and scope["method"] in WITH_BODY:
        _check_media_type(headers)
    return b"".join(chunks)


def _check_media_type(headers: Headers) -> None:
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json" or headers.get("content-encoding", "identity").lower() != "identity":
        raise Problem(415, "unsupported_media_type", "The body must be application/json and not compressed")


def _body_too_large() -> Problem:
    # The rest of the body stays unread, so the connection cannot carry another request.
    headers = {"Connection": "close"}
    return Problem(413, "body_too_large", f"The body may have at most {MAX_BODY} bytes", headers=headers)


def _replay(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def receive_body() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_body

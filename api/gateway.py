"""The outermost layer, plain ASGI: bounds bodies, counts answers, lets no fault out; it must not know what a route does.

Here and not in middleware of the framework: a stream's `send` may have nothing in front of it, since the hub steps it for every
delivery, and a start has no milliseconds to give away.
"""

import time

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from patient_visit_engine.api.dependencies import Dependencies
from patient_visit_engine.api.problems import Problem, fault, note_fault

EVENTS = "/api/events"
#: The paths that the application answers. Where a page is built, it answers all others.
API_PATHS = ("/api/", "/fhir/", "/livez/", "/readyz/", "/metrics/", "/openapi.json/")
MAX_BODY = 64 * 1024
WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
ALWAYS = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]


class Gateway:
    """Passes requests on to the application, the event stream or the page."""

    def __init__(self, app: ASGIApp, events: ASGIApp | None, parts: Dependencies, page: ASGIApp | None) -> None:
        self.app = app
        self.parts = parts
        self._events = events
        self._metrics = parts.metrics
        self._page = page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif scope["path"] == EVENTS and self._events is not None:
            await self._events(scope, receive, send)
        elif self._page is not None and not _is_api_path(scope["path"]):
            await self._page(scope, receive, send)
        else:
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        status = 0

        async def told(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *ALWAYS]
            await send(message)

        try:
            body = await _whole_body(scope, receive)
            if body is not None:
                await self.app(scope, _again(body, receive), told)
        except Problem as problem:
            await problem.response()(scope, receive, told)
        except Exception as error:  # noqa: BLE001 - noted: this is where a fault becomes an answer
            # The framework has answered and raised again, for a server that would log the message: it may name a patient.
            note_fault(error)
            if not status:
                await fault(error).response()(scope, receive, told)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            self._metrics.answered(scope["method"], route, status, time.perf_counter() - began)


def _is_api_path(path: str) -> bool:
    # With the slash `/api` is the API's too, and `/apix` is not.
    return f"{path}/".startswith(API_PATHS)


async def _whole_body(scope: Scope, receive: Receive) -> bytes | None:
    """The request's body, within its limit; None when the client went away."""
    headers = Headers(scope=scope)
    stated = headers.get("content-length", "0")
    if not stated.isdecimal() or len(stated) > 12 or int(stated) > MAX_BODY:
        raise _too_large()
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        part = message.get("body", b"")
        size += len(part)
        if size > MAX_BODY:
            raise _too_large()
        parts.append(part)
        if not message.get("more_body", False):
            break
    if size and scope["method"] in WITH_BODY:
        _check_media_type(headers)
    return b"".join(parts)


def _check_media_type(headers: Headers) -> None:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" or headers.get("content-encoding", "identity").lower() != "identity":
        raise Problem(415, "unsupported_media_type", "A body is application/json, not compressed")


def _too_large() -> Problem:
    # What is left of the body is not read, so the connection is of no further use.
    headers = {"Connection": "close"}
    return Problem(413, "body_too_large", f"A body has at most {MAX_BODY} bytes", headers=headers)


def _again(body: bytes, receive: Receive) -> Receive:
    given = False

    async def once_more() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return once_more

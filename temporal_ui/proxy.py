"""Passes requests that the rules allow to Temporal's UI, and streams its answers."""

import json
from collections.abc import AsyncIterator, Iterable

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from patient_visit_engine.temporal_ui.rules import READING_METHODS, UiRefusal, UiRequest, UiRules

#: Seconds until the UI accepts a connection. It is on the same machine.
CONNECT_TIMEOUT_SECONDS = 5.0
#: Seconds without any byte of an answer. The page of a running visit waits about a minute for the next event.
READ_TIMEOUT_SECONDS = 150.0
#: Requests that are open at the same time. Each page of a running visit has a few.
MAX_OPEN_REQUESTS = 200
SETTINGS_PATH = "/api/v1/settings"
#: Headers of one connection, which a proxy must not pass on (RFC 9110), and one that would change the checked method.
NOT_PASSED_ON = frozenset(
    {
        b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te", b"trailer",
        b"transfer-encoding", b"upgrade", b"x-http-method-override",
    }
)  # fmt: skip
AWAY = UiRefusal(502, "ui_away", "Temporal's UI does not answer. Temporal may be starting: try again in some seconds")


class UiProxy:
    """The ASGI application. `client` has the UI's address as its base."""

    def __init__(self, rules: UiRules, client: httpx.AsyncClient) -> None:
        self._rules = rules
        self._client = client

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        refusal = self._rules.find_refusal(_checked_parts(request))
        response = await self._pass_on(request) if refusal is None else _refuse(refusal)
        await response(scope, receive, send)

    async def _pass_on(self, request: Request) -> Response:
        path = _raw_path(request)
        hides_buttons = path == SETTINGS_PATH and not self._rules.writes_allowed
        try:
            answer = await self._client.send(self._copy(request, path, decoded=hides_buttons), stream=True)
            if hides_buttons and answer.status_code == httpx.codes.OK:
                return await _without_buttons(answer)
        except httpx.HTTPError:
            return _refuse(AWAY)
        response = StreamingResponse(_stream(answer), answer.status_code)
        response.raw_headers = list(_headers_to_pass(answer.headers.raw))
        return response

    def _copy(self, request: Request, path: str, *, decoded: bool) -> httpx.Request:
        url = httpx.URL(self._client.base_url, raw_path=_target(request, path))
        headers = list(_headers_to_pass(request.headers.raw))
        if decoded:
            headers = [header for header in headers if header[0] != b"accept-encoding"]
        body = None if request.method in READING_METHODS else request.stream()
        if body is None:
            # A GET may have a body, which is not passed on.
            headers = [header for header in headers if header[0] != b"content-length"]
        return self._client.build_request(request.method, url, headers=headers, content=body)


def create_client(upstream: str) -> httpx.AsyncClient:
    """A client of the UI at this address. It follows no redirect and uses no proxy of the environment."""
    client = httpx.AsyncClient(
        base_url=upstream,
        timeout=httpx.Timeout(CONNECT_TIMEOUT_SECONDS, read=READ_TIMEOUT_SECONDS),
        limits=httpx.Limits(max_connections=MAX_OPEN_REQUESTS),
        trust_env=False,
        verify=False,  # noqa: S501 - plain HTTP; otherwise the client reads the certificates of all authorities
    )
    # Otherwise it would ask for compressed answers, also for a caller that cannot read them.
    client.headers.clear()
    return client


def _checked_parts(request: Request) -> UiRequest:
    headers = request.headers
    return UiRequest(
        request.method,
        _raw_path(request),
        headers.getlist("host"),
        headers.getlist("origin"),
        headers.getlist("sec-fetch-site"),
    )


def _raw_path(request: Request) -> str:
    raw_path: bytes = request.scope["raw_path"]
    return raw_path.decode("latin-1")


def _target(request: Request, path: str) -> bytes:
    query: bytes = request.scope["query_string"]
    return path.encode("latin-1") + (b"?" + query if query else b"")


def _headers_to_pass(headers: Iterable[tuple[bytes, bytes]]) -> Iterable[tuple[bytes, bytes]]:
    return ((name.lower(), value) for name, value in headers if name.lower() not in NOT_PASSED_ON)


def _refuse(refusal: UiRefusal) -> Response:
    # The UI shows the member `message` of an error.
    body = {"title": refusal.text, "status": refusal.status, "code": refusal.code, "message": refusal.text}
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return JSONResponse(body, refusal.status, headers, "application/problem+json")


async def _without_buttons(answer: httpx.Response) -> Response:
    """The UI's settings with the switch that disables its buttons for changes."""
    settings = json.loads(await answer.aread())
    response = JSONResponse({**settings, "DisableWriteActions": True})
    cookies = [header for header in _headers_to_pass(answer.headers.raw) if header[0] == b"set-cookie"]
    response.raw_headers.extend(cookies)
    return response


async def _stream(answer: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for chunk in answer.aiter_raw():
            yield chunk
    finally:
        await answer.aclose()

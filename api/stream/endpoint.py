"""`GET /api/events` as a plain ASGI endpoint: it turns a request into a subscriber of the hub.

What we use of sse-starlette, and why. `ServerSentEvent` encodes every block (`live.frames`). We do not use `EventSourceResponse`,
because it gives each connection a task group and wakes a task for every delivery. We measured it with uvloop, 5,000 connections and
one event every 0.2 s. One delivery took 33 to 39 us, one connection 46 to 50 KiB, and the p99 of the delay was near 0.8 s.
The hub steps each live connection's `send` with one shared message. In that trial this took 5.9 us, 9.4 KiB and 40 ms, the same as
nginx with nchan. docs/benchmarks.md has the figures of today. So the hub does this work once for all connections. The headers are
here. Heartbeat, send timeout and lifetime are in `Hub.heartbeat` and `Hub.end_overdue_streams`, and the end on shutdown is in
`Hub.drain`. The request's own task waits here for the disconnect and does nothing else.

Middleware in front of this endpoint must pass `send` through. Middleware that copies the response through its own queue
(Starlette's BaseHTTPMiddleware) makes every subscriber slow. Middleware that changes a message changes it for all subscribers.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Protocol, cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from patient_visit_engine.api.access.authentication import STAFF_ROLES, check_role
from patient_visit_engine.api.access.sessions import Caller
from patient_visit_engine.api.problems import COMMON_HEADERS, Problem, log_fault, method_not_allowed, on_fault
from patient_visit_engine.api.request_ids import id_header
from patient_visit_engine.live.hub import Hub
from patient_visit_engine.live.refusals import StreamRefusedError, TooManyStreamsError
from patient_visit_engine.live.subscriber import SendMessage, StreamConnection, Subscriber, Subscription, body
from patient_visit_engine.visit.codes import Role
from patient_visit_engine.wire.event_context import CONSULTATIONS, WALL, doctor_channel
from patient_visit_engine.wire.field_types import MAX_ID

STREAM_METHODS = ("GET", "HEAD")
#: Channels that one request may name.
MOST_CHANNELS = 16
LONGEST_CHANNEL = 60
#: Seconds after which a refused client may try again.
STREAM_RETRY_AFTER_SECONDS = 5
#: Key in the request's state: the server's connection (`live.subscriber.StreamConnection`), if the server sets it.
CONNECTION = "connection"
#: Key in the request's state: set when the kernel gave the connection up.
GIVEN_UP = "given_up"

_DOCTOR = re.compile(r"doctor\.([1-9][0-9]{0,15})", re.ASCII)
_HEADERS = (
    (b"content-type", b"text/event-stream"),
    (b"x-accel-buffering", b"no"),
    *COMMON_HEADERS,
)

Authenticate = Callable[[Request], Awaitable[Caller]]


class ServerConnection(StreamConnection, Protocol):
    """The server's connection, which has other limits while it carries a stream."""

    def mark_as_stream(self) -> None:
        """The running request is a stream from now on."""


class EventStream:
    """Answers with a problem, or with a stream that lasts until the client disconnects or the hub ends it."""

    def __init__(self, authenticate: Authenticate, hub: Hub) -> None:
        self._authenticate = authenticate
        self._hub = hub

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        connection = _Connection(send)
        try:
            subscription = await self._authorize(request)
            subscriber = None
            if request.method == "GET":
                server_connection: ServerConnection | None = getattr(request.state, CONNECTION, None)
                subscriber = self._hub.admit(subscription, connection.send, connection.release, server_connection)
                if server_connection is not None:
                    server_connection.mark_as_stream()
            elif refusal := self._hub.refusal(subscription):
                # An EventSource does not show why it was refused. The browser's client sends HEAD to find out.
                raise refusal
        except Exception as error:  # noqa: BLE001 - logged; if it were raised, the server would log and answer it
            response = await _error_response(request, error)
            response.raw_headers.extend([*COMMON_HEADERS, id_header()])
            await response(scope, receive, send)
            return
        if subscriber is None:
            await connection.start()
            await send(body(b"", more=False))
            return
        await self._serve(subscriber, connection, request)

    async def _serve(self, subscriber: Subscriber, connection: "_Connection", request: Request) -> None:
        try:
            await connection.start()
            if subscriber.end_reason is None:
                self._hub.start_stream(subscriber, last_id(request))
                await _wait_for_disconnect(request.receive)
            else:
                await connection.send(body(b"", more=False))
        except asyncio.CancelledError:
            if not connection.undo_cancel_by_hub():
                raise
        finally:
            connection.over = True
            self._hub.remove(subscriber, given_up=getattr(request.state, GIVEN_UP, False))

    async def _authorize(self, request: Request) -> Subscription:
        if request.method not in STREAM_METHODS:
            raise method_not_allowed(STREAM_METHODS)
        caller = check_role(await self._authenticate(request), (*STAFF_ROLES, Role.wall))
        allowed = allowed_channels(caller)
        return Subscription(
            user=caller.subject,
            session=caller.session,
            name=caller.name,
            role=caller.role,
            channels=requested_channels(request.query_params.getlist("channels"), allowed),
            may_read=allowed.__contains__,
            ends_at=caller.expires_at,
        )


class _Connection:
    """The request's task, which waits for the disconnect. The hub cancels it to end the stream."""

    def __init__(self, send: Send) -> None:
        # Each `send` of a server or of Starlette is a coroutine function, so the hub can step it.
        self.send = cast(SendMessage, send)
        self.over = False
        self._released = False
        self._task = asyncio.current_task()

    async def start(self) -> None:
        # A new list each time, because middleware adds headers to it.
        await self.send({"type": "http.response.start", "status": 200, "headers": [*_HEADERS, id_header()]})

    def release(self) -> None:
        # A late release must not cancel what the task does after this endpoint.
        if not self.over and not self._released and self._task is not None:
            self._released = True
            self._task.cancel()

    def undo_cancel_by_hub(self) -> bool:
        """Return whether the hub cancelled the task. The cancellation is then undone, so that the server does not see it."""
        if self._released and self._task is not None:
            return self._task.uncancel() == 0
        return False


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def last_id(request: Request) -> str | None:
    """Return the client's cursor. The header wins: a browser sends it on reconnect, so it is newer than the address."""
    return request.headers.get("last-event-id") or request.query_params.get("last_event_id") or None


def allowed_channels(caller: Caller) -> frozenset[str]:
    """Return every channel that this caller may read."""
    if caller.role is Role.wall:
        return frozenset((WALL,))
    own = () if caller.doctor_id is None else (doctor_channel(caller.doctor_id),)
    return frozenset((CONSULTATIONS, *own))


def requested_channels(parameters: Sequence[str], allowed: frozenset[str]) -> frozenset[str]:
    """Return the channels that a request names, by default all allowed ones.

    Raises Problem 422 `too_many_channels` or `unknown_channel`, 403 `foreign_channel`.
    """
    if not parameters:
        return allowed
    names = [name for parameter in parameters for name in parameter.split(",")]
    if len(names) > MOST_CHANNELS:
        raise Problem(422, "too_many_channels", f"A stream carries at most {MOST_CHANNELS} channels")
    if not all(_is_channel(name) for name in names):
        raise Problem(422, "unknown_channel", "There is no such channel")
    if not allowed.issuperset(names):
        raise Problem(403, "foreign_channel", "This channel belongs to another user")
    return frozenset(names)


def _is_channel(name: str) -> bool:
    if len(name) > LONGEST_CHANNEL:
        return False
    doctor = _DOCTOR.fullmatch(name)
    return name in (CONSULTATIONS, WALL) or (doctor is not None and int(doctor[1]) <= MAX_ID)


async def _error_response(request: Request, error: Exception) -> Response:
    if isinstance(error, StreamRefusedError):
        status = 429 if isinstance(error, TooManyStreamsError) else 503
        return Problem(
            status, error.code, str(error), headers={"Retry-After": str(STREAM_RETRY_AFTER_SECONDS)}
        ).response()
    if isinstance(error, Problem):
        return error.response()
    log_fault(error)
    return await on_fault(request, error)


async def end_closed_sessions(
    hub: Hub, still_open: Callable[[Collection[str]], Awaitable[Collection[str]]], every: float
) -> None:
    """End the streams of closed sessions, every `every` seconds. A session may end on any process. Never returns.

    `still_open` gets the sessions that have a stream and returns those that are open. It is called without a stream too, because it
    also verifies the cached sessions (`api.access.session_cache`).
    """
    while True:
        await asyncio.sleep(every)
        sessions = hub.sessions()
        try:
            open_sessions = await still_open(sessions)
        except Exception as error:  # noqa: BLE001 - logged; an unreachable database must not end this loop
            log_fault(error)
            continue
        for session in set(sessions).difference(open_sessions):
            hub.revoke(session)

"""`GET /api/events` as a plain ASGI endpoint: from a request to a reader of the hub; it must not know how events come to the hub.

Where the line to sse-starlette was drawn. Its `ServerSentEvent` encodes every block (`live.frames`). Its `EventSourceResponse` is
not used: it gives each connection a task group and wakes a task for every delivery, which was measured, with uvloop, 5,000
connections and an event each 0.2 s, at 33 us and 46 KiB (shared ring) to 39 us and 50 KiB (a queue each) with a p99 near 0.8 s. The
hub stepping each live connection's `send` with one shared message takes 5.9 us, 9.4 KiB and 40 ms, as nginx with nchan does.
So what the response would have brought is done here for all connections at once: headers (here), heartbeat, send timeout and
lifetime (`Hub.heartbeat`, `Hub.sweep`), the end on shutdown (`Hub.drain`), and the disconnect, for which the request's own task
waits here and does nothing else.

What stands in front of this endpoint must pass `send` through: a middleware that copies the response by a queue of its own
(Starlette's BaseHTTPMiddleware) makes every reader slow, and one that writes into messages writes into everybody's.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from patient_visit_engine.api.access.sessions import Caller
from patient_visit_engine.api.problems import Problem, note_fault, on_fault
from patient_visit_engine.live.hub import Hub
from patient_visit_engine.live.refusals import StreamRefusedError, TooManyStreamsError
from patient_visit_engine.live.subscriber import SendMessage as Stepped
from patient_visit_engine.live.subscriber import Subscriber, Subscription, body
from patient_visit_engine.wire.events import CONSULTATIONS, doctor_channel

METHODS = ("GET", "HEAD")
#: Channels that one request may name.
MOST_CHANNELS = 16
LONGEST_CHANNEL = 60
#: Seconds after which a refused client may try again.
RETRY_AFTER = 5
LARGEST_ID = 2**53 - 1
#: In the request's state, where the server gives it: the connection itself (`live.subscriber.StreamConnection`).
CONNECTION = "connection"
#: Set in the request's state when its connection did not end but was given up by the kernel.
GIVEN_UP = "given_up"

_DOCTOR = re.compile(r"doctor\.([1-9][0-9]{0,15})", re.ASCII)
_HEADERS = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
)

Authenticate = Callable[[Request], Awaitable[Caller]]


class EventStream:
    """Answers with a problem, or with a stream that ends when the client goes or the hub says so."""

    def __init__(self, authenticate: Authenticate, hub: Hub) -> None:
        self._authenticate = authenticate
        self._hub = hub

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        connection = _Connection(send)
        try:
            reader = await self._reader(request)
            subscriber = None
            if request.method == "GET":
                subscriber = self._hub.admit(
                    reader, connection.send, connection.release, getattr(request.state, CONNECTION, None)
                )
            elif why := self._hub.refusal(reader):
                # An EventSource does not say why it was refused; a browser's client finds out by HEAD.
                raise why
        except Exception as error:  # noqa: BLE001 - noted; what this raised would be the server's to log and to answer
            await (await _answer(request, error))(scope, receive, send)
            return
        if subscriber is None:
            await connection.start()
            await send(body(b"", more=False))
            return
        await self._serve(subscriber, connection, request)

    async def _serve(self, subscriber: Subscriber, connection: "_Connection", request: Request) -> None:
        try:
            await connection.start()
            if subscriber.ended is None:
                self._hub.follow(subscriber, last_id(request))
                await _gone(request.receive)
            else:
                await connection.send(body(b"", more=False))
        except asyncio.CancelledError:
            if not connection.taken_back():
                raise
        finally:
            connection.over = True
            self._hub.leave(subscriber, given_up=getattr(request.state, GIVEN_UP, False))

    async def _reader(self, request: Request) -> Subscription:
        if request.method not in METHODS:
            raise Problem(
                405,
                "method_not_allowed",
                "This address does not take this method",
                headers={"Allow": ", ".join(METHODS)},
            )
        caller = await self._authenticate(request)
        allowed = allowed_channels(caller)
        return Subscription(
            user=caller.subject,
            session=caller.session,
            name=caller.name,
            role=caller.role,
            channels=asked_channels(request.query_params.getlist("channels"), allowed),
            may_read=allowed.__contains__,
            ends_at=caller.expires_at,
        )


class _Connection:
    """The request's task, parked until the client goes; the hub takes it back when it ends the stream."""

    def __init__(self, send: Send) -> None:
        # Every `send` of a server or of Starlette is a coroutine function, which is what the hub can step.
        self.send = cast(Stepped, send)
        self.over = False
        self._released = False
        self._task = asyncio.current_task()

    async def start(self) -> None:
        # A list of its own: what stands in front adds headers to it.
        await self.send({"type": "http.response.start", "status": 200, "headers": list(_HEADERS)})

    def release(self) -> None:
        # A late release must not cancel what the task does after this endpoint.
        if not self.over and not self._released and self._task is not None:
            self._released = True
            self._task.cancel()

    def taken_back(self) -> bool:
        """Whether the cancellation was the hub's, which is then not one for the server to see."""
        if self._released and self._task is not None:
            return self._task.uncancel() == 0
        return False


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def last_id(request: Request) -> str | None:
    """The client's cursor; the header, which a browser sends on reconnect, is newer than the address it first opened."""
    return request.headers.get("last-event-id") or request.query_params.get("last_event_id") or None


def allowed_channels(caller: Caller) -> frozenset[str]:
    """Every channel that this caller may read."""
    own = () if caller.doctor_id is None else (doctor_channel(caller.doctor_id),)
    return frozenset((CONSULTATIONS, *own))


def asked_channels(asked: Sequence[str], allowed: frozenset[str]) -> frozenset[str]:
    """The channels of a request, by default all that are allowed.

    Raises Problem 422 `too_many_channels` or `unknown_channel`, 403 `foreign_channel`.
    """
    if not asked:
        return allowed
    names = [name for part in asked for name in part.split(",")]
    if len(names) > MOST_CHANNELS:
        raise Problem(422, "too_many_channels", f"A stream carries at most {MOST_CHANNELS} channels")
    if not all(_is_channel(name) for name in names):
        raise Problem(422, "unknown_channel", "There is no such channel")
    if not allowed.issuperset(names):
        raise Problem(403, "foreign_channel", "This channel belongs to somebody else")
    return frozenset(names)


def _is_channel(name: str) -> bool:
    if len(name) > LONGEST_CHANNEL:
        return False
    doctor = _DOCTOR.fullmatch(name)
    return name == CONSULTATIONS or (doctor is not None and int(doctor[1]) <= LARGEST_ID)


async def _answer(request: Request, error: Exception) -> Response:
    if isinstance(error, StreamRefusedError):
        status = 429 if isinstance(error, TooManyStreamsError) else 503
        return Problem(status, error.code, str(error), headers={"Retry-After": str(RETRY_AFTER)}).response()
    if isinstance(error, Problem):
        return error.response()
    note_fault(error)
    return await on_fault(request, error)


async def end_closed_sessions(
    hub: Hub, still_open: Callable[[Collection[str]], Awaitable[Collection[str]]], every: float
) -> None:
    """End, each `every` seconds, the streams of sessions that are no longer open, wherever they were ended; never returns.

    `still_open` is given the sessions that have a stream and answers with those that hold.
    """
    while True:
        await asyncio.sleep(every)
        sessions = hub.sessions()
        if not sessions:
            continue
        try:
            holding = await still_open(sessions)
        except Exception as error:  # noqa: BLE001 - noted; a database that is away must not end the watch over sessions
            note_fault(error)
            continue
        for session in set(sessions).difference(holding):
            hub.revoke(session)

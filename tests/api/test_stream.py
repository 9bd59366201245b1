"""`GET /api/events`: allowed channels, refusals, and the response before the first event."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from starlette.requests import Request

from patient_visit_engine.api.access.sessions import Caller
from patient_visit_engine.api.problems import Problem
from patient_visit_engine.api.stream.endpoint import MOST_CHANNELS, EventStream
from patient_visit_engine.live.hub import Hub
from patient_visit_engine.live.hub_tasks import run_hub
from patient_visit_engine.live.subscriber import Presence
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.log_hints import hints_of
from patient_visit_engine.storage.log_reader import LogReader
from patient_visit_engine.visit.codes import Role
from tests.support.databases import LATER_ON_POSTGRES, ON_SQLITE, database_on
from tests.support.waiting import wait_until_async

database = database_on("sqlite", LATER_ON_POSTGRES)


async def caller_from_header(request: Request) -> Caller:
    """Return the doctor with the number in the header. `0` is the reception, `-1` an admin, `-2` a wall.

    Text raises, and no header is 401.
    """
    number = request.headers.get("x-doctor")
    if number is None:
        raise Problem(401, "not_signed_in", "Sign in first", headers={"WWW-Authenticate": "Bearer"})
    doctor = max(int(number), 0) or None
    others = {"-1": Role.admin, "-2": Role.wall}
    role = others.get(number, Role.doctor if doctor else Role.reception)
    expires = datetime.now(UTC) + timedelta(hours=1)
    return Caller(f"account:{number}", number, "Dr. Amrani", role, doctor, expires, f"session-{number}", by_cookie=True)


@pytest.fixture
async def hub(database: Database) -> AsyncIterator[Hub]:
    changes = hints_of(database)
    async with run_hub(LogReader(database), changes) as running_hub:
        await wait_until_async(lambda: running_hub.started, "the first read")
        yield running_hub
    changes.close()


@pytest.fixture
async def client(hub: Hub) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(EventStream(caller_from_header, hub), raise_app_exceptions=True)
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers={"x-doctor": "7"}) as http_client:
        yield http_client


async def open_and_close(
    hub: Hub, query: str = "", doctor: str = "7", **headers: str
) -> tuple[dict[str, Any], bytes, set[str]]:
    """Open a stream and disconnect. Return the response's start, the bytes so far, and the channels."""
    sent: list[dict[str, Any]] = []
    disconnected = asyncio.Event()

    async def receive() -> dict[str, Any]:
        await disconnected.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(dict(message))

    fields = [(b"x-doctor", doctor.encode()), *((k.replace("_", "-").encode(), v.encode()) for k, v in headers.items())]
    scope = {"type": "http", "method": "GET", "path": "/api/events", "query_string": query.encode(), "headers": fields}
    task = asyncio.create_task(EventStream(caller_from_header, hub)(scope, receive, send))
    await wait_until_async(lambda: len(sent) == 2 and not hub.behind, "a live subscriber")
    channels = set(hub.channels())
    disconnected.set()
    await task
    assert hub.subscribers == 0
    return sent[0], b"".join(message["body"] for message in sent[1:]), channels


async def test_starts_with_ready_and_forbids_caching(hub: Hub) -> None:
    start, body, _ = await open_and_close(hub)

    assert start["status"] == 200
    assert dict(start["headers"]) == {
        b"content-type": b"text/event-stream",
        b"cache-control": b"no-store",
        b"x-content-type-options": b"nosniff",
        b"x-accel-buffering": b"no",
        b"x-request-id": b"",
    }
    cursor = hub.window.cursor
    assert body == (
        f'id: {cursor}\nevent: ready\ndata: {{"resume":"exact","cursor":"{cursor}"}}\nretry: 2000\n\n'.encode()
    )


@pytest.mark.parametrize(
    ("doctor", "query", "channels"),
    [
        ("7", "", {"consultations", "doctor.7"}),
        ("0", "", {"consultations"}),
        ("7", "channels=doctor.7", {"doctor.7"}),
        ("7", "channels=consultations,doctor.7", {"consultations", "doctor.7"}),
        ("7", "channels=consultations%2Cdoctor.7", {"consultations", "doctor.7"}),
        ("7", "channels=consultations&channels=doctor.7", {"consultations", "doctor.7"}),
        ("7", "channels=consultations,consultations", {"consultations"}),
        ("-2", "", {"wall"}),
        ("-2", "channels=wall", {"wall"}),
    ],
)
async def test_streams_requested_or_all_own_channels(hub: Hub, doctor: str, query: str, channels: set[str]) -> None:
    assert (await open_and_close(hub, query, doctor))[2] == channels


@ON_SQLITE
@pytest.mark.parametrize(
    ("doctor", "channels", "status", "code"),
    [
        ("7", "doctor.8", 403, "foreign_channel"),
        ("7", "consultations,doctor.8", 403, "foreign_channel"),
        ("0", "doctor.7", 403, "foreign_channel"),
        ("0", "wall", 403, "foreign_channel"),
        ("-2", "consultations", 403, "foreign_channel"),
        ("7", "doctor.8,nonsense", 422, "unknown_channel"),
        ("7", "", 422, "unknown_channel"),
        ("7", "consultations,", 422, "unknown_channel"),
        ("7", " doctor.7", 422, "unknown_channel"),
        ("7", "doctor.", 422, "unknown_channel"),
        ("7", "doctor.07", 422, "unknown_channel"),
        ("7", "doctor.0", 422, "unknown_channel"),
        ("7", "doctor.-7", 422, "unknown_channel"),
        ("7", "doctor.\u0667", 422, "unknown_channel"),
        ("7", "doctor.9007199254740992", 422, "unknown_channel"),
        ("7", "Consultations", 422, "unknown_channel"),
        ("7", "*", 422, "unknown_channel"),
        ("7", "doctor.7\n", 422, "unknown_channel"),
        ("7", "doctor." + "7" * 5000, 422, "unknown_channel"),
        ("7", ",".join(["doctor.7"] * (MOST_CHANNELS + 1)), 422, "too_many_channels"),
        ("-1", "consultations", 403, "wrong_role"),
    ],
)
async def test_refuses_channels_of_others(
    client: httpx.AsyncClient, hub: Hub, doctor: str, channels: str, status: int, code: str
) -> None:
    answer = await client.get("/api/events", params={"channels": channels}, headers={"x-doctor": doctor})

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert hub.counters.opened == 0


async def test_refuses_stream_without_sign_in(client: httpx.AsyncClient) -> None:
    del client.headers["x-doctor"]

    for method in ("GET", "HEAD"):
        answer = await client.request(method, "/api/events")

        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"


@ON_SQLITE
@pytest.mark.parametrize(
    ("method", "doctor", "channels", "status"),
    [
        ("GET", "not a number", "consultations", 500),
        ("GET", "7", "other", 422),
        ("HEAD", "7", "consultations", 200),
        ("POST", "7", "consultations", 405),
    ],
)
async def test_no_answer_is_stored_or_sniffed(
    client: httpx.AsyncClient, method: str, doctor: str, channels: str, status: int
) -> None:
    answer = await client.request(method, f"/api/events?channels={channels}", headers={"x-doctor": doctor})

    assert answer.status_code == status
    assert answer.headers.get_list("cache-control") == ["no-store"]
    assert answer.headers.get_list("x-content-type-options") == ["nosniff"]


async def test_unexpected_error_is_a_problem(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/events", headers={"x-doctor": "not a number"})

    assert (answer.status_code, answer.json()["code"]) == (500, "internal")


async def test_head_returns_headers_without_stream(client: httpx.AsyncClient, hub: Hub) -> None:
    answer = await client.head("/api/events")

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.content == b""
    assert hub.counters.opened == 0


@ON_SQLITE
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_refuses_other_methods(client: httpx.AsyncClient, method: str) -> None:
    answer = await client.request(method, "/api/events")

    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, HEAD"


async def test_refuses_stream_before_log_was_read(database: Database) -> None:
    transport = httpx.ASGITransport(EventStream(caller_from_header, Hub(LogReader(database))))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.get("/api/events", headers={"x-doctor": "7"})
        head = await client.head("/api/events", headers={"x-doctor": "7"})

    assert (answer.status_code, answer.json()["code"]) == (503, "stream_not_ready")
    assert (head.status_code, head.headers["retry-after"], answer.headers["retry-after"]) == (503, "5", "5")


async def test_presence_has_user_start_and_cursor(hub: Hub) -> None:
    before = datetime.now(UTC)
    present: list[Presence] = []

    async def receive() -> dict[str, Any]:
        present.extend(hub.presence())
        return {"type": "http.disconnect"}

    async def send(_message: Any) -> None:
        pass

    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": [(b"x-doctor", b"7")]}
    await EventStream(caller_from_header, hub)(scope, receive, send)

    (presence,) = present
    assert (presence.user, presence.name, presence.role) == ("account:7", "Dr. Amrani", "doctor")
    assert before <= presence.since <= datetime.now(UTC)
    assert (presence.cursor, presence.events_behind, presence.live) == (hub.window.cursor, 0, True)


@pytest.mark.parametrize("cancelled_by_hub", [True, False])
async def test_hides_only_cancellation_by_hub(hub: Hub, *, cancelled_by_hub: bool) -> None:
    waiting = asyncio.Event()

    async def receive() -> dict[str, Any]:
        waiting.set()
        await asyncio.Event().wait()
        return {}

    async def send(_message: Any) -> None:
        pass

    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": [(b"x-doctor", b"7")]}
    task = asyncio.create_task(EventStream(caller_from_header, hub)(scope, receive, send))
    await waiting.wait()
    if cancelled_by_hub:
        hub.revoke("session-7")
    else:
        task.cancel()
    await asyncio.wait([task])

    assert task.cancelled() is not cancelled_by_hub
    assert hub.subscribers == 0

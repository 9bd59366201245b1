"""The event stream's address: who may open which channels, how it refuses, and what its answer looks like before any event."""

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
from patient_visit_engine.live.running import running
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.log_changes import changes_of
from patient_visit_engine.storage.log_reader import LogReader
from patient_visit_engine.visit.codes import Role
from tests.support.stream_server import until


async def by_header(request: Request) -> Caller:
    """The doctor of the header's number; `0` is the reception, `fault` a defect, none at all nobody."""
    who = request.headers.get("x-doctor")
    if who is None:
        raise Problem(401, "not_signed_in", "Sign in first", headers={"WWW-Authenticate": "Bearer"})
    doctor = int(who) or None
    role = Role.doctor if doctor else Role.reception
    expires = datetime.now(UTC) + timedelta(hours=1)
    return Caller(f"account:{who}", who, "Dr. Amrani", role, doctor, expires, f"session-{who}", by_cookie=True)


@pytest.fixture
async def hub(database: Database) -> AsyncIterator[Hub]:
    changes = changes_of(database)
    async with running(LogReader(database), changes) as following:
        await until(lambda: following.started, "the first reading")
        yield following
    changes.close()


@pytest.fixture
async def client(hub: Hub) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(EventStream(by_header, hub), raise_app_exceptions=True)
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers={"x-doctor": "7"}) as opened:
        yield opened


async def opened(
    hub: Hub, query: str = "", doctor: str = "7", **headers: str
) -> tuple[dict[str, Any], bytes, set[str]]:
    """Open a stream and go: the response's start, the bytes up to then, and the channels that were followed."""
    sent: list[dict[str, Any]] = []
    gone = asyncio.Event()

    async def receive() -> dict[str, Any]:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(dict(message))

    fields = [(b"x-doctor", doctor.encode()), *((k.replace("_", "-").encode(), v.encode()) for k, v in headers.items())]
    scope = {"type": "http", "method": "GET", "path": "/api/events", "query_string": query.encode(), "headers": fields}
    task = asyncio.create_task(EventStream(by_header, hub)(scope, receive, send))
    await until(lambda: len(sent) == 2 and not hub.behind, "a live reader")
    followed = set(hub.channels())
    gone.set()
    await task
    assert hub.subscribers == 0
    return sent[0], b"".join(message["body"] for message in sent[1:]), followed


async def test_a_stream_begins_with_ready_and_may_not_be_kept_or_buffered(hub: Hub) -> None:
    start, body, _ = await opened(hub)

    assert start["status"] == 200
    assert dict(start["headers"]) == {
        b"content-type": b"text/event-stream",
        b"cache-control": b"no-store",
        b"x-accel-buffering": b"no",
    }
    cursor = hub.window.cursor
    assert body == (
        f'id: {cursor}\nevent: ready\ndata: {{"resume":"exact","cursor":"{cursor}"}}\nretry: 2000\n\n'.encode()
    )


@pytest.mark.parametrize(
    ("doctor", "query", "followed"),
    [
        ("7", "", {"consultations", "doctor.7"}),
        ("0", "", {"consultations"}),
        ("7", "channels=doctor.7", {"doctor.7"}),
        ("7", "channels=consultations,doctor.7", {"consultations", "doctor.7"}),
        ("7", "channels=consultations%2Cdoctor.7", {"consultations", "doctor.7"}),
        ("7", "channels=consultations&channels=doctor.7", {"consultations", "doctor.7"}),
        ("7", "channels=consultations,consultations", {"consultations"}),
    ],
)
async def test_a_caller_follows_what_was_asked_and_by_default_all_that_is_its_own(
    hub: Hub, doctor: str, query: str, followed: set[str]
) -> None:
    assert (await opened(hub, query, doctor))[2] == followed


@pytest.mark.parametrize(
    ("doctor", "channels", "status", "code"),
    [
        ("7", "doctor.8", 403, "foreign_channel"),
        ("7", "consultations,doctor.8", 403, "foreign_channel"),
        ("0", "doctor.7", 403, "foreign_channel"),
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
    ],
)
async def test_channels_that_are_not_the_callers_are_refused(
    client: httpx.AsyncClient, hub: Hub, doctor: str, channels: str, status: int, code: str
) -> None:
    answer = await client.get("/api/events", params={"channels": channels}, headers={"x-doctor": doctor})

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert hub.counters.opened == 0


async def test_nobody_gets_no_stream(client: httpx.AsyncClient) -> None:
    del client.headers["x-doctor"]

    for method in ("GET", "HEAD"):
        answer = await client.request(method, "/api/events")

        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_defect_in_front_of_the_stream_is_a_problem_and_not_an_exception(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/events", headers={"x-doctor": "not a number"})

    assert (answer.status_code, answer.json()["code"]) == (500, "internal")


async def test_head_tells_the_headers_and_opens_no_stream(client: httpx.AsyncClient, hub: Hub) -> None:
    answer = await client.head("/api/events")

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.content == b""
    assert hub.counters.opened == 0


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_the_stream_is_only_read(client: httpx.AsyncClient, method: str) -> None:
    answer = await client.request(method, "/api/events")

    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, HEAD"


async def test_before_the_log_was_read_there_is_no_stream(database: Database) -> None:
    transport = httpx.ASGITransport(EventStream(by_header, Hub(LogReader(database))))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.get("/api/events", headers={"x-doctor": "7"})
        head = await client.head("/api/events", headers={"x-doctor": "7"})

    assert (answer.status_code, answer.json()["code"]) == (503, "stream_not_ready")
    assert (head.status_code, head.headers["retry-after"], answer.headers["retry-after"]) == (503, "5", "5")


async def test_presence_tells_who_reads_since_when_and_how_far(hub: Hub) -> None:
    before = datetime.now(UTC)
    present = []

    async def receive() -> dict[str, Any]:
        present.extend(hub.presence())
        return {"type": "http.disconnect"}

    async def send(_message: Any) -> None:
        pass

    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": [(b"x-doctor", b"7")]}
    await EventStream(by_header, hub)(scope, receive, send)

    (one,) = present
    assert (one.user, one.name, one.role) == ("account:7", "Dr. Amrani", "doctor")
    assert before <= one.since <= datetime.now(UTC)
    assert (one.cursor, one.behind, one.live) == (hub.window.cursor, 0, True)


@pytest.mark.parametrize("cancelled_by_the_hub", [True, False])
async def test_only_the_hubs_own_end_is_kept_from_the_server(hub: Hub, *, cancelled_by_the_hub: bool) -> None:
    parked = asyncio.Event()

    async def receive() -> dict[str, Any]:
        parked.set()
        return await asyncio.get_running_loop().create_future()

    async def send(_message: Any) -> None:
        pass

    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": [(b"x-doctor", b"7")]}
    task = asyncio.create_task(EventStream(by_header, hub)(scope, receive, send))
    await parked.wait()
    if cancelled_by_the_hub:
        hub.revoke("session-7")
    else:
        task.cancel()
    await asyncio.wait([task])

    assert task.cancelled() is not cancelled_by_the_hub
    assert hub.subscribers == 0

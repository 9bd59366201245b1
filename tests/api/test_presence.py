"""`GET /api/presence` of any API process shows the subscribers of all processes."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import pytest
from pydantic import TypeAdapter
from starlette.responses import JSONResponse

from patient_visit_engine.api.stream import presence
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.presence import DEAD_AFTER
from patient_visit_engine.visit.calendar import to_rfc3339
from patient_visit_engine.visit.codes import Role
from patient_visit_engine.wire import process_bodies
from tests.support.api import ApiDriver, Clock
from tests.support.stream_process import StreamProcess, start_stream_process
from tests.support.stream_server import an_event, append_events


@pytest.fixture
async def processes(api: ApiDriver) -> AsyncIterator[tuple[StreamProcess, StreamProcess]]:
    """Two processes on one database, each with its own connections."""
    other = Database(api.database.url.render_as_string())
    async with AsyncExitStack() as stack:
        stack.push_async_callback(other.close)
        pair = (
            await start_stream_process(api.database, api.clock),
            await start_stream_process(other, api.clock),
        )
        for process in pair:
            stack.callback(process.app.dependencies.sessions.close)
            stack.push_async_callback(process.hub.drain)
        yield pair


async def get_presence(api: ApiDriver, process: StreamProcess) -> list[dict[str, Any]]:
    """Return the items that this process shows to a supervisor."""
    api.app = process.app
    answer = await (await api.staff("supervisor")).get("/api/presence")
    assert answer.status_code == 200, answer.text
    TypeAdapter(process_bodies.Presence).validate_json(answer.content)
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def select_keys(items: list[dict[str, Any]], *keys: str) -> list[tuple[Any, ...]]:
    """Return the name and these keys of each item."""
    return [tuple(item[key] for key in ("name", *keys)) for item in items]


async def test_shows_all_processes_oldest_first(api: ApiDriver, processes: tuple[StreamProcess, StreamProcess]) -> None:
    here, there = processes
    started_at = api.clock()
    for process, name in ((there, "Dr. Amrani"), (here, "Dr. Okafor"), (there, "Dr. Smith")):
        await process.subscribe(name)
        api.clock.advance(seconds=1)
    for process in processes:
        await process.reports.report()
    reported_at = to_rfc3339(api.clock())
    api.clock.advance(seconds=2)
    asked_at = to_rfc3339(api.clock())

    from_here, from_there = await get_presence(api, here), await get_presence(api, there)

    assert select_keys(from_here, "process", "as_of") == [
        ("Dr. Amrani", there.name, reported_at),
        ("Dr. Okafor", here.name, asked_at),
        ("Dr. Smith", there.name, reported_at),
    ]
    assert select_keys(from_there, "process", "as_of") == [
        ("Dr. Amrani", there.name, asked_at),
        ("Dr. Okafor", here.name, reported_at),
        ("Dr. Smith", there.name, asked_at),
    ]
    items = [{key: value for key, value in item.items() if key != "as_of"} for item in from_here]
    assert items == [{key: value for key, value in item.items() if key != "as_of"} for item in from_there]
    first = from_here[0]
    assert (first["role"], first["since"], first["live"], first["behind"]) == (
        "doctor",
        to_rfc3339(started_at),
        True,
        0,
    )
    assert first["cursor"] == there.hub.window.cursor


async def test_shows_subscriber_as_behind_then_as_live(
    api: ApiDriver, processes: tuple[StreamProcess, StreamProcess]
) -> None:
    here, there = processes
    slow = await there.subscribe("Dr. Amrani")
    await there.subscribe("Dr. Okafor")
    start = there.hub.window.cursor
    await there.reports.report()
    there.block(slow)
    for number in (1, 2, 3):
        await append_events(api.database, an_event(number))
        await there.tailer.read_new()
    await there.reports.report()

    behind = await get_presence(api, here)
    await there.unblock(slow)
    await there.reports.report()
    live = await get_presence(api, here)

    # The event that the connection has not taken yet counts as received, because it is on its way.
    assert sorted(select_keys(behind, "live", "behind")) == [("Dr. Amrani", False, 2), ("Dr. Okafor", True, 0)]
    assert {item["cursor"] for item in behind} == {start.replace("-0", "-1"), there.hub.window.cursor}
    assert sorted(select_keys(live, "live", "behind")) == [("Dr. Amrani", True, 0), ("Dr. Okafor", True, 0)]
    assert {item["cursor"] for item in live} == {there.hub.window.cursor}


async def test_new_subscriber_is_not_shown_far_behind(
    api: ApiDriver, processes: tuple[StreamProcess, StreamProcess]
) -> None:
    here, there = processes
    await append_events(api.database, *(an_event(number) for number in range(1, 10)))
    await there.tailer.read_new()
    subscriber = await there.subscribe("Dr. Amrani")

    async def send(_message: Any) -> None:
        pass

    there.hub.admit(replace(subscriber.subscription, name="Dr. Okafor"), send, lambda: None)
    await there.reports.report()

    assert sorted(select_keys(await get_presence(api, here), "live", "behind")) == [
        ("Dr. Amrani", True, 0),
        ("Dr. Okafor", False, 0),
    ]


async def test_hides_subscriber_that_disconnected(
    api: ApiDriver, processes: tuple[StreamProcess, StreamProcess]
) -> None:
    here, there = processes
    leaving = await there.subscribe("Dr. Amrani")
    await there.subscribe("Dr. Okafor")
    await there.reports.report()

    there.hub.remove(leaving)
    await there.subscribe("Dr. Smith")
    await there.reports.report()

    assert sorted(select_keys(await get_presence(api, here))) == [("Dr. Okafor",), ("Dr. Smith",)]


async def test_hides_subscribers_of_dead_process(
    api: ApiDriver, processes: tuple[StreamProcess, StreamProcess]
) -> None:
    here, dead = processes
    await here.subscribe("Dr. Okafor")
    await dead.subscribe("Dr. Amrani")
    await dead.reports.report()

    api.clock.at += DEAD_AFTER
    before = await get_presence(api, here)
    api.clock.advance(seconds=1)
    after = await get_presence(api, here)

    assert sorted(select_keys(before)) == [("Dr. Amrani",), ("Dr. Okafor",)]
    assert select_keys(after) == [("Dr. Okafor",)]


async def test_only_supervisor_sees_presence(api: ApiDriver, processes: tuple[StreamProcess, StreamProcess]) -> None:
    here, there = processes
    await there.subscribe("Dr. Amrani")
    await there.reports.report()
    api.app = here.app

    for role in ("doctor", "reception", "service"):
        answer = await (await api.staff(role, 7 if role == "doctor" else None)).get("/api/presence")
        assert (answer.status_code, answer.json()["code"]) == (403, "wrong_role")
        assert "Amrani" not in answer.text
    answer = await (await api.anyone()).get("/api/presence")
    assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in")


async def test_no_partial_list_without_database(api: ApiDriver, processes: tuple[StreamProcess, StreamProcess]) -> None:
    here, _there = processes
    await here.subscribe("Dr. Amrani")
    api.app = here.app
    supervisor = await api.staff("supervisor")
    unreachable = Database("postgresql+asyncpg://visit@127.0.0.1:1/visits")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(api.database, "read", unreachable.read)
        answer = await supervisor.get("/api/presence")
    await unreachable.close()

    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert "Amrani" not in answer.text


async def test_renders_long_list_completely(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "SUBSCRIBERS_AT_ONCE", 3)
    since = to_rfc3339(Clock()())
    for count in range(8):
        items = [connected_subscriber(since, user=str(number)) for number in range(count)]

        body = await presence.render_items(iter(items[::-1]), iter(()))

        assert body == render_with_starlette(items)


def connected_subscriber(since: str, user: str) -> process_bodies.ConnectedSubscriber:
    return {
        "user": user,
        "name": "Dr. Müller",
        "role": Role.doctor,
        "since": since,
        "cursor": "e-0",
        "behind": 0,
        "live": True,
        "process": "p",
        "as_of": since,
    }


def render_with_starlette(items: list[process_bodies.ConnectedSubscriber]) -> bytes:
    """Return the JSON document that Starlette renders."""
    return bytes(JSONResponse({"items": items}).body)

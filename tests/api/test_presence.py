"""A supervisor asks any API process who is connected, and is told of all of them."""

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
from patient_visit_engine.wire import shapes
from tests.api.conftest import Clinic, Clock
from tests.support.stream_process import StreamProcess, a_process
from tests.support.stream_server import an_event, tell


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> Database:
    """All this is held on both."""
    fresh: Database = request.getfixturevalue(f"on_{request.param}")
    return fresh


@pytest.fixture
async def processes(clinic: Clinic) -> AsyncIterator[tuple[StreamProcess, StreamProcess]]:
    """Two processes on one database, each on connections of its own."""
    other = Database(clinic.database.url.render_as_string())
    async with AsyncExitStack() as stack:
        stack.push_async_callback(other.close)
        two = await a_process(clinic.database, clinic.clock), await a_process(other, clinic.clock)
        for one in two:
            stack.callback(one.app.parts.sessions.close)
            stack.push_async_callback(one.hub.drain)
        yield two


async def asked(clinic: Clinic, process: StreamProcess) -> list[dict[str, Any]]:
    """What this process answers a supervisor."""
    clinic.app = process.app
    answer = await (await clinic.staff("supervisor")).get("/api/presence")
    assert answer.status_code == 200, answer.text
    TypeAdapter(shapes.Presence).validate_json(answer.content)
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def of_names(items: list[dict[str, Any]], *keys: str) -> list[tuple[Any, ...]]:
    return [tuple(item[key] for key in ("name", *keys)) for item in items]


async def test_both_processes_tell_of_both_processes_readers_longest_connected_first(
    clinic: Clinic, processes: tuple[StreamProcess, StreamProcess]
) -> None:
    here, there = processes
    began = clinic.clock()
    for process, name in ((there, "Dr. Amrani"), (here, "Dr. Okafor"), (there, "Dr. Smith")):
        await process.opens(name)
        clinic.clock.pass_by(seconds=1)
    for process in processes:
        await process.reports.report()
    reported_at = to_rfc3339(clinic.clock())
    clinic.clock.pass_by(seconds=2)
    asked_at = to_rfc3339(clinic.clock())

    from_here, from_there = await asked(clinic, here), await asked(clinic, there)

    assert of_names(from_here, "process", "as_of") == [
        ("Dr. Amrani", there.name, reported_at),
        ("Dr. Okafor", here.name, asked_at),
        ("Dr. Smith", there.name, reported_at),
    ]
    assert of_names(from_there, "process", "as_of") == [
        ("Dr. Amrani", there.name, asked_at),
        ("Dr. Okafor", here.name, reported_at),
        ("Dr. Smith", there.name, asked_at),
    ]
    same = [{key: value for key, value in item.items() if key != "as_of"} for item in from_here]
    assert same == [{key: value for key, value in item.items() if key != "as_of"} for item in from_there]
    first = from_here[0]
    assert (first["role"], first["since"], first["live"], first["behind"]) == ("doctor", to_rfc3339(began), True, 0)
    assert first["cursor"] == there.hub.window.cursor


async def test_a_reader_that_falls_behind_is_told_of_and_again_when_it_is_level(
    clinic: Clinic, processes: tuple[StreamProcess, StreamProcess]
) -> None:
    here, there = processes
    slow = await there.opens("Dr. Amrani")
    await there.opens("Dr. Okafor")
    at = there.hub.window.cursor
    await there.reports.report()
    there.stand_still(slow)
    for number in (1, 2, 3):
        await tell(clinic.database, an_event(number))
        await there.tailer.read_new()
    await there.reports.report()

    behind = await asked(clinic, here)
    await there.go_on(slow)
    await there.reports.report()
    level = await asked(clinic, here)

    # What a connection was given and has not taken is its reader's already: that much is on its way.
    assert sorted(of_names(behind, "live", "behind")) == [("Dr. Amrani", False, 2), ("Dr. Okafor", True, 0)]
    assert {item["cursor"] for item in behind} == {at.replace("-0", "-1"), there.hub.window.cursor}
    assert sorted(of_names(level, "live", "behind")) == [("Dr. Amrani", True, 0), ("Dr. Okafor", True, 0)]
    assert {item["cursor"] for item in level} == {there.hub.window.cursor}


async def test_a_reader_that_has_just_been_admitted_is_not_the_whole_log_behind(
    clinic: Clinic, processes: tuple[StreamProcess, StreamProcess]
) -> None:
    here, there = processes
    await tell(clinic.database, *(an_event(number) for number in range(1, 10)))
    await there.tailer.read_new()
    present = await there.opens("Dr. Amrani")

    async def send(_message: Any) -> None:
        pass

    there.hub.admit(replace(present.subscription, name="Dr. Okafor"), send, lambda: None)
    await there.reports.report()

    assert sorted(of_names(await asked(clinic, here), "live", "behind")) == [
        ("Dr. Amrani", True, 0),
        ("Dr. Okafor", False, 0),
    ]


async def test_who_goes_is_gone_and_the_rest_stays(
    clinic: Clinic, processes: tuple[StreamProcess, StreamProcess]
) -> None:
    here, there = processes
    going = await there.opens("Dr. Amrani")
    await there.opens("Dr. Okafor")
    await there.reports.report()

    there.hub.remove(going)
    await there.opens("Dr. Smith")
    await there.reports.report()

    assert sorted(of_names(await asked(clinic, here))) == [("Dr. Okafor",), ("Dr. Smith",)]


async def test_the_readers_of_a_process_that_died_vanish_once_it_is_silent_for_too_long(
    clinic: Clinic, processes: tuple[StreamProcess, StreamProcess]
) -> None:
    here, dead = processes
    await here.opens("Dr. Okafor")
    await dead.opens("Dr. Amrani")
    await dead.reports.report()

    clinic.clock.at += DEAD_AFTER
    before = await asked(clinic, here)
    clinic.clock.pass_by(seconds=1)
    after = await asked(clinic, here)

    assert sorted(of_names(before)) == [("Dr. Amrani",), ("Dr. Okafor",)]
    assert of_names(after) == [("Dr. Okafor",)]


async def test_only_a_supervisor_is_told(clinic: Clinic, processes: tuple[StreamProcess, StreamProcess]) -> None:
    here, there = processes
    await there.opens("Dr. Amrani")
    await there.reports.report()
    clinic.app = here.app

    for role in ("doctor", "reception", "service"):
        answer = await (await clinic.staff(role, 7 if role == "doctor" else None)).get("/api/presence")
        assert (answer.status_code, answer.json()["code"]) == (403, "wrong_role")
        assert "Amrani" not in answer.text
    answer = await (await clinic.anyone()).get("/api/presence")
    assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in")


async def test_a_database_that_is_away_is_said_and_no_half_of_the_list_given(
    clinic: Clinic, processes: tuple[StreamProcess, StreamProcess]
) -> None:
    here, _there = processes
    await here.opens("Dr. Amrani")
    clinic.app = here.app
    supervisor = await clinic.staff("supervisor")
    gone = Database("postgresql+asyncpg://visit@127.0.0.1:1/visits")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clinic.database, "read", gone.read)
        answer = await supervisor.get("/api/presence")
    await gone.close()

    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert "Amrani" not in answer.text


async def test_a_long_list_is_put_together_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "SUBSCRIBERS_AT_ONCE", 3)
    since = to_rfc3339(Clock()())
    for many in range(8):
        items = [{"since": since, "process": "p", "user": str(n), "cursor": "e-0"} for n in range(many)]

        body = await presence.together(iter(items[::-1]), iter(()))

        assert body == a_document(items)


def a_document(items: list[dict[str, Any]]) -> bytes:
    """The items as one JSON document of the framework's own."""
    return bytes(JSONResponse({"items": items}).body)

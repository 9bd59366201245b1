"""Caddy in front of two API processes: HTTP/2, events at once, nothing of the house outside, and one process that stops."""

import asyncio
import re
import shutil
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from pwdlib import PasswordHash

from patient_visit_engine.live.limits import DEFAULT_LIMITS
from patient_visit_engine.storage import accounts
from patient_visit_engine.storage.database import Database
from patient_visit_engine.visit.codes import Role
from tests.support.api_processes import ApiProcess, ApiProcesses, eventually_true, token
from tests.support.caddy import Caddy, ProxiedStream
from tests.support.stream_server import an_event, tell

pytestmark = [
    pytest.mark.skipif(shutil.which("caddy") is None, reason="caddy: not on the PATH"),
    pytest.mark.skipif(shutil.which("curl") is None, reason="curl: not on the PATH"),
]


@pytest.fixture
async def apis(database: Database, tmp_path: Path) -> AsyncIterator[list[ApiProcess]]:
    """Two API processes on one database."""
    processes = ApiProcesses(database, tmp_path)
    yield [await processes.start(), await processes.start()]
    await processes.close()


@pytest.fixture
async def door(apis: list[ApiProcess], tmp_path: Path) -> AsyncIterator[Caddy]:
    """Caddy before them."""
    caddy = Caddy(tmp_path, *(api.port for api in apis))
    await asyncio.to_thread(caddy.open)
    yield caddy
    await asyncio.to_thread(caddy.kill)


@pytest.fixture
def screen(door: Caddy, tmp_path: Path) -> Iterator[ProxiedStream]:
    """One open stream."""
    opened = ProxiedStream(door, token("desk"), tmp_path / "heard")
    yield opened
    opened.leave()


async def open_streams(apis: list[ApiProcess]) -> float:
    counted: float = sum([await api.count("visit_stream_subscribers") for api in apis if api.running])
    return counted


async def test_browsers_are_served_over_http_2(door: Caddy) -> None:
    answer = await asyncio.to_thread(door.ask, "/api/session", "-w", " %{http_version} %{http_code}")

    assert answer.stdout.endswith(" 2 401")


async def test_who_comes_without_tls_is_sent_to_it(door: Caddy) -> None:
    answer = await asyncio.to_thread(door.ask_plainly, "/board")

    # Without the port: outside of a test it is the one that https has anyway.
    assert answer == "308 https://localhost/board"


async def test_an_event_goes_through_at_once_and_waits_for_no_other(
    door: Caddy, screen: ProxiedStream, database: Database
) -> None:
    await asyncio.to_thread(screen.until_heard, "event: ready")
    before = screen.heard.count("event: heartbeat")

    await tell(database, an_event(1))
    await asyncio.to_thread(screen.until_heard, '"number":1')

    assert screen.heard.count("event: heartbeat") == before


async def test_a_screen_that_is_closed_is_gone_before_the_next_heartbeat(
    screen: ProxiedStream, apis: list[ApiProcess]
) -> None:
    await asyncio.to_thread(screen.until_heard, "event: ready")
    assert await open_streams(apis) == 1

    screen.leave()

    async def nobody() -> bool:
        return await open_streams(apis) == 0

    await eventually_true(nobody, "the stream to end", patience=DEFAULT_LIMITS.heartbeat_every - 5)


async def test_what_is_for_the_house_is_not_found_outside(door: Caddy) -> None:
    inside = ["/livez", "/readyz", "/metrics", "/openapi.json"]

    assert {path: await asyncio.to_thread(door.status, path) for path in inside} == dict.fromkeys(inside, "404")


async def test_a_session_through_the_door_is_kept_in_a_secure_cookie(door: Caddy, database: Database) -> None:
    hashed = PasswordHash.recommended().hash("swordfish")
    await database.write(accounts.add_account, "desk", hashed, "desk", Role.reception, None)
    body = '{"username": "desk", "password": "swordfish"}'

    answer = await asyncio.to_thread(
        door.ask,
        "/api/session",
        "-i",
        "-d",
        body,
        "-H",
        "Content-Type: application/json",
        "-H",
        f"Origin: {door.address}",
    )

    assert re.search(r"^set-cookie: .*; Secure\r?$", answer.stdout, re.MULTILINE | re.IGNORECASE), answer.stdout


async def test_when_one_process_stops_its_screens_are_told_and_the_other_serves_all(
    door: Caddy, screen: ProxiedStream, apis: list[ApiProcess]
) -> None:
    await asyncio.to_thread(screen.until_heard, "event: ready")
    serving = [api for api in apis if await api.count("visit_stream_subscribers")]

    serving[0].signal(signal.SIGTERM)
    await serving[0].exited()

    assert await asyncio.to_thread(screen.process.wait, 60) == 0
    answers = [await asyncio.to_thread(door.status, "/api/session") for _ in range(10)]
    assert set(answers) == {"401"}


async def test_caddy_is_unhealthy_when_no_process_serves(door: Caddy, apis: list[ApiProcess]) -> None:
    for api in apis:
        await asyncio.to_thread(api.stop)

    assert not await asyncio.to_thread(door.is_healthy)


async def test_caddy_stops_although_a_stream_is_open(door: Caddy, screen: ProxiedStream) -> None:
    await asyncio.to_thread(screen.until_heard, "event: ready")

    door.signal(signal.SIGTERM)

    # Less than what Compose waits before it kills.
    assert await asyncio.to_thread(door.wait, 20) == 0

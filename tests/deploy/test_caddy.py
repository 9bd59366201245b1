"""Caddy in front of two API processes: HTTP/2, immediate events, hidden internal paths, and a process that stops."""

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
from tests.support.api_processes import ApiProcess, ApiProcesses, token
from tests.support.caddy import Caddy, ProxiedStream
from tests.support.stream_server import an_event, append_events
from tests.support.waiting import wait_until_async

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
async def caddy(apis: list[ApiProcess], tmp_path: Path) -> AsyncIterator[Caddy]:
    """Caddy in front of the two processes."""
    process = Caddy(tmp_path, *(api.port for api in apis))
    await asyncio.to_thread(process.start_and_wait)

    yield process

    await asyncio.to_thread(process.kill)


@pytest.fixture
def stream(caddy: Caddy, tmp_path: Path) -> Iterator[ProxiedStream]:
    """One open event stream through Caddy."""
    proxied_stream = ProxiedStream(caddy, token("desk"), tmp_path / "stream.txt")

    yield proxied_stream

    proxied_stream.close()


async def count_open_streams(apis: list[ApiProcess]) -> float:
    count: float = sum([await api.count("visit_stream_subscribers") for api in apis if api.running])
    return count


async def test_serves_browsers_over_http_2(caddy: Caddy) -> None:
    answer = await asyncio.to_thread(caddy.request, "/api/session", "-w", " %{http_version} %{http_code}")

    assert answer.stdout.endswith(" 2 401")


async def test_redirects_plain_http_to_https(caddy: Caddy) -> None:
    answer = await asyncio.to_thread(caddy.request_without_tls, "/board")

    # Without the port: outside of tests it is the standard port of HTTPS.
    assert answer == "308 https://localhost/board"


async def test_passes_event_on_at_once(caddy: Caddy, stream: ProxiedStream, database: Database) -> None:
    await asyncio.to_thread(stream.wait_for, "event: ready")
    heartbeats = stream.text.count("event: heartbeat")

    await append_events(database, an_event(1))
    await asyncio.to_thread(stream.wait_for, '"number":1')

    assert stream.text.count("event: heartbeat") == heartbeats


async def test_closed_stream_ends_before_next_heartbeat(stream: ProxiedStream, apis: list[ApiProcess]) -> None:
    await asyncio.to_thread(stream.wait_for, "event: ready")
    assert await count_open_streams(apis) == 1

    stream.close()

    async def no_stream_is_open() -> bool:
        return await count_open_streams(apis) == 0

    await wait_until_async(no_stream_is_open, "the stream to end", seconds=DEFAULT_LIMITS.heartbeat_interval - 5)


async def test_hides_internal_paths(caddy: Caddy) -> None:
    internal_paths = ["/livez", "/readyz", "/metrics", "/openapi.json"]

    assert {path: await asyncio.to_thread(caddy.status, path) for path in internal_paths} == dict.fromkeys(
        internal_paths, "404"
    )


async def test_session_cookie_is_secure(caddy: Caddy, database: Database) -> None:
    password_hash = PasswordHash.recommended().hash("swordfish")
    await database.write(accounts.add_account, "desk", password_hash, "desk", Role.reception, None)
    body = '{"username": "desk", "password": "swordfish"}'

    answer = await asyncio.to_thread(
        caddy.request,
        "/api/session",
        "-i",
        "-d",
        body,
        "-H",
        "Content-Type: application/json",
        "-H",
        f"Origin: {caddy.url}",
    )

    assert re.search(r"^set-cookie: .*; Secure\r?$", answer.stdout, re.MULTILINE | re.IGNORECASE), answer.stdout


async def test_other_process_serves_when_one_stops(caddy: Caddy, stream: ProxiedStream, apis: list[ApiProcess]) -> None:
    await asyncio.to_thread(stream.wait_for, "event: ready")
    serving_apis = [api for api in apis if await api.count("visit_stream_subscribers")]

    serving_apis[0].signal(signal.SIGTERM)
    await serving_apis[0].exited()

    assert await asyncio.to_thread(stream.process.wait, 60) == 0
    statuses = [await asyncio.to_thread(caddy.status, "/api/session") for _ in range(10)]
    assert set(statuses) == {"401"}


async def test_is_unhealthy_without_api_processes(caddy: Caddy, apis: list[ApiProcess]) -> None:
    for api in apis:
        await asyncio.to_thread(api.stop)

    assert not await asyncio.to_thread(caddy.is_healthy)


async def test_stops_while_stream_is_open(caddy: Caddy, stream: ProxiedStream) -> None:
    await asyncio.to_thread(stream.wait_for, "event: ready")

    caddy.signal(signal.SIGTERM)

    # It must end by itself, without a kill.
    assert await asyncio.to_thread(caddy.wait, 20) == 0

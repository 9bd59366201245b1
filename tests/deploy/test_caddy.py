"""Caddy in front of two API processes: HTTP/2, immediate events, hidden internal paths, and a process that stops."""

import asyncio
import re
import shutil
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
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


@dataclass
class Proxied:
    """Caddy in front of two API processes on one database."""

    database: Database
    apis: list[ApiProcess]
    caddy: Caddy
    folder: Path

    @contextmanager
    def open_stream(self) -> Iterator[ProxiedStream]:
        """An open event stream through Caddy."""
        stream = ProxiedStream(self.caddy, token("desk"), self.folder / "stream.txt")
        try:
            yield stream
        finally:
            stream.close()


@asynccontextmanager
async def run_proxied(folder: Path, migrated_file: Path) -> AsyncIterator[Proxied]:
    await asyncio.to_thread(shutil.copyfile, migrated_file, folder / "visits.db")
    database = Database(f"sqlite+aiosqlite:///{folder / 'visits.db'}")
    processes = ApiProcesses(database, folder)
    apis = [await processes.start(VISIT_TRUSTED_PROXIES="127.0.0.1") for _ in range(2)]
    caddy = Caddy(folder, *(api.port for api in apis))
    await asyncio.to_thread(caddy.start_and_wait)

    yield Proxied(database, apis, caddy, folder)

    await asyncio.to_thread(caddy.kill)
    await processes.close()
    await database.close()


@pytest.fixture(scope="module")
async def proxied(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> AsyncIterator[Proxied]:
    """The processes that all tests of this module share."""
    async with run_proxied(tmp_path_factory.mktemp("proxied"), migrated_file) as shared:
        yield shared


@pytest.fixture
async def own_proxied(tmp_path: Path, migrated_file: Path) -> AsyncIterator[Proxied]:
    """Processes that a test may stop."""
    async with run_proxied(tmp_path, migrated_file) as processes:
        yield processes


async def count_open_streams(apis: list[ApiProcess]) -> float:
    count: float = sum([await api.count("visit_stream_subscribers") for api in apis if api.running])
    return count


async def test_serves_browsers_over_http_2(proxied: Proxied) -> None:
    answer = await asyncio.to_thread(proxied.caddy.request, "/api/session", "-w", " %{http_version} %{http_code}")

    assert answer.stdout.endswith(" 2 401")


async def test_redirects_plain_http_to_https(proxied: Proxied) -> None:
    answer = await asyncio.to_thread(proxied.caddy.request_without_tls, "/board")

    # Without the port: outside of tests it is the standard port of HTTPS.
    assert answer == "308 https://localhost/board"


async def test_passes_event_on_at_once(proxied: Proxied) -> None:
    with proxied.open_stream() as stream:
        await asyncio.to_thread(stream.wait_for, "event: ready")
        heartbeats = stream.text.count("event: heartbeat")

        await append_events(proxied.database, an_event(1))
        await asyncio.to_thread(stream.wait_for, '"number":1')

        assert stream.text.count("event: heartbeat") == heartbeats


async def test_closed_stream_ends_before_next_heartbeat(proxied: Proxied) -> None:
    async def no_stream_is_open() -> bool:
        return await count_open_streams(proxied.apis) == 0

    await wait_until_async(no_stream_is_open, "the streams of other tests to end")
    with proxied.open_stream() as stream:
        await asyncio.to_thread(stream.wait_for, "event: ready")
        assert await count_open_streams(proxied.apis) == 1

    await wait_until_async(no_stream_is_open, "the stream to end", seconds=DEFAULT_LIMITS.heartbeat_interval - 5)


async def test_hides_internal_paths(proxied: Proxied) -> None:
    internal_paths = ["/livez", "/readyz", "/metrics", "/openapi.json"]

    assert {path: await asyncio.to_thread(proxied.caddy.status, path) for path in internal_paths} == dict.fromkeys(
        internal_paths, "404"
    )


async def test_session_cookie_is_secure(proxied: Proxied) -> None:
    password_hash = PasswordHash.recommended().hash("swordfish")
    await proxied.database.write(accounts.add_account, "desk", password_hash, "desk", Role.reception, None)
    body = '{"username": "desk", "password": "swordfish"}'

    answer = await asyncio.to_thread(
        proxied.caddy.request,
        "/api/session",
        "-i",
        "-d",
        body,
        "-H",
        "Content-Type: application/json",
        "-H",
        f"Origin: {proxied.caddy.url}",
    )

    assert re.search(r"^set-cookie: .*; Secure\r?$", answer.stdout, re.MULTILINE | re.IGNORECASE), answer.stdout


async def test_other_process_serves_when_one_stops(own_proxied: Proxied) -> None:
    with own_proxied.open_stream() as stream:
        await asyncio.to_thread(stream.wait_for, "event: ready")
        serving_apis = [api for api in own_proxied.apis if await api.count("visit_stream_subscribers")]

        serving_apis[0].signal(signal.SIGTERM)
        await serving_apis[0].exited()

        assert await asyncio.to_thread(stream.process.wait, 60) == 0
    statuses = [await asyncio.to_thread(own_proxied.caddy.status, "/api/session") for _ in range(10)]
    assert set(statuses) == {"401"}


async def test_is_unhealthy_without_api_processes(own_proxied: Proxied) -> None:
    for api in own_proxied.apis:
        await asyncio.to_thread(api.stop)

    assert not await asyncio.to_thread(own_proxied.caddy.is_healthy)


async def test_stops_while_stream_is_open(own_proxied: Proxied) -> None:
    with own_proxied.open_stream() as stream:
        await asyncio.to_thread(stream.wait_for, "event: ready")

        own_proxied.caddy.signal(signal.SIGTERM)

        # It must end by itself, without a kill.
        assert await asyncio.to_thread(own_proxied.caddy.wait, 20) == 0

"""The API as a process: it starts without Temporal and stops in order while a stream is open."""

import asyncio
import gc
import os
import shutil
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import jwt
import pytest
import uvicorn

from patient_visit_engine.api.readiness import Readiness
from patient_visit_engine.api.server import GIVE_UP_AFTER, SEND_BUFFER, DrainingServer, listen
from tests.support.api import SECRET
from tests.support.ports import free_port
from tests.support.preloaded import API, PreloadedProcess, start_preloaded
from tests.support.waiting import wait_until_async

#: Seconds allowed for a start or a stop on a busy machine.
PATIENCE = 30
StartableApi = tuple[str, Callable[[], PreloadedProcess], Path]


@pytest.fixture
def process(tmp_path: Path, migrated_file: Path) -> Iterator[StartableApi]:
    """The API on its own database and a free port, without Temporal: its URL, a start function and its log file."""
    shutil.copyfile(migrated_file, tmp_path / "visits.db")
    port = free_port()
    settings = {
        "VISIT_DATA_DIR": str(tmp_path),
        "VISIT_HTTP_PORT": str(port),
        "VISIT_TEMPORAL_ADDRESS": "127.0.0.1:1",
        "VISIT_JWT_SECRET": SECRET,
        "VISIT_DECISION_TIMEOUT": "1",
    }
    running: list[PreloadedProcess] = []
    log = tmp_path / "api.log"

    def start() -> PreloadedProcess:
        with log.open("wb") as output:
            running.append(start_preloaded(API, [], stdout=output.fileno(), environment=os.environ | settings))
        return running[-1]

    yield f"http://127.0.0.1:{port}", start, log

    for api in running:
        api.kill()
        api.wait()


def token() -> str:
    claims = {"sub": "desk", "role": "reception", "name": "Desk", "exp": datetime.now(UTC) + timedelta(hours=1)}
    return jwt.encode(claims, SECRET, "HS256")


async def get_when_up(client: httpx.AsyncClient, address: str) -> httpx.Response:
    async def get() -> httpx.Response | None:
        with suppress(httpx.TransportError):
            return await client.get(address)
        return None

    return await wait_until_async(get, f"{address} answers", PATIENCE)


async def test_starts_without_temporal_and_stops(process: StartableApi) -> None:
    url, start, log = process
    api = start()
    headers = {"Authorization": f"Bearer {token()}"}

    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=PATIENCE) as client:
        live, ready = await get_when_up(client, "/livez"), await get_when_up(client, "/readyz")
        async with client.stream("GET", "/api/events") as stream:
            assert stream.status_code == 200, log.read_text()
            lines = stream.aiter_lines()
            assert "ready" in await anext(lines) + await anext(lines)
            api.send_signal(signal.SIGTERM)
            # The stream ends in order. A broken connection would raise here.
            last_lines = [line async for line in lines]
    code = await asyncio.to_thread(api.wait, PATIENCE)

    assert live.json() == {"status": "live"}
    assert (ready.status_code, ready.json()["temporal"], ready.json()["database"]) == (503, "down", "up")
    assert any(line.startswith("retry:") for line in last_lines)
    assert code == 0, log.read_text()
    assert "Traceback" not in log.read_text()
    assert "exception" not in log.read_text()


async def test_refuses_to_start_on_unknown_schema(process: StartableApi, tmp_path: Path) -> None:
    _url, start, log = process
    (tmp_path / "visits.db").unlink()

    code = await asyncio.to_thread(start().wait, PATIENCE)

    assert code != 0
    assert "UnknownSchemaError" in log.read_text()


async def test_startup_objects_are_never_collected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frozen_counts: list[int] = []

    async def serve(_self: uvicorn.Server, _sockets: object) -> None:
        frozen_counts.append(gc.get_freeze_count())

    monkeypatch.setattr(uvicorn.Server, "serve", serve)

    async def empty_app(*_arguments: object) -> None: ...

    try:
        await DrainingServer(empty_app, Readiness(), None).serve([])
    finally:
        gc.unfreeze()

    assert frozen_counts[0] > 10_000
    assert gc.isenabled()


@pytest.mark.skipif(sys.platform != "linux", reason="TCP_USER_TIMEOUT exists only on Linux")
def test_limits_timeout_and_buffer_of_connections() -> None:
    with listen("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()):
        listening.settimeout(PATIENCE)
        accepted, _address = listening.accept()

    with accepted:
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == GIVE_UP_AFTER
        # The kernel doubles the value for its own bookkeeping.
        assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == 2 * SEND_BUFFER

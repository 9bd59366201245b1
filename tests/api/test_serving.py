"""The API as a process: it starts without Temporal, and ends in order while somebody reads the stream."""

import asyncio
import gc
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import jwt
import pytest
import uvicorn

from patient_visit_engine.api.dependencies import Readiness
from patient_visit_engine.api.server import GIVE_UP_AFTER, SEND_BUFFER, DrainingServer, listen
from tests.api.conftest import SECRET

#: Seconds in which a start or an end has to happen, on a machine that has other things to do.
PATIENCE = 30
Started = tuple[str, Callable[[], subprocess.Popen[bytes]], Path]


@pytest.fixture
def process(tmp_path: Path, migrated_file: Path) -> Iterator[Started]:
    """The API on a database of its own and a free port, with a Temporal that is not there; its URL, its start and its log."""
    shutil.copyfile(migrated_file, tmp_path / "visits.db")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "VISIT_DATA_DIR": str(tmp_path),
        "VISIT_HTTP_PORT": str(port),
        "VISIT_TEMPORAL_ADDRESS": "127.0.0.1:1",
        "VISIT_JWT_SECRET": SECRET,
        "VISIT_DECISION_TIMEOUT": "1",
    }
    running: list[subprocess.Popen[bytes]] = []
    log = tmp_path / "api.log"

    def start() -> subprocess.Popen[bytes]:
        with log.open("wb") as to:
            running.append(
                subprocess.Popen(
                    [sys.executable, "-m", "patient_visit_engine.api.app"],
                    env=os.environ | settings,
                    stdout=to,
                    stderr=to,
                )
            )
        return running[-1]

    yield f"http://127.0.0.1:{port}", start, log

    for one in running:
        one.kill()
        one.wait()


def token() -> str:
    claims = {"sub": "desk", "role": "reception", "name": "Desk", "exp": datetime.now(UTC) + timedelta(hours=1)}
    return jwt.encode(claims, SECRET, "HS256")


async def answered(client: httpx.AsyncClient, address: str) -> httpx.Response:
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await client.get(address)
            except httpx.TransportError:
                await asyncio.sleep(0.05)


async def test_it_starts_without_temporal_and_ends_in_order_under_a_stream(process: Started) -> None:
    url, start, log = process
    api = start()
    headers = {"Authorization": f"Bearer {token()}"}

    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=PATIENCE) as client:
        live, ready = await answered(client, "/livez"), await answered(client, "/readyz")
        async with client.stream("GET", "/api/events") as stream:
            assert stream.status_code == 200, log.read_text()
            lines = stream.aiter_lines()
            assert "ready" in await anext(lines) + await anext(lines)
            api.send_signal(signal.SIGTERM)
            # The stream ends by its last byte, not by a broken connection, which would raise here.
            last = [line async for line in lines]
    code = await asyncio.to_thread(api.wait, PATIENCE)

    assert live.json() == {"status": "live"}
    assert (ready.status_code, ready.json()["temporal"], ready.json()["database"]) == (503, "down", "up")
    assert any(line.startswith("retry:") for line in last)
    assert code == 0, log.read_text()
    assert "Traceback" not in log.read_text()
    assert "exception" not in log.read_text()


async def test_a_database_of_another_schema_stops_the_start(process: Started, tmp_path: Path) -> None:
    _url, start, log = process
    (tmp_path / "visits.db").unlink()

    code = await asyncio.to_thread(start().wait, PATIENCE)

    assert code != 0
    assert "UnknownSchemaError" in log.read_text()


async def test_what_there_is_at_the_start_is_left_out_of_the_collections_that_stop_every_stream(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left_out: list[int] = []

    async def serve(_self: uvicorn.Server, _sockets: object) -> None:
        left_out.append(gc.get_freeze_count())

    monkeypatch.setattr(uvicorn.Server, "serve", serve)

    async def nothing(*_asked: object) -> None: ...

    try:
        await DrainingServer(nothing, Readiness(), None).serve([])
    finally:
        gc.unfreeze()

    assert left_out[0] > 10_000
    assert gc.isenabled()


@pytest.mark.skipif(sys.platform != "linux", reason="how long a connection may say nothing is set on Linux alone")
def test_each_connection_gives_up_a_silent_reader_and_hides_little_of_a_slow_one() -> None:
    with listen("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()):
        listening.settimeout(PATIENCE)
        accepted, _address = listening.accept()

    with accepted:
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == GIVE_UP_AFTER
        # The kernel keeps as much again for its own accounts.
        assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == 2 * SEND_BUFFER

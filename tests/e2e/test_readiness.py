"""`/readyz` tells the truth about workers and the disk, with the real processes."""

import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.decisions import assert_reason, start_decided
from tests.support.engine import NO_CERTIFICATES, Engine, OpenEngine
from tests.support.small_disk import fill, free, small_disk
from tests.support.waiting import wait_until_async


async def read_readiness(engine: Engine) -> dict[str, Any]:
    async with httpx.AsyncClient(verify=NO_CERTIFICATES, timeout=10) as client:
        body: dict[str, Any] = (await client.get(f"{engine.url}/readyz")).json()
        return body


async def wait_until_down(engine: Engine, dependency: str, seconds: float) -> str:
    """Wait until `/readyz` reports it down. Returns the reason."""

    async def is_down() -> str | None:
        body = await read_readiness(engine)
        return str(body["detail"]) if body["status"] == 503 and body[dependency] == "down" else None

    return await wait_until_async(is_down, f"{dependency} is down", seconds)


@pytest.mark.parametrize("open_engine", ["sqlite"], indirect=True)
async def test_reports_worker_that_stops_or_hangs(open_engine: OpenEngine) -> None:
    engine = await open_engine()
    engine.worker.signal(signal.SIGSTOP)
    # Temporal shows the polls of a worker that is gone for 90 seconds.
    hung = await wait_until_down(engine, "workers", 60)
    engine.worker.signal(signal.SIGCONT)
    await engine.wait_until_ready()
    engine.worker.stop()
    stopped = await wait_until_down(engine, "workers", 15)

    reason = "no worker polls the task queue visits: start a worker"
    assert (hung, stopped) == (reason, reason)


@pytest.fixture
async def engine_on_small_disk(tmp_path: Path) -> AsyncIterator[tuple[Engine, Path]]:
    """An engine with its database on a disk of a few megabytes, and the disk."""
    with small_disk(tmp_path, 16) as disk:
        engine = Engine(tmp_path, database_url=f"sqlite+aiosqlite:///{disk / 'visits.db'}")
        await engine.open()

        yield engine, disk

        await engine.close()


async def test_reports_full_disk_until_it_has_space(engine_on_small_disk: tuple[Engine, Path]) -> None:
    engine, disk = engine_on_small_disk
    await engine.admit(1, {1: 1})
    fill(disk)
    reason = await wait_until_down(engine, "database", 30)
    states = await read_readiness(engine)
    undecided = await engine.start(1, 1, 1)
    await assert_reason(engine, undecided, "ledger_away")
    free(disk)
    await engine.wait_until_ready()
    answer = await start_decided(engine, 1, 1, 1, "after")

    assert reason == "the disk of the database is full: free some space"
    assert answer.status_code == 201
    assert (states["schema"], states["temporal"], states["workers"]) == ("up", "up", "up")
    assert "write probe failed: the disk of the database is full" in engine.api.log.read_text()

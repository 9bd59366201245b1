"""Fixtures: one engine that all tests share, and engines that a test can break.

The shared ones end with the tests of this folder. Three processes that only wait take 6 % of a processor.
"""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path

import pytest

from tests.support.engine import Engine, OpenEngine
from tests.support.postgres import ThrowawayPostgres
from tests.support.replicas import Replicas

_numbers = count(1)


async def _database_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty database of the kind in the fixture's parameter; empty for a SQLite file in the engine's folder."""
    if request.param == "sqlite":
        return ""
    url: str = await asyncio.to_thread(request.getfixturevalue("new_postgres"), "template1")
    return url


@pytest.fixture(scope="package", params=["sqlite", "postgres"])
async def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Engine]:
    """The shared engine; each test uses its own patients."""
    folder = tmp_path_factory.mktemp("engine")
    shared = Engine(folder, database_url=await _database_url(request), decision_timeout="30")
    await shared.open()

    yield shared

    await shared.close()


@pytest.fixture(params=["sqlite", "postgres"])
async def open_engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[OpenEngine]:
    """A function that opens an engine with these settings, for one test only. Each has its own folder and database."""
    async with AsyncExitStack() as stack:
        folders = count(1)

        async def open_with(**settings: str) -> Engine:
            folder = tmp_path / f"engine-{next(folders)}"
            folder.mkdir()
            engine = Engine(folder, database_url=await _database_url(request), **settings)
            stack.push_async_callback(engine.close)
            await engine.open()
            return engine

        yield open_with


@pytest.fixture(scope="package", params=["sqlite", "postgres"])
async def quick_engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Engine]:
    """An engine with a short decision timeout and a frequent sweep."""
    folder = tmp_path_factory.mktemp("engine")
    shared = Engine(folder, database_url=await _database_url(request), decision_timeout="3", sweep_every="1")
    await shared.open()

    yield shared

    await shared.close()


@pytest.fixture
async def breakable_engine(quick_engine: Engine) -> AsyncIterator[Engine]:
    """The quick engine, of which a test may stop and kill the processes."""
    yield quick_engine

    await quick_engine.repair()


@pytest.fixture
async def lasting_engine(engine: Engine) -> AsyncIterator[Engine]:
    """The shared engine, with its long decision timeout, of which a test may stop and kill the processes."""
    yield engine

    await engine.repair()


@pytest.fixture
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One test at a time has this fixture, in all processes of the run: two processors are too few for two such engines."""
    base = tmp_path_factory.getbasetemp()
    folder = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with (folder / "alone.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture
def postgres() -> ThrowawayPostgres:
    if reason := ThrowawayPostgres.missing_requirement():
        pytest.skip(reason)
    return ThrowawayPostgres("-c max_connections=200")


@pytest.fixture
async def replicas(postgres: ThrowawayPostgres, tmp_path: Path) -> AsyncIterator[Replicas]:
    """Two of each process, on a PostgreSQL server that the test can stop."""
    await asyncio.to_thread(postgres.open)
    replicas = Replicas(tmp_path, f"{postgres.url}/postgres", decision_timeout="3", sweep_every="1")
    try:
        await replicas.open()
        yield replicas
    finally:
        await replicas.close()
        await asyncio.to_thread(postgres.close)


@pytest.fixture
def patient() -> int:
    """The id of a patient that no other test uses."""
    return next(_numbers)


@pytest.fixture
def key(patient: int) -> str:
    """An idempotency key that no other test uses."""
    return f"start-of-{patient}"

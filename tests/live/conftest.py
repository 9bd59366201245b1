"""What the tests of the stream share: a server on the test's database, and that database as others have it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from patient_visit_engine.live.limits import StreamLimits
from patient_visit_engine.storage.database import Database
from tests.support.api_processes import ApiProcesses
from tests.support.stream_server import Serve, StreamServer, served


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> Database:
    """A fresh database: every test of the stream is held on both."""
    fresh: Database = request.getfixturevalue(f"on_{request.param}")
    return fresh


@pytest.fixture
async def serve(database: Database) -> AsyncIterator[Serve]:
    """Start a server on the database, with the limits of the test; stopped at its end."""
    async with AsyncExitStack() as stack:

        async def start(**limits: Any) -> StreamServer:
            return await stack.enter_async_context(served(database, StreamLimits(**limits)))

        yield start


@pytest.fixture
async def elsewhere(database: Database) -> AsyncIterator[Database]:
    """The same database as another process has it: connections of its own."""
    other = Database(database.url.render_as_string())
    yield other
    await other.close()


@pytest.fixture
async def hospital(database: Database, tmp_path: Path) -> AsyncIterator[ApiProcesses]:
    """API processes and writers on the database; none outlives the test."""
    processes = ApiProcesses(database, tmp_path)
    yield processes
    await processes.close()

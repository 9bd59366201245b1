"""Fixtures of the stream tests: databases, a stream server, and API processes."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from patient_visit_engine.live.limits import StreamLimits
from patient_visit_engine.storage.database import Database
from tests.support.api_processes import ApiProcesses
from tests.support.databases import database_on
from tests.support.stream_server import Serve, StreamServer, served

database = database_on("sqlite", "postgres")


@pytest.fixture
async def serve(database: Database) -> AsyncIterator[Serve]:
    """Start a stream server with the test's limits. It stops at the end of the test."""
    async with AsyncExitStack() as stack:

        async def start(**limits: Any) -> StreamServer:
            return await stack.enter_async_context(served(database, StreamLimits(**limits)))

        yield start


@pytest.fixture
async def writer_database(database: Database) -> AsyncIterator[Database]:
    """The same database with its own connections, as a writing process has it."""
    other = Database(database.url.render_as_string())
    yield other
    await other.close()


@pytest.fixture
async def api_processes(database: Database, tmp_path: Path) -> AsyncIterator[ApiProcesses]:
    """API processes and writers on the database. All end with the test."""
    processes = ApiProcesses(database, tmp_path)
    yield processes
    await processes.close()

"""Fixtures of the API's tests."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from patient_visit_engine.api.app import create_app
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.ledger.recording import SqlLedger
from tests.support.api import (
    JOHN_CARDIOLOGY,
    JOHN_DERMATOLOGY,
    JOHN_X_RAY,
    MARIA_CARDIOLOGY,
    ApiDriver,
    ApiOpener,
    Clock,
    LedgerVisits,
    settings_with,
)
from tests.support.builders import seed
from tests.support.databases import database_on

database = database_on("sqlite", "postgres")


@pytest.fixture
async def open_api(database: Database) -> AsyncIterator[ApiOpener]:
    """Opens the application with other settings than the usual ones."""
    async with AsyncExitStack() as stack:

        async def open_with(**settings: Any) -> ApiDriver:
            await database.write(seed, JOHN_CARDIOLOGY, JOHN_DERMATOLOGY, JOHN_X_RAY, MARIA_CARDIOLOGY)
            clock, all_settings = Clock(), settings_with(**settings)
            visits = LedgerVisits(SqlLedger(database), clock)
            app = create_app(all_settings, database, visits, visits, now=clock)
            stack.callback(app.dependencies.sessions.close)
            stack.callback(app.dependencies.authentication.close)
            return ApiDriver(app, database, visits, clock, all_settings, stack)

        yield open_with


@pytest.fixture
async def api(open_api: ApiOpener) -> ApiDriver:
    """The application at noon. John Doe has three appointments today, Maria Silva has one."""
    return await open_api()

"""Fixtures: each test runs on SQLite and on PostgreSQL."""

import pytest

from patient_visit_engine.storage.database import Database
from tests.support.ledger import LedgerDriver


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> Database:
    """A fresh database with the newest schema."""
    fresh: Database = request.getfixturevalue(f"on_{request.param}")
    return fresh


@pytest.fixture
def ledger(database: Database) -> LedgerDriver:
    """The ledger driver of John Doe on DAY."""
    return LedgerDriver(database)

"""The database of these tests: each runs on SQLite and on PostgreSQL."""

import pytest

from patient_visit_engine.storage.database import Database


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> Database:
    """A fresh database with the newest schema."""
    opened: Database = request.getfixturevalue(f"on_{request.param}")
    return opened

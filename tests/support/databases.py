"""The fixture `database` for tests that run on SQLite and on PostgreSQL."""

import pytest

from patient_visit_engine.storage.database import Database


def database_on(*kinds: str) -> object:
    """A fixture with a fresh database of each kind, with the newest schema. `sqlite` is the fixture `on_sqlite`, and so on."""

    @pytest.fixture(params=kinds)
    def database(request: pytest.FixtureRequest) -> Database:
        """A fresh database with the newest schema."""
        fresh: Database = request.getfixturevalue(f"on_{request.param}")
        return fresh

    return database

"""The fixture `database` for tests that run on SQLite and on PostgreSQL."""

import pytest

from patient_visit_engine.storage.database import Database

#: For tests of which the outcome does not depend on the database: they run on PostgreSQL too, but only with the long tests.
LATER_ON_POSTGRES = pytest.param("postgres", marks=pytest.mark.long)


def database_on(*kinds: object) -> object:
    """A fixture with a fresh database of each kind, with the newest schema. `sqlite` is the fixture `on_sqlite`, and so on."""

    @pytest.fixture(params=kinds)
    def database(request: pytest.FixtureRequest) -> Database:
        """A fresh database with the newest schema."""
        fresh: Database = request.getfixturevalue(f"on_{request.param}")
        return fresh

    return database


def on_kind(fixture: str, kind: str) -> pytest.MarkDecorator:
    """For a test of which the outcome does not depend on the database, next to tests that run on both kinds."""
    return pytest.mark.parametrize(fixture, [kind], indirect=True)


ON_SQLITE = on_kind("database", "sqlite")
#: For one test of that kind, next to tests that run on both at once.
POSTGRES_LATER = pytest.mark.parametrize("database", ["sqlite", LATER_ON_POSTGRES], indirect=True)

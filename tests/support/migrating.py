"""Databases at an older schema."""

from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from patient_visit_engine.storage import migrations
from patient_visit_engine.storage.database import Database


async def run_on(url: str, unit: Any, *, enforce_foreign_keys: bool = True) -> Any:
    """Run the unit of work in one transaction."""
    database = Database(url, enforce_foreign_keys=enforce_foreign_keys)
    try:
        return await database.write(unit)
    finally:
        await database.close()


def migrate_to(revision: str) -> Any:
    """A unit of work that upgrades a database to this older schema only. With rows in it, without foreign keys."""

    def unit(connection: Connection) -> None:
        history = ScriptDirectory(migrations.HISTORY)
        steps: Any = lambda current, _context: history._upgrade_revs(revision, current)  # noqa: E731
        with EnvironmentContext(Config(), history, fn=steps) as environment:
            environment.configure(connection=connection)
            environment.run_migrations()

    return unit

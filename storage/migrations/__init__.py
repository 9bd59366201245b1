"""Migrations: upgrade and downgrade of the schema.

SQLite and PostgreSQL share one history. All steps of an upgrade run in one transaction, so a failed step changes nothing.
"""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text

from patient_visit_engine.storage.schema_version import (
    NEWEST,
    UnknownSchemaError,
    read_revision,
    run_in_transaction,
    sqlite_file,
)

HISTORY = Path(__file__).parent
# An arbitrary number. All migrations of this program must use the same one.
ADVISORY_LOCK = 7_240_251_101


class MigrationUnderWayError(Exception):
    """Another process is migrating this database."""


def upgrade(url: str) -> str:
    """Upgrade the database to the newest schema and return its revision. A second call changes nothing.

    Blocks, so call it from a thread when an event loop runs. Raises `UnknownSchemaError` for a database of a newer program.
    Raises `MigrationUnderWayError` when another migration runs. It does not wait, so that a second start is noticed.
    """
    with _file_lock(url):
        return run_in_transaction(url, _upgrade, enforce_foreign_keys=False)


def downgrade(url: str, revision: str) -> str:
    """Downgrade the database to an older schema, for an older program, and return its revision. Blocks.

    Data that exists only in the newer schema is lost. Raises `UnknownSchemaError` when `revision` is not an older one, and
    `MigrationUnderWayError`. In both cases nothing changes.
    """
    with _file_lock(url):
        return run_in_transaction(url, partial(_downgrade, revision=revision), enforce_foreign_keys=False)


def _lock(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        lock = text("SELECT pg_try_advisory_xact_lock(:number)")
        if not connection.scalar(lock, {"number": ADVISORY_LOCK}):
            raise MigrationUnderWayError


def _upgrade(connection: Connection) -> str:
    _lock(connection)
    _run_revisions(connection, lambda history, current: history._upgrade_revs("head", current))
    return NEWEST


def _downgrade(connection: Connection, revision: str) -> str:
    _lock(connection)
    older_revisions = {
        script.revision for script in ScriptDirectory(HISTORY).iterate_revisions(read_revision(connection), "base")
    }
    if revision not in older_revisions:
        raise UnknownSchemaError(f"there is no way back to schema {revision}")
    _run_revisions(connection, lambda history, current: history._downgrade_revs(revision, current))
    return revision


def _run_revisions(connection: Connection, choose_revisions: Callable[[ScriptDirectory, Any], Any]) -> None:
    history = ScriptDirectory(HISTORY)

    def revisions(revision: Any, _context: MigrationContext) -> Any:
        return choose_revisions(history, revision)

    with EnvironmentContext(Config(), history, fn=revisions) as environment:
        environment.configure(connection=connection)
        try:
            environment.run_migrations()
        except CommandError:
            raise UnknownSchemaError("the database was made by a newer program: use that one") from None
    _check_foreign_keys(connection)


def _check_foreign_keys(connection: Connection) -> None:
    """Raise UnknownSchemaError for a row without the row that it refers to. On SQLite the checks were off, see `Database`."""
    if connection.dialect.name == "sqlite" and (orphan := connection.execute(text("PRAGMA foreign_key_check")).first()):
        raise UnknownSchemaError(
            f"a row of {orphan[0]} refers to a row of {orphan[2]} that does not exist: restore a backup"
        )


@contextmanager
def _file_lock(url: str) -> Iterator[None]:
    """Prevent other migrations of the same SQLite file. Two that create one file together fail with `database is locked`."""
    path = sqlite_file(url)
    if path is None:
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f"{path.name}.migrating").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise MigrationUnderWayError from None
        yield

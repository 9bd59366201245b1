"""Migrations: upgrade and downgrade of the schema, and the check at start that the schema fits this program.

SQLite and PostgreSQL share one history. All steps of an upgrade run in one transaction, so a failed step changes nothing.
"""

import asyncio
import fcntl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, make_url, text
from sqlalchemy.exc import DBAPIError

from patient_visit_engine.storage.database import Database

T = TypeVar("T")

HISTORY = Path(__file__).parent
# An arbitrary number. All migrations of this program must use the same one.
ADVISORY_LOCK = 7_240_251_101


class MigrationUnderWayError(Exception):
    """Another process is migrating this database."""


class UnknownSchemaError(Exception):
    """The database has another schema than this program needs, or no schema."""


def upgrade(url: str) -> str:
    """Upgrade the database to the newest schema and return its revision. A second call changes nothing.

    Blocks, so call it from a thread when an event loop runs. Raises `UnknownSchemaError` for a database of a newer program.
    Raises `MigrationUnderWayError` when another migration runs. It does not wait, so that a second start is noticed.
    """
    with _file_lock(url):
        return _in_one_transaction(url, _upgrade)


def downgrade(url: str, revision: str) -> str:
    """Downgrade the database to an older schema, for an older program, and return its revision. Blocks.

    Data that exists only in the newer schema is lost. Raises `UnknownSchemaError` when `revision` is not an older one, and
    `MigrationUnderWayError`. In both cases nothing changes.
    """
    with _file_lock(url):
        return _in_one_transaction(url, partial(_downgrade, revision=revision))


def current(url: str) -> str | None:
    """Return the revision of the database, or None if it has no schema. Blocks."""
    path = _sqlite_file(url)
    if path is not None and not path.exists():
        return None
    return _in_one_transaction(url, _read_revision)


def newest() -> str:
    """Return the newest revision that this program knows."""
    head = ScriptDirectory(HISTORY).get_current_head()
    assert head is not None
    return head


def check(url: str) -> None:
    """Check that the database has the newest schema. Blocks.

    Otherwise raises `UnknownSchemaError` with the remedy in its message.
    """
    try:
        revision = current(url)
    except (DBAPIError, OSError) as error:
        # The text of the error is left out, because it may quote the address. The driver's class is more specific than
        # SQLAlchemy's.
        error_class = type(error.driver_exception if isinstance(error, DBAPIError) else error).__name__
        raise UnknownSchemaError(f"the database cannot be read ({error_class})") from error
    if revision is None:
        raise UnknownSchemaError("the database has no schema yet: run `visit-engine migrate`")
    if revision != newest():
        is_older = revision in {script.revision for script in ScriptDirectory(HISTORY).walk_revisions()}
        remedy = "run `visit-engine migrate`" if is_older else "it was made by a newer program: use that one"
        raise UnknownSchemaError(f"the database is at schema {revision}, this program needs {newest()}: {remedy}")


def _lock(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        lock = text("SELECT pg_try_advisory_xact_lock(:number)")
        if not connection.scalar(lock, {"number": ADVISORY_LOCK}):
            raise MigrationUnderWayError


def _upgrade(connection: Connection) -> str:
    _lock(connection)
    _run_revisions(connection, lambda history, current: history._upgrade_revs("head", current))
    return newest()


def _downgrade(connection: Connection, revision: str) -> str:
    _lock(connection)
    older_revisions = {
        script.revision for script in ScriptDirectory(HISTORY).iterate_revisions(_read_revision(connection), "base")
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


def _read_revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _in_one_transaction(url: str, unit: Callable[[Connection], T]) -> T:
    async def run_unit() -> T:
        # Without a limit, because an index over years of rows takes long.
        database = Database(url, statement_within=None)
        try:
            return await database.write(unit)
        finally:
            await database.close()

    # In a new thread, because the calling thread may already run an event loop.
    with ThreadPoolExecutor(1, thread_name_prefix="migration") as threads:
        return threads.submit(lambda: asyncio.run(run_unit())).result()


def _sqlite_file(url: str) -> Path | None:
    parsed = make_url(url)
    return Path(parsed.database or "") if parsed.get_backend_name() == "sqlite" else None


@contextmanager
def _file_lock(url: str) -> Iterator[None]:
    """Prevent other migrations of the same SQLite file. Two that create one file together fail with `database is locked`."""
    path = _sqlite_file(url)
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

"""Bringing a database to the schema that this program knows, and refusing any other; it must not know what the tables mean.

One history serves SQLite and PostgreSQL. Each step runs in the one transaction of `upgrade`, so a failed one leaves nothing.
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
# Any number will do, as long as every migration of this program asks for the same one.
ADVISORY_LOCK = 7_240_251_101


class MigrationUnderWayError(Exception):
    """Another program is at work on this database's schema."""


class UnknownSchemaError(Exception):
    """The database is not at the schema that this program was written for, or does not say which."""


def upgrade(url: str) -> str:
    """Bring the database to the newest schema and return its revision; a second call changes nothing.

    Blocks; call it from a thread where a loop runs. Raises `UnknownSchemaError` for a database of a newer program, and
    `MigrationUnderWayError` when another one is at work: two that wait for each other would hide that they were started twice.
    """
    with _alone(url):
        return _in_one_transaction(url, _bring_up)


def downgrade(url: str, revision: str) -> str:
    """Take the database back to an older schema that this program knows, for an older program, and return its revision.

    What the newer schema alone can hold is lost. Blocks. Raises `UnknownSchemaError` where there is no way back to that
    revision, and `MigrationUnderWayError`; nothing is changed then.
    """
    with _alone(url):
        return _in_one_transaction(url, partial(_take_back, revision=revision))


def current(url: str) -> str | None:
    """The revision that the database is at, or None for one without a schema. Blocks."""
    path = _file(url)
    if path is not None and not path.exists():
        return None
    return _in_one_transaction(url, _revision)


def newest() -> str:
    """The revision that this program knows as the last."""
    head = ScriptDirectory(HISTORY).get_current_head()
    assert head is not None
    return head


def check(url: str) -> None:
    """Raise `UnknownSchemaError`, with what to do about it, unless the database is at the newest schema. Blocks."""
    try:
        found = current(url)
    except (DBAPIError, OSError) as error:
        # Not the error's own text: it may quote the address. Its driver's class says more than SQLAlchemy's.
        kind = type(error.driver_exception if isinstance(error, DBAPIError) else error).__name__
        raise UnknownSchemaError(f"the database cannot be read ({kind})") from error
    if found is None:
        raise UnknownSchemaError("the database has no schema yet: run `visit-engine migrate`")
    if found != newest():
        known = found in {step.revision for step in ScriptDirectory(HISTORY).walk_revisions()}
        remedy = "run `visit-engine migrate`" if known else "it was made by a newer program: use that one"
        raise UnknownSchemaError(f"the database is at schema {found}, this program needs {newest()}: {remedy}")


def _lock(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        alone = text("SELECT pg_try_advisory_xact_lock(:number)")
        if not connection.scalar(alone, {"number": ADVISORY_LOCK}):
            raise MigrationUnderWayError


def _bring_up(connection: Connection) -> str:
    _lock(connection)
    _run(connection, lambda history, found: history._upgrade_revs("head", found))
    return newest()


def _take_back(connection: Connection, revision: str) -> str:
    _lock(connection)
    older = {step.revision for step in ScriptDirectory(HISTORY).iterate_revisions(_revision(connection), "base")}
    if revision not in older:
        raise UnknownSchemaError(f"there is no way back to schema {revision}")
    _run(connection, lambda history, found: history._downgrade_revs(revision, found))
    return revision


def _run(connection: Connection, way: Callable[[ScriptDirectory, Any], Any]) -> None:
    history = ScriptDirectory(HISTORY)

    def steps(found: Any, _context: MigrationContext) -> Any:
        return way(history, found)

    with EnvironmentContext(Config(), history, fn=steps) as environment:
        environment.configure(connection=connection)
        try:
            environment.run_migrations()
        except CommandError:
            raise UnknownSchemaError("the database was made by a newer program: use that one") from None


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _in_one_transaction(url: str, unit: Callable[[Connection], T]) -> T:
    async def whole() -> T:
        # An index over years of rows takes its time.
        database = Database(url, statement_within=None)
        try:
            return await database.write(unit)
        finally:
            await database.close()

    # A thread of its own, or this could not be called where a loop runs already.
    with ThreadPoolExecutor(1, thread_name_prefix="migration") as threads:
        return threads.submit(lambda: asyncio.run(whole())).result()


def _file(url: str) -> Path | None:
    parsed = make_url(url)
    return Path(parsed.database or "") if parsed.get_backend_name() == "sqlite" else None


@contextmanager
def _alone(url: str) -> Iterator[None]:
    """Keep other migrations of the same SQLite file out; two that make one file together meet `database is locked`."""
    path = _file(url)
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

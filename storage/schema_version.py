"""The revision of the schema: which one a database has, and whether it fits this program.

Without Alembic, because every process checks this at its start, and importing Alembic takes longer than the check.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, inspect, make_url, text
from sqlalchemy.exc import DBAPIError

from patient_visit_engine.storage.database import Database

T = TypeVar("T")

MIGRATIONS = Path(__file__).parent / "migrations" / "versions"
#: The revisions that this program knows, oldest first. A migration's file name starts with its revision.
REVISIONS = tuple(sorted(file.name.partition("_")[0] for file in MIGRATIONS.glob("[0-9]*.py")))
NEWEST = REVISIONS[-1]


class UnknownSchemaError(Exception):
    """The database has another schema than this program needs, or no schema."""


def current(url: str) -> str | None:
    """Return the revision of the database, or None if it has no schema. Blocks."""
    path = sqlite_file(url)
    if path is not None and not path.exists():
        return None
    return run_in_transaction(url, read_revision)


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
    if revision not in REVISIONS and revision is not None:
        remedy = "it was made by a newer program: use that one"
        raise UnknownSchemaError(f"the database is at schema {revision}, this program needs {NEWEST}: {remedy}")
    if (missing := what_is_missing(revision)) is not None:
        raise UnknownSchemaError(missing)


def what_is_missing(revision: str | None) -> str | None:
    """What a database at this revision needs before this program can use it, or None. A newer database lacks nothing."""
    if revision is None:
        return "the database has no schema yet: run `visit-engine migrate`"
    if revision in REVISIONS[:-1]:
        return f"the database is at schema {revision}, this program needs {NEWEST}: run `visit-engine migrate`"
    return None


def read_revision(connection: Connection) -> str | None:
    """Return the revision of the database, or None if it has no schema."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision


def run_in_transaction(url: str, unit: Callable[[Connection], T], *, enforce_foreign_keys: bool = True) -> T:
    """Run the unit in one transaction and return its result. Blocks. See `Database` for `enforce_foreign_keys`."""

    async def run_unit() -> T:
        # Without a limit, because an index over years of rows takes long.
        database = Database(url, statement_within=None, enforce_foreign_keys=enforce_foreign_keys)
        try:
            return await database.write(unit)
        finally:
            await database.close()

    # In a new thread, because the calling thread may already run an event loop.
    with ThreadPoolExecutor(1, thread_name_prefix="schema") as threads:
        return threads.submit(lambda: asyncio.run(run_unit())).result()


def sqlite_file(url: str) -> Path | None:
    """The file of a SQLite database, or None for another kind."""
    parsed = make_url(url)
    return Path(parsed.database or "") if parsed.get_backend_name() == "sqlite" else None

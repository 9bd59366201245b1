"""Opens the database of a command, and turns its errors into errors for the operator."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.exc import DBAPIError

from patient_visit_engine.runtime.operator_error import OperatorError
from patient_visit_engine.storage import schema_version
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.postgres import STATEMENT_TIMEOUT_SECONDS


def check_schema(url: str) -> None:
    """Raise `OperatorError` when the database at `url` has another schema than this version needs. Blocks the calling thread."""
    try:
        schema_version.check(url)
    except schema_version.UnknownSchemaError as error:
        raise OperatorError(f"VISIT_DATABASE_URL: {error}") from None


@asynccontextmanager
async def open_checked(
    url: str, use: str, *, statement_within: float | None = STATEMENT_TIMEOUT_SECONDS
) -> AsyncIterator[Database]:
    """Check the schema, and open the database while the context lasts. `use` is "read" or "written", for the error's text.

    Raises `OperatorError` when the schema is another one, or when the database fails.
    """
    database = Database(url, statement_within=statement_within)
    try:
        await asyncio.to_thread(check_schema, url)
        yield database
    except (DBAPIError, OSError) as error:
        # Only the error's class: its text may quote the address with the password.
        raise OperatorError(f"VISIT_DATABASE_URL: the database cannot be {use} ({type(error).__name__})") from error
    finally:
        await database.close()

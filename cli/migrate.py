"""`visit-engine migrate`: what must stand before `api` and `worker` start; it must not know what is kept there."""

import asyncio
from typing import Annotated

import typer
from sqlalchemy.exc import DBAPIError

from patient_visit_engine.runtime import namespace
from patient_visit_engine.runtime.operator_error import OperatorError
from patient_visit_engine.runtime.settings import Settings, load
from patient_visit_engine.storage import migrations

BackTo = Annotated[
    str, typer.Option("--back-to", metavar="REVISION", help="Take the database back to an older schema instead.")
]
DatabaseOnly = Annotated[bool, typer.Option("--database-only", help="Leave Temporal alone.")]


def migrate(database_only: DatabaseOnly = False, back_to: BackTo = "") -> None:
    """Prepare the database's schema, then the Temporal namespace's retention and search attributes.

    Run it before every start of a new version; twice does no harm, twice at once is refused.
    """
    settings = load()
    typer.echo(f"database: at schema {schema(settings, back_to)}")
    if back_to:
        return
    if not database_only:
        asyncio.run(namespace.prepare(settings))
        days = namespace.RETENTION.days
        typer.echo(f"temporal: namespace {settings.temporal_namespace} keeps closed visits for {days} days or longer")


def schema(settings: Settings, back_to: str = "") -> str:
    """Bring the database to the newest schema, or back to an older one; its revision. Blocks. Raises `OperatorError`."""
    try:
        return migrations.downgrade(settings.database, back_to) if back_to else migrations.upgrade(settings.database)
    except migrations.UnknownSchemaError as unknown:
        raise OperatorError(f"VISIT_DATABASE_URL: {unknown}") from None
    except migrations.MigrationUnderWayError:
        raise OperatorError(
            "VISIT_DATABASE_URL: another migration of this database is under way: wait for its end"
        ) from None
    except (DBAPIError, OSError) as error:
        # Not the error's own text: it quotes the address, password included.
        raise OperatorError(f"VISIT_DATABASE_URL: the database cannot be migrated ({_reason(error)})") from error


def _reason(error: BaseException) -> str:
    cause = error.orig if isinstance(error, DBAPIError) else error
    return cause.strerror or type(cause).__name__ if isinstance(cause, OSError) else str(cause).splitlines()[0]

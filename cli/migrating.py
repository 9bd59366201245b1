"""`visit-engine migrate`: what must stand before `api` and `worker` start; it must not know what is kept there."""

import asyncio
from typing import Annotated

import typer
from sqlalchemy.exc import DBAPIError

from cli import namespace
from cli.operator_error import OperatorError
from config.settings import Settings, load
from storage import migrations

DatabaseOnly = Annotated[bool, typer.Option("--database-only", help="Leave Temporal alone.")]


def migrate(database_only: DatabaseOnly = False) -> None:
    """Prepare the database's schema, then the Temporal namespace's retention and search attributes.

    Run it before every start of a new version; twice, or twice at once, does no harm.
    """
    settings = load()
    typer.echo(f"database: at schema {schema(settings)}")
    if not database_only:
        asyncio.run(namespace.prepare(settings.temporal, settings.temporal_namespace))
        days = namespace.RETENTION.days
        typer.echo(f"temporal: namespace {settings.temporal_namespace} keeps closed visits for {days} days or longer")


def schema(settings: Settings) -> str:
    """Bring the database to the newest schema and return its revision; blocks. Raises `OperatorError`."""
    try:
        return migrations.upgrade(settings.database)
    except migrations.UnknownSchemaError as unknown:
        raise OperatorError(f"VISIT_DATABASE_URL: {unknown}") from None
    except (DBAPIError, OSError) as error:
        # Not the error's own text: it quotes the address, password included.
        raise OperatorError(f"VISIT_DATABASE_URL: the database cannot be migrated ({_reason(error)})") from error


def _reason(error: BaseException) -> str:
    cause = error.orig if isinstance(error, DBAPIError) else error
    return cause.strerror or type(cause).__name__ if isinstance(cause, OSError) else str(cause).splitlines()[0]

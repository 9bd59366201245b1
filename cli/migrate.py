"""`visit-engine migrate`: prepares the database schema and the Temporal namespace before `api` and `worker` start."""

import asyncio
from typing import Annotated

import typer
from sqlalchemy.exc import DBAPIError

from patient_visit_engine.runtime import namespace
from patient_visit_engine.runtime.operator_error import OperatorError
from patient_visit_engine.runtime.settings import Settings, load_settings
from patient_visit_engine.storage import migrations, schema_version
from patient_visit_engine.storage.master_data.record_numbers import derive_all

BackTo = Annotated[
    str, typer.Option("--back-to", metavar="REVISION", help="Take the database back to this older schema instead.")
]
DatabaseOnly = Annotated[bool, typer.Option("--database-only", help="Prepare the database only, not Temporal.")]


def migrate(database_only: DatabaseOnly = False, back_to: BackTo = "") -> None:
    """Prepare the database schema, then the Temporal namespace's retention and search attributes.

    Run it before every start of a new version. It says what was missing in Temporal. A second run changes nothing.
    Of two runs at the same time, one is refused.
    """
    settings = load_settings()
    typer.echo(f"database: at schema {migrate_schema(settings, back_to)}")
    if back_to:
        return
    if not database_only:
        asyncio.run(namespace.prepare(settings, report=lambda change: typer.echo(f"temporal: {change}")))
        days = namespace.RETENTION.days
        typer.echo(f"temporal: namespace {settings.temporal_namespace} keeps closed visits for {days} days or longer")


def migrate_schema(settings: Settings, back_to: str = "") -> str:
    """Migrate the database to the newest schema, or back to `back_to`, and return its revision.

    Blocks the calling thread. Raises `OperatorError`.
    """
    try:
        if back_to:
            return migrations.downgrade(settings.effective_database_url, back_to)
        revision = migrations.upgrade(settings.effective_database_url)
        # The setting may be another one since the last run.
        derive_all(settings.effective_database_url, settings.record_number_system)
        return revision
    except schema_version.UnknownSchemaError as error:
        raise OperatorError(f"VISIT_DATABASE_URL: {error}") from None
    except migrations.MigrationUnderWayError:
        raise OperatorError(
            "VISIT_DATABASE_URL: another migration of this database is running: wait until it ends"
        ) from None
    except (DBAPIError, OSError) as error:
        # Not the whole text of the error: it quotes the address with the password.
        raise OperatorError(f"VISIT_DATABASE_URL: the database cannot be migrated ({_short_reason(error)})") from error


def _short_reason(error: BaseException) -> str:
    cause = error.orig if isinstance(error, DBAPIError) else error
    return cause.strerror or type(cause).__name__ if isinstance(cause, OSError) else str(cause).splitlines()[0]

"""`visit-engine restored`: gives the event log of a database that was put back from a copy a new epoch; it must not copy anything."""

import asyncio
import secrets

import typer
from sqlalchemy import Connection, update
from sqlalchemy.exc import DBAPIError

from patient_visit_engine.runtime.operator_error import OperatorError
from patient_visit_engine.runtime.settings import load
from patient_visit_engine.storage import migrations
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.tables import log_head


def restored() -> None:
    """Say that this database was put back from a copy: every screen reads again, and takes no old event id for a new one.

    Run it after the restore and before `api` and `worker` start.
    """
    epoch = asyncio.run(_renew(load().database))
    typer.echo(f"database: the event log has the new epoch {epoch}")


async def _renew(url: str) -> str:
    epoch = secrets.token_hex(4)
    database = Database(url)
    try:
        await asyncio.to_thread(migrations.check, url)
        await database.write(_set, epoch)
    except migrations.UnknownSchemaError as unknown:
        raise OperatorError(f"VISIT_DATABASE_URL: {unknown}") from None
    except (DBAPIError, OSError) as error:
        # Not the error's own text: it may quote the address, password included.
        raise OperatorError(f"VISIT_DATABASE_URL: the database cannot be written ({type(error).__name__})") from error
    finally:
        await database.close()
    return epoch


def _set(connection: Connection, epoch: str) -> None:
    connection.execute(update(log_head).values(epoch=epoch))

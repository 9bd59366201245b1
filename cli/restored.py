"""`visit-engine restored`: gives the event log a new epoch after the database was restored from a backup."""

import asyncio
import secrets

import typer
from sqlalchemy import Connection, update

from patient_visit_engine.cli.checked_database import open_checked
from patient_visit_engine.runtime.settings import load_settings
from patient_visit_engine.storage.tables import log_head


def restored() -> None:
    """Mark this database as restored from a backup, so that every screen reloads.

    Events after the restore get the positions of lost events again. The new epoch makes their ids different.

    Run it after the restore and before `api` and `worker` start.
    """
    epoch = asyncio.run(_renew_epoch(load_settings().effective_database_url))
    typer.echo(f"database: the event log has the new epoch {epoch}")


async def _renew_epoch(url: str) -> str:
    epoch = secrets.token_hex(4)
    async with open_checked(url, "written") as database:
        await database.write(_store_epoch, epoch)
    return epoch


def _store_epoch(connection: Connection, epoch: str) -> None:
    connection.execute(update(log_head).values(epoch=epoch))

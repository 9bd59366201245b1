"""Decides at the start of `up` whether to load the demonstration hospital."""

import asyncio
import sys

import typer
from sqlalchemy import Connection, exists, select

from patient_visit_engine.cli.demo import loading
from patient_visit_engine.cli.demo.logins import Login
from patient_visit_engine.runtime.operator_error import OperatorError
from patient_visit_engine.runtime.settings import Settings
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.tables import accounts, patients


async def load_demo_if_wanted(settings: Settings) -> list[Login]:
    """Load the demonstration hospital into an empty database if the operator wants it, and return its accounts.

    If the hospital was loaded before, add the appointments of today.
    """
    database = Database(settings.effective_database_url)
    try:
        logins = await loading.load_logins(database)
        if not logins and not (await database.read(_is_empty) and await _is_demo_wanted(settings)):
            return []
        # Also when it was loaded before: each day needs its own appointments.
        return await loading.load_demonstration(database, settings.calendar)
    except OperatorError:
        # Real patients or doctors were added to the demonstration. It stays unchanged.
        return logins
    finally:
        await database.close()


def _is_empty(connection: Connection) -> bool:
    return not connection.scalar(select(exists().select_from(patients))) and not connection.scalar(
        select(exists().select_from(accounts))
    )


async def _is_demo_wanted(settings: Settings) -> bool:
    if settings.demo:
        return True
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    typer.echo("The database is empty. Load a small demonstration hospital? [Y/n] ", nl=False)
    return (await _read_line()).strip().lower() in ("", "y", "yes")


async def _read_line() -> str:
    # Not `input` in a thread: Ctrl-C could not end such a thread.
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[str] = loop.create_future()

    def read() -> None:
        loop.remove_reader(sys.stdin)
        answer.set_result(sys.stdin.readline() or "n")

    loop.add_reader(sys.stdin, read)
    try:
        return await answer
    finally:
        loop.remove_reader(sys.stdin)

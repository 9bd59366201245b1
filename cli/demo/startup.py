"""Whether `up` loads the demonstration hospital; it must not know what is in it."""

import asyncio
import sys
from importlib import import_module
from typing import Protocol

import typer
from sqlalchemy import Connection, exists, select

from patient_visit_engine.runtime.operator_error import OperatorError
from patient_visit_engine.runtime.settings import Settings
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.tables import accounts, patients


class Login(Protocol):
    """How somebody signs in to the demonstration."""

    @property
    def username(self) -> str: ...
    @property
    def password(self) -> str: ...
    @property
    def role(self) -> str: ...


async def offer(settings: Settings) -> list[Login]:
    """The demonstration's accounts, if it is loaded; into an empty database it is loaded when the operator wants it."""
    demo = import_module("patient_visit_engine.cli.demo.command")
    database = Database(settings.database)
    try:
        known: list[Login] = list(await demo.logins(database))
        if not known and not (await database.read(_is_empty) and await _wanted(settings)):
            return []
        # Also when it is known: a new day needs appointments of its own.
        return list(await demo.load(database, settings.zone))
    except OperatorError:
        # A hospital of its own has moved in beside the demonstration, which is then left as it is.
        return known
    finally:
        await database.close()


def _is_empty(connection: Connection) -> bool:
    return not connection.scalar(select(exists().select_from(patients))) and not connection.scalar(
        select(exists().select_from(accounts))
    )


async def _wanted(settings: Settings) -> bool:
    if settings.demo:
        return True
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    typer.echo("The database is empty. Load a small demonstration hospital? [Y/n] ", nl=False)
    return (await _line()).strip().lower() in ("", "y", "yes")


async def _line() -> str:
    # A thread that waits in `input` could not be ended by Ctrl-C.
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[str] = loop.create_future()

    def read() -> None:
        loop.remove_reader(sys.stdin)
        answered.set_result(sys.stdin.readline() or "n")

    loop.add_reader(sys.stdin, read)
    try:
        return await answered
    finally:
        loop.remove_reader(sys.stdin)

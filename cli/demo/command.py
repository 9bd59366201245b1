"""`visit-engine demo`: adds the demonstration hospital to a database, with today's appointments, and can play a day of it."""

import asyncio
from typing import Annotated

import typer
from sqlalchemy.exc import DBAPIError

from patient_visit_engine.cli.demo.loading import is_in_use, load_demonstration
from patient_visit_engine.cli.demo.logins import Login
from patient_visit_engine.cli.demo.played_day import play_demonstration
from patient_visit_engine.cli.migrate import migrate_schema
from patient_visit_engine.runtime.operator_error import OperatorError
from patient_visit_engine.runtime.settings import load_settings
from patient_visit_engine.storage.database import Database


def demo(
    force: Annotated[
        bool, typer.Option("--force", help="Add it even if the database has other patients or doctors.")
    ] = False,
    play: Annotated[
        bool, typer.Option("--play", help="Then play a day of it on the running system, with all that staff do.")
    ] = False,
    within: Annotated[float, typer.Option(min=1, help="With --play: how many seconds the day takes.")] = 60.0,
    url: Annotated[str, typer.Option(help="With --play: the address of the running system.")] = "http://127.0.0.1:8000",
) -> None:
    """Add a small demonstration hospital with today's appointments and an account for each role. Run it again on another day."""
    settings = load_settings()
    migrate_schema(settings)

    async def load_and_close() -> tuple[list[Login], bool]:
        database = Database(settings.effective_database_url)
        try:
            logins = await load_demonstration(database, settings.calendar, data_dir=settings.data_dir, force=force)
            return logins, await database.read(is_in_use, settings.calendar)
        finally:
            await database.close()

    try:
        logins, used = asyncio.run(load_and_close())
    except (DBAPIError, OSError) as error:
        # Only the error's class: its text quotes the rows.
        raise OperatorError(f"the demonstration cannot be written ({type(error).__name__})") from error
    typer.echo("the demonstration hospital has its appointments of today")
    for login in logins:
        typer.echo(login.line())
    if not logins:
        typer.echo(
            "the data folder has no valid password of its accounts: set a new one with `visit-engine user passwd NAME`"
        )
    if play and used:
        raise OperatorError(
            "demo --play: patients have arrived for today's appointments of the demonstration. It can be played before that, once a day"
        )
    if play and asyncio.run(play_demonstration(settings, url, within)).errors:
        raise OperatorError("demo --play: some calls failed; did someone else use the demonstration?")

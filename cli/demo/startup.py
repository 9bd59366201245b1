"""Decides at the start of `up` whether to load the demonstration hospital."""

from sqlalchemy import Connection, exists, select

from patient_visit_engine.cli.demo import loading
from patient_visit_engine.cli.demo.logins import Login
from patient_visit_engine.cli.questions import confirm, is_at_terminal
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
    return is_at_terminal() and await confirm("The database is empty. Load a small demonstration hospital?")

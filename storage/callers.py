"""The number that stands for whoever asks, so that no client's text travels through a workflow; it must not know how they signed in."""

from sqlalchemy import Connection, select

from patient_visit_engine.storage.inserting import insert_if_new
from patient_visit_engine.storage.tables import callers


def find_caller(connection: Connection, subject: str) -> int | None:
    """The number of `subject` (`account:7`, or a token's subject behind `token:`), if it ever asked for anything."""
    return connection.scalar(select(callers.c.id).where(callers.c.subject == subject))


def register_caller(connection: Connection, subject: str, created_by: str) -> int:
    """The number of `subject`, given now if it has none; `created_by` is how trackings name it, as text."""
    insert_if_new(connection, callers, by="subject", subject=subject, created_by=created_by)
    number: int = connection.execute(select(callers.c.id).where(callers.c.subject == subject)).scalar_one()
    return number

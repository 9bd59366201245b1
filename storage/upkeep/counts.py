"""What `/metrics` reports about the whole database, and not about one process."""

from dataclasses import dataclass
from math import nan

from sqlalchemy import Connection, func, literal_column, select

from patient_visit_engine.storage.requests import count_set_aside
from patient_visit_engine.storage.tables import timeline

# A literal, not a bound parameter: otherwise neither database uses the partial index of rescues.
IS_RESCUE = timeline.c.event == literal_column("'rescued'")


@dataclass(frozen=True)
class DatabaseCounts:
    """Not a number when the database does not answer."""

    requests_set_aside: float = nan
    rescues: float = nan


def read_counts(connection: Connection) -> DatabaseCounts:
    """The requests that are set aside now, and the rescues that visits have noted, by any process."""
    rescues = connection.execute(select(func.count()).select_from(timeline).where(IS_RESCUE)).scalar_one()
    return DatabaseCounts(count_set_aside(connection), rescues)

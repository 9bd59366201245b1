"""The database's clock, which no test can move."""

from datetime import datetime

from sqlalchemy import Connection, select

from patient_visit_engine.storage.clock import DATABASE_NOW
from patient_visit_engine.storage.database import Database


def read_clock(connection: Connection) -> datetime:
    """The time of the database."""
    return connection.execute(select(DATABASE_NOW)).scalar_one()


async def clock_has_passed(database: Database, moment: datetime) -> bool:
    """Whether `moment` is over on the database's clock."""
    return await database.read(read_clock) > moment

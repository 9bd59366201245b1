"""The database's clock, which no test can move, and a time zone in which no day ends during a test."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from patient_visit_engine.storage.clock import DATABASE_NOW
from patient_visit_engine.storage.database import Database


def morning_zone() -> ZoneInfo:
    """A time zone in which it is now between eight and nine in the morning, so that no test crosses the end of a day."""
    ahead = (8 - datetime.now(UTC).hour + 12) % 24 - 12
    return ZoneInfo(f"Etc/GMT{-ahead:+d}")


def read_clock(connection: Connection) -> datetime:
    """The time of the database."""
    return connection.execute(select(DATABASE_NOW)).scalar_one()


async def clock_has_passed(database: Database, moment: datetime) -> bool:
    """Whether `moment` is over on the database's clock."""
    return await database.read(read_clock) > moment

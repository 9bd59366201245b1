"""The room in which a doctor sits: the one that was set for today, or else the usual one."""

from datetime import date

from sqlalchemy import ColumnElement, Connection, case, func, select

from patient_visit_engine.storage.tables import doctors


def shown_room(today: date) -> ColumnElement[str | None]:
    """The room that screens show on this hospital day, in a query that has the doctor. A room of another day is over."""
    of_today = case((doctors.c.day_room_on == today, doctors.c.day_room))
    return func.coalesce(of_today, doctors.c.room)


def has_had_day_room(connection: Connection, doctor_id: int) -> bool:
    """Whether a room was ever set for a day. Then the shown room changes without a new version of the record."""
    query = select(doctors.c.day_room_on).where(doctors.c.id == doctor_id)
    return connection.scalar(query) is not None

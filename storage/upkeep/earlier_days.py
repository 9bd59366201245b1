"""Database queries of the sweep for earlier days: what is open and must pass to the visit of the new day."""

from datetime import date, timedelta

from sqlalchemy import ColumnElement, Connection, and_, select

from patient_visit_engine.storage.tables import patient_trackings, waiting_line
from patient_visit_engine.storage.tracking_conditions import IS_OPEN
from patient_visit_engine.storage.upkeep.sweep import LateRow, read_page
from patient_visit_engine.visit.carry_over import CARRY_OVER_WITHIN


def find_trackings_of_earlier_days(
    connection: Connection, today: date, into_day: timedelta, after: int | None, limit: int
) -> list[LateRow]:
    """Return the consultations and check-ins of days before `today`. `into_day` is the time since the start of the day."""
    tracking = patient_trackings.c
    must_pass = _must_be_carried_over(tracking.visit_day, tracking.person_id, today, into_day)
    query = select(tracking.id, tracking.person_id).where(IS_OPEN, must_pass)
    return read_page(connection, query, tracking.id, after, limit)


def find_places_of_earlier_days(
    connection: Connection, today: date, into_day: timedelta, after: int | None, limit: int
) -> list[LateRow]:
    """Return the places in waiting lines of days before `today`."""
    place = waiting_line.c
    must_pass = _must_be_carried_over(place.visit_day, place.person_id, today, into_day)
    return read_page(connection, select(place.id, place.person_id).where(must_pass), place.id, after, limit)


def _must_be_carried_over(
    visit_day: ColumnElement[date], person_id: ColumnElement[int], today: date, into_day: timedelta
) -> ColumnElement[bool]:
    """Whether the patient's moment has come. See `visit.carry_over.carry_over_delay`."""
    seconds = int(CARRY_OVER_WITHIN.total_seconds())
    return and_(visit_day < today, person_id % seconds <= into_day.total_seconds())

"""Reads the report of a hospital day: from the rows of that day alone, also years later."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, func, literal_column, select, union_all

from patient_visit_engine.storage.tables import appointments, doctors, patient_trackings, timeline
from patient_visit_engine.storage.tracking_conditions import HAS_ENDED, IS_OPEN
from patient_visit_engine.visit.codes import CancelReason, Outcome, TrackingStatus
from patient_visit_engine.wire.reports import DayReport, DayRows, ReportedTracking, day_report
from patient_visit_engine.wire.search_words import fold

TRACKING = patient_trackings.c
OTHER = patient_trackings.alias("other")
#: After a check-out that was taken back, the same arrival goes on in a later tracking.
GOES_ON = exists().where(
    OTHER.c.appointment_id == TRACKING.appointment_id,
    OTHER.c.check_in_time == TRACKING.check_in_time,
    OTHER.c.id > TRACKING.id,
)
#: The patient came by a transfer: the wait since the first arrival is that of the first doctor.
CAME_BY_TRANSFER = exists().where(
    OTHER.c.appointment_id == TRACKING.appointment_id,
    OTHER.c.check_in_time == TRACKING.check_in_time,
    OTHER.c.outcome == Outcome.transferred.value,
    OTHER.c.id < TRACKING.id,
)
# A literal, not a bound parameter: otherwise neither database uses its partial index.
IS_REFUSAL = timeline.c.event == literal_column("'refused'")


@dataclass(frozen=True)
class ReportQuery:
    """The day to report, with its bounds. `now` is the time at which running consultations are looked at."""

    day: date
    starts_at: datetime
    ends_at: datetime
    today: date
    now: datetime


def read_day_report(connection: Connection, query: ReportQuery) -> DayReport:
    """Read the rows of the day, and report them. Call it in one read transaction, so that the figures fit each other."""
    rows = DayRows(
        trackings=_read_trackings(connection, query),
        refused_starts=_read_numbers(connection, _refused_starts(query)),
        no_shows=_read_numbers(connection, _no_shows(query)),
    )
    return day_report(query.day, rows, _read_names(connection, rows.doctor_ids()), query.now)


def _read_trackings(connection: Connection, query: ReportQuery) -> list[ReportedTracking]:
    of_day = _trackings(and_(HAS_ENDED, TRACKING.visit_day == query.day))
    # What is open belongs to today, also before it has passed to today's visit. It counts on the day on which it ends.
    statement = union_all(of_day, _trackings(IS_OPEN)) if query.day == query.today else of_day
    return [
        ReportedTracking(
            doctor_id=row.doctor_id,
            outcome=None if row.outcome is None else Outcome(row.outcome),
            checked_in=row.checked_in and not row.came_by_transfer,
            was_undone=row.outcome == Outcome.mistaken or (row.outcome == Outcome.left and row.goes_on),
            is_running=row.status == TrackingStatus.in_progress,
            check_in_time=row.check_in_time,
            started_at=row.started_at,
            overdue_at=row.overdue_at,
            ended_at=row.check_out_time,
            paused=timedelta(seconds=row.paused_seconds),
        )
        for row in connection.execute(statement)
    ]


def _trackings(condition: ColumnElement[bool]) -> Select[Any]:
    return select(
        TRACKING.doctor_id,
        TRACKING.status,
        TRACKING.outcome,
        TRACKING.checked_in,
        TRACKING.check_in_time,
        TRACKING.started_at,
        TRACKING.overdue_at,
        TRACKING.check_out_time,
        TRACKING.paused_seconds,
        and_(TRACKING.outcome == Outcome.left.value, GOES_ON).label("goes_on"),
        CAME_BY_TRANSFER.label("came_by_transfer"),
    ).where(condition)


def _refused_starts(query: ReportQuery) -> Select[Any]:
    # One entry can stand for several refusals.
    refusals = func.sum(func.coalesce(timeline.c.refusals, 1))
    of_day = select(timeline.c.doctor_id, refusals.label("number")).where(IS_REFUSAL, timeline.c.visit_day == query.day)
    return of_day.where(timeline.c.doctor_id.is_not(None)).group_by(timeline.c.doctor_id)


def _no_shows(query: ReportQuery) -> Select[Any]:
    is_of_day = and_(appointments.c.scheduled_at >= query.starts_at, appointments.c.scheduled_at < query.ends_at)
    did_not_come = appointments.c.cancel_reason == CancelReason.no_show.value
    of_day = select(appointments.c.doctor_id, func.count().label("number")).where(is_of_day, did_not_come)
    return of_day.group_by(appointments.c.doctor_id)


def _read_numbers(connection: Connection, statement: Select[Any]) -> dict[int, int]:
    """A number for each doctor."""
    return {row.doctor_id: int(row.number) for row in connection.execute(statement)}


def _read_names(connection: Connection, doctor_ids: Iterable[int]) -> dict[int, str]:
    """The names of the doctors by id, in the order of the report. It is the same on both databases."""
    rows = connection.execute(select(doctors.c.id, doctors.c.name).where(doctors.c.id.in_(doctor_ids)))
    return {row.id: row.name for row in sorted(rows, key=lambda row: (fold(row.name), row.id))}

"""A doctor's list of today, in the order in which the patients are called."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, or_, select

from patient_visit_engine.storage.doctor_calls import WAITING_STATUSES
from patient_visit_engine.storage.screens.in_house import read_arrivals
from patient_visit_engine.storage.tables import appointments, patient_trackings, patients
from patient_visit_engine.storage.tracking_conditions import IS_OPEN
from patient_visit_engine.visit.calendar import HospitalDay
from patient_visit_engine.visit.codes import Outcome
from patient_visit_engine.visit.list_order import ListItem, order_of

#: What decides the place of an appointment, apart from the patient's arrival.
PLACE_COLUMNS = tuple(
    appointments.c[name]
    for name in ("id", "status", "scheduled_at", "origin", "priority", "no_answers", "behind_id", "called_at")
)


def read_list(
    connection: Connection, conditions: Sequence[ColumnElement[bool]], today: HospitalDay
) -> tuple[ListItem, ...]:
    """The appointments that meet these conditions, in the order of the list."""
    return order_of(item for _, item in _read_items(connection, conditions, today))


def read_waiting(
    connection: Connection, doctor_ids: Collection[int], today: HospitalDay
) -> dict[int, tuple[ListItem, ...]]:
    """The appointments of today that can still begin, in the order of each doctor's list."""
    conditions = (
        is_listed_between(connection, today.starts_at, today.ends_at, is_today=True),
        # Plus 0, because SQLite would use the index of the doctors, and read everything that was ever booked for them.
        (appointments.c.doctor_id + 0).in_(doctor_ids),
        appointments.c.status.in_(WAITING_STATUSES),
    )
    by_doctor: dict[int, list[ListItem]] = {doctor_id: [] for doctor_id in doctor_ids}
    for doctor_id, item in _read_items(connection, conditions, today):
        by_doctor[doctor_id].append(item)
    return {doctor_id: order_of(items) for doctor_id, items in by_doctor.items()}


def _read_items(
    connection: Connection, conditions: Sequence[ColumnElement[bool]], today: HospitalDay
) -> list[tuple[int, ListItem]]:
    """The appointments that meet these conditions, each with its doctor."""
    row = appointments.c
    query: Select[Any] = (
        select(*PLACE_COLUMNS, row.doctor_id, patients.c.person_id)
        .join(patients, patients.c.id == row.patient_id)
        .where(*conditions)
    )
    rows = connection.execute(query).all()
    check_ins = _read_check_ins(connection, [row.id for row in rows])
    arrivals = read_arrivals(connection, today, {row.person_id for row in rows})
    return [(row.doctor_id, list_item(row, check_ins.get(row.id), arrivals)) for row in rows]


def is_listed_between(
    connection: Connection, starts_at: datetime, ends_at: datetime, *, is_today: bool
) -> ColumnElement[bool]:
    """Whether an appointment is on the list of the day with these bounds. That of today also has the open trackings of other days."""
    is_of_day = and_(appointments.c.scheduled_at >= starts_at, appointments.c.scheduled_at < ends_at)
    if not is_today:
        return is_of_day
    # A patient who is checked in or in consultation is in the house today, even if the appointment was for another day.
    # Read first, not as a subquery: with the subquery PostgreSQL scans all appointments ever stored.
    still_open = select(patient_trackings.c.appointment_id).where(IS_OPEN)
    return or_(is_of_day, appointments.c.id.in_(connection.scalars(still_open).all()))


def list_item(row: Row[Any], checked_in_at: datetime | None, arrivals: Mapping[int, datetime]) -> ListItem:
    """The place of an appointment. Without a check-in for it, the patient's first arrival of the day counts."""
    return ListItem(
        appointment_id=row.id,
        scheduled_at=row.scheduled_at,
        arrived_at=checked_in_at or arrivals.get(row.person_id),
        is_walk_in=row.origin == "walk_in",
        priority=row.priority,
        no_answers=row.no_answers,
        behind_id=row.behind_id,
        called_at=row.called_at,
        can_begin=row.status in WAITING_STATUSES,
    )


def _read_check_ins(connection: Connection, appointment_ids: Iterable[int]) -> dict[int, datetime]:
    """The check-in of each of these appointments whose patient waits, is seen or has been seen."""
    row = patient_trackings.c
    query = select(row.appointment_id, row.check_in_time, row.outcome).where(row.appointment_id.in_(appointment_ids))
    latest = {row.appointment_id: row for row in connection.execute(query.order_by(row.id))}
    return {number: row.check_in_time for number, row in latest.items() if row.outcome in (None, Outcome.done)}

"""A doctor's list of today, in the order in which the patients are called."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, select

from patient_visit_engine.storage.screens.in_house import read_arrivals
from patient_visit_engine.storage.tables import appointments, patient_trackings, patients
from patient_visit_engine.visit.calendar import HospitalDay
from patient_visit_engine.visit.codes import AppointmentStatus, Outcome
from patient_visit_engine.visit.list_order import ListItem, order_of

#: The statuses of an appointment that can still begin.
WAITING_STATUSES = frozenset({AppointmentStatus.scheduled, AppointmentStatus.confirmed, AppointmentStatus.pending})


def read_list(
    connection: Connection, conditions: Sequence[ColumnElement[bool]], today: HospitalDay
) -> tuple[ListItem, ...]:
    """The appointments that meet these conditions, in the order of the list."""
    row = appointments.c
    query: Select[Any] = (
        select(row.id, row.scheduled_at, row.origin, row.priority, patients.c.person_id)
        .join(patients, patients.c.id == row.patient_id)
        .where(*conditions)
    )
    rows = connection.execute(query).all()
    check_ins = _read_check_ins(connection, [row.id for row in rows])
    arrivals = read_arrivals(connection, today, {row.person_id for row in rows})
    return order_of(list_item(row, check_ins.get(row.id), arrivals) for row in rows)


def list_item(row: Row[Any], checked_in_at: datetime | None, arrivals: Mapping[int, datetime]) -> ListItem:
    """The place of an appointment. Without a check-in for it, the patient's first arrival of the day counts."""
    return ListItem(
        appointment_id=row.id,
        scheduled_at=row.scheduled_at,
        arrived_at=checked_in_at or arrivals.get(row.person_id),
        is_walk_in=row.origin == "walk_in",
        priority=row.priority,
    )


def _read_check_ins(connection: Connection, appointment_ids: Iterable[int]) -> dict[int, datetime]:
    """The check-in of each of these appointments whose patient waits, is seen or has been seen."""
    row = patient_trackings.c
    query = select(row.appointment_id, row.check_in_time, row.outcome).where(row.appointment_id.in_(appointment_ids))
    latest = {row.appointment_id: row for row in connection.execute(query.order_by(row.id))}
    return {number: row.check_in_time for number, row in latest.items() if row.outcome in (None, Outcome.done)}

"""The database query for visits that are opened ahead: booked appointments whose time is near."""

from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import Connection, and_, exists, or_, select

from patient_visit_engine.storage.tables import appointments, patient_trackings, patients
from patient_visit_engine.storage.tracking_conditions import IS_OPEN
from patient_visit_engine.visit.codes import AppointmentStatus

BOOKED_STATUSES = (AppointmentStatus.scheduled.value, AppointmentStatus.confirmed.value)


class DueAppointment(NamedTuple):
    """A booked appointment whose time is near. `patient_id` is the survivor of its record."""

    scheduled_at: datetime
    id: int
    patient_id: int

    @property
    def key(self) -> tuple[datetime, int]:
        """The place in the order of the query."""
        return self.scheduled_at, self.id


def find_due_appointments(
    connection: Connection,
    day: date,
    since: datetime,
    until: datetime,
    after: tuple[datetime, int] | None,
    limit: int,
) -> list[DueAppointment]:
    """Return the booked appointments from `since` until before `until`, the earliest first.

    Patients who are in the hospital on `day` are left out, because the check-in or the start has opened their visit. Those who have
    left again are not: only the trackings that are open have an index by day.
    """
    appointment, tracking = appointments.c, patient_trackings.c
    has_visit = exists().where(IS_OPEN, tracking.visit_day == day, tracking.person_id == patients.c.person_id)
    query = (
        select(appointment.scheduled_at, appointment.id, patients.c.person_id)
        .join_from(appointments, patients, patients.c.id == appointment.patient_id)
        .where(
            appointment.scheduled_at >= since,
            appointment.scheduled_at < until,
            appointment.status.in_(BOOKED_STATUSES),
            ~has_visit,
        )
    )
    if after is not None:
        at, last_id = after
        is_next = and_(appointment.scheduled_at == at, appointment.id > last_id)
        query = query.where(or_(appointment.scheduled_at > at, is_next))
    rows = connection.execute(query.order_by(appointment.scheduled_at, appointment.id).limit(limit))
    return [DueAppointment(*row) for row in rows]

"""Whether a doctor works here, and the appointments of a doctor's day that can still be given away."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, and_, or_, select

from patient_visit_engine.storage.tables import appointments, doctors, patient_trackings, patients
from patient_visit_engine.storage.tracking_conditions import IS_OPEN
from patient_visit_engine.visit.codes import CLOSED_STATUSES


class PlannedAppointment(NamedTuple):
    """An appointment of a plan, with the person who has it."""

    appointment_id: int
    patient_id: int


def is_active_doctor(connection: Connection, doctor_id: int) -> bool | None:
    """Whether the doctor is active, or None when there is no such doctor."""
    return connection.scalar(select(doctors.c.active).where(doctors.c.id == doctor_id))


def find_open_appointments(
    connection: Connection, doctor_id: int, starts_at: datetime, ends_at: datetime
) -> list[PlannedAppointment]:
    """The doctor's appointments of the day that are neither done nor canceled, and those of other days with an open tracking."""
    # Read first, not as a subquery: with the subquery PostgreSQL scans all appointments ever stored.
    still_open = select(patient_trackings.c.appointment_id).where(IS_OPEN, patient_trackings.c.doctor_id == doctor_id)
    is_tracked = appointments.c.id.in_(connection.scalars(still_open).all())
    is_of_day = and_(
        appointments.c.scheduled_at >= starts_at,
        appointments.c.scheduled_at < ends_at,
        appointments.c.status.not_in(sorted(CLOSED_STATUSES)),
    )
    query = (
        select(appointments.c.id, patients.c.person_id)
        .join(patients, patients.c.id == appointments.c.patient_id)
        .where(appointments.c.doctor_id == doctor_id, or_(is_of_day, is_tracked))
        .order_by(appointments.c.scheduled_at, appointments.c.id)
    )
    return [PlannedAppointment(*row) for row in connection.execute(query)]

"""Whether a doctor works here."""

from sqlalchemy import Connection, select

from patient_visit_engine.storage.tables import doctors


def is_active_doctor(connection: Connection, doctor_id: int) -> bool | None:
    """Whether the doctor is active, or None when there is no such doctor."""
    return connection.scalar(select(doctors.c.active).where(doctors.c.id == doctor_id))

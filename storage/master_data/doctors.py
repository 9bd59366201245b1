"""Doctors from the hospital's own system."""

from sqlalchemy import Connection

from patient_visit_engine.storage.master_data.records import PutContext, put_record
from patient_visit_engine.storage.tables import doctors


def put_doctor(connection: Connection, put: PutContext, name: str, specialization: str | None) -> bool:
    """Create or replace a doctor. Returns whether the doctor was created."""
    return put_record(connection, doctors, put.id, {"name": name, "specialization": specialization})

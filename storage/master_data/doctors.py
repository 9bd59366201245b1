"""Doctors from the hospital's own system."""

from dataclasses import asdict, dataclass

from sqlalchemy import Connection

from patient_visit_engine.storage.master_data.records import PutContext, put_record
from patient_visit_engine.storage.tables import doctors


@dataclass(frozen=True)
class DoctorPut:
    """The new content of a doctor. `room` is where the doctor usually works. An inactive doctor starts nothing new."""

    name: str
    specialization: str | None = None
    room: str | None = None
    active: bool = True


def put_doctor(connection: Connection, put: PutContext, doctor: DoctorPut) -> bool:
    """Create or replace a doctor. Returns whether the doctor was created."""
    return put_record(connection, doctors, put.id, asdict(doctor))

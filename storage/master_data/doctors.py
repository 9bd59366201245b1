"""Doctors from the hospital's own system."""

from dataclasses import asdict, dataclass

from sqlalchemy import Connection

from patient_visit_engine.storage.master_data.identifiers import RecordKind
from patient_visit_engine.storage.master_data.records import PutContext, PutResult, put_record


@dataclass(frozen=True)
class DoctorPut:
    """The new content of a doctor. `room` is where the doctor usually works. An inactive doctor starts nothing new."""

    name: str
    specialization: str | None = None
    room: str | None = None
    active: bool = True


def put_doctor(connection: Connection, put: PutContext, doctor: DoctorPut) -> PutResult:
    """Create or change a doctor. Raises like `put_record`."""
    return put_record(connection, put, RecordKind.doctor, asdict(doctor))

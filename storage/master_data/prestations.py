"""Prestations from the hospital's own system."""

from dataclasses import asdict, dataclass

from sqlalchemy import Connection

from patient_visit_engine.storage.master_data.records import PutContext, put_record
from patient_visit_engine.storage.tables import prestations


@dataclass(frozen=True)
class PrestationPut:
    """The new content of a prestation. Nothing new begins with an inactive one."""

    name: str
    exclusive: bool
    expected_minutes: int
    active: bool = True


def put_prestation(connection: Connection, put: PutContext, prestation: PrestationPut) -> bool:
    """Create or replace a prestation. Returns whether it was created. Consultations in progress keep the old values."""
    return put_record(connection, prestations, put.id, asdict(prestation))

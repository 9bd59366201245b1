"""Prestations from the hospital's own system."""

from sqlalchemy import Connection

from patient_visit_engine.storage.master_data.records import PutContext, put_record
from patient_visit_engine.storage.tables import prestations


def put_prestation(connection: Connection, put: PutContext, name: str, exclusive: bool, expected_minutes: int) -> bool:
    """Create or replace a prestation. Returns whether it was created. Consultations in progress keep the old values."""
    values = {"name": name, "exclusive": exclusive, "expected_minutes": expected_minutes}
    return put_record(connection, prestations, put.id, values)

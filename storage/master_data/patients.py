"""Patients from the hospital's own system."""

from typing import Any

from sqlalchemy import Connection

from patient_visit_engine.storage import event_log
from patient_visit_engine.storage.inserting import insert_if_new
from patient_visit_engine.storage.master_data.records import PutContext, read_locked, update_if_different
from patient_visit_engine.storage.tables import patients
from patient_visit_engine.wire.event_context import CONSULTATIONS, EventContext
from patient_visit_engine.wire.events import PATIENT_UPDATED


def put_patient(
    connection: Connection, put: PutContext, first_name: str, last_name: str, birth_date: str | None
) -> bool:
    """Create or replace a patient. A new name is published as an event. Returns whether the patient was created."""
    values: dict[str, Any] = {"first_name": first_name, "last_name": last_name, "birth_date": birth_date}
    if insert_if_new(connection, patients, id=put.id, **values):
        return True
    stored = read_locked(connection, patients, put.id)
    if update_if_different(connection, patients, stored, values) and (stored.first_name, stored.last_name) != (
        first_name,
        last_name,
    ):
        context = EventContext(put.id, f"{first_name} {last_name}", {}, {}, put.at, put.cause)
        data = context.about_patient(f"Patient {context.patient_name} has a new name")
        event_log.append(
            connection, [context.new_event(PATIENT_UPDATED, CONSULTATIONS, f"{put.cause}/named", data)], put.at
        )
    return False

"""Patients from the hospital's own system."""

from dataclasses import asdict, dataclass

from sqlalchemy import Connection

from patient_visit_engine.storage import event_log
from patient_visit_engine.storage.inserting import insert_if_new
from patient_visit_engine.storage.master_data.records import PutContext, read_locked, update_if_different
from patient_visit_engine.storage.tables import patients
from patient_visit_engine.wire.event_context import CONSULTATIONS, EventContext
from patient_visit_engine.wire.events import PATIENT_UPDATED
from patient_visit_engine.wire.person_names import full_name
from patient_visit_engine.wire.shapes import Sex


@dataclass(frozen=True)
class PatientPut:
    """The new content of a patient. At least one name is not None."""

    first_name: str | None
    last_name: str | None
    birth_date: str | None = None
    sex: Sex | None = None


def put_patient(connection: Connection, put: PutContext, patient: PatientPut) -> bool:
    """Create or replace a patient. A new name is published as an event. Returns whether the patient was created."""
    values = asdict(patient)
    if insert_if_new(connection, patients, id=put.id, **values):
        return True
    stored = read_locked(connection, patients, put.id)
    name = full_name(patient.first_name, patient.last_name)
    if update_if_different(connection, patients, stored, values) and name != full_name(
        stored.first_name, stored.last_name
    ):
        context = EventContext(put.id, name, {}, {}, put.at, put.cause)
        data = context.about_patient(f"Patient {context.patient_name} has a new name")
        event_log.append(
            connection, [context.new_event(PATIENT_UPDATED, CONSULTATIONS, f"{put.cause}/named", data)], put.at
        )
    return False

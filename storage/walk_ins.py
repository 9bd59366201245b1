"""Writes a walk-in: its patient, when the patient is new, and its appointment. The names wait in the row of the request."""

import hashlib
import json
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, insert, select

from patient_visit_engine.storage.inserting import insert_if_new
from patient_visit_engine.storage.patient_words import add_patient_words
from patient_visit_engine.storage.tables import (
    appointments,
    doctors,
    patient_search_words,
    patients,
    prestations,
    requests,
)
from patient_visit_engine.visit.appointment import Appointment
from patient_visit_engine.visit.calendar import to_rfc3339
from patient_visit_engine.visit.codes import AppointmentStatus
from patient_visit_engine.wire.field_types import LOWEST_MINTED_ID, MAX_ID
from patient_visit_engine.wire.patient_identity import PatientIdentity

MATERIAL = select(requests.c.material).where(requests.c.request_id == bindparam("request_id"))
SETTINGS = (
    select(
        prestations.c.exclusive,
        prestations.c.expected_minutes,
        prestations.c.active.label("prestation_active"),
        doctors.c.active.label("doctor_active"),
    )
    .join_from(prestations, doctors, doctors.c.id == bindparam("doctor_id"))
    .where(prestations.c.id == bindparam("prestation_id"))
)


def id_of_request(request_id: str, asked_at: datetime, kind: str) -> int:
    """The id of a record that this request creates. A repeat has the same, and the same key after a week has another one."""
    text = json.dumps([request_id, to_rfc3339(asked_at), kind])
    digest = hashlib.sha256(text.encode()).digest()
    return LOWEST_MINTED_ID + int.from_bytes(digest) % (MAX_ID + 1 - LOWEST_MINTED_ID)


def read_walk_in(connection: Connection, walk_in: Appointment) -> Appointment | None:
    """The new appointment with what its doctor and its prestation have now. None when one of them does not exist."""
    values = {"prestation_id": walk_in.prestation_id, "doctor_id": walk_in.doctor_id}
    row = connection.execute(SETTINGS, values).mappings().one_or_none()
    return None if row is None else walk_in.model_copy(update=dict(row))


def insert_new_patient(connection: Connection, request_id: str, patient_id: int) -> bool:
    """Insert the patient of a walk-in, if the request has names and the patient is not there yet. Returns whether it did."""
    material = connection.scalar(MATERIAL, {"request_id": request_id})
    if material is None:
        return False
    values = {**json.loads(material), "id": patient_id, "person_id": patient_id, "record_number": None}
    is_new = insert_if_new(connection, patients, **values)
    if is_new:
        add_patient_words(connection, {patient_id: PatientIdentity.of(values)})
    return is_new


def remove_new_patient(connection: Connection, patient_id: int) -> None:
    """Remove the patient whom this transaction has inserted. No one has seen the row."""
    connection.execute(delete(patient_search_words).where(patient_search_words.c.patient_id == patient_id))
    connection.execute(delete(patients).where(patients.c.id == patient_id))


def insert_walk_in(connection: Connection, walk_in: Appointment) -> None:
    """Insert the appointment. Its patient has not arrived yet."""
    values = {
        "id": walk_in.id,
        "patient_id": walk_in.record,
        "doctor_id": walk_in.doctor_id,
        "prestation_id": walk_in.prestation_id,
        "scheduled_at": walk_in.scheduled_at,
        "status": AppointmentStatus.confirmed.value,
        "origin": "walk_in",
        "priority": walk_in.priority,
    }
    connection.execute(insert(appointments).values(**values))

"""Reads everything that is open for one patient, and appointments."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from patient_visit_engine.storage.open_rows import OpenRows
from patient_visit_engine.storage.row_unions import fetch_parts, union_rows
from patient_visit_engine.storage.shown_records import SHOWN_NUMBER
from patient_visit_engine.storage.tables import (
    appointments,
    doctors,
    patient_trackings,
    patients,
    prestations,
    reservations,
    waiting_line,
)
from patient_visit_engine.storage.tracking_conditions import has_status
from patient_visit_engine.storage.trackings import TRACKING
from patient_visit_engine.visit.appointment import Appointment
from patient_visit_engine.visit.codes import AppointmentStatus, TrackingStatus
from patient_visit_engine.visit.facts import Facts

#: The columns of `PatientIdentity`, as screens and events show a patient.
IDENTITY_COLUMNS = (patients.c.first_name, patients.c.last_name, patients.c.birth_date, SHOWN_NUMBER)
PATIENT = select(*IDENTITY_COLUMNS, patients.c.person_id).where(patients.c.id == bindparam("patient_id"))
PERSON = select(patients.c.person_id).where(patients.c.id == bindparam("patient_id")).scalar_subquery()
#: The identity of the survivor: of the record itself, unless it is retired.
SURVIVOR = select(patients.c.id, *IDENTITY_COLUMNS).where(patients.c.id == PERSON)
OPEN_TRACKINGS = (
    TRACKING.add_columns(
        doctors.c.name.label("doctor"), prestations.c.name.label("prestation"), appointments.c.scheduled_at
    )
    .join(appointments, appointments.c.id == patient_trackings.c.appointment_id)
    .join(doctors, doctors.c.id == patient_trackings.c.doctor_id)
    .join(prestations, prestations.c.id == patient_trackings.c.prestation_id)
    .where(patient_trackings.c.person_id == PERSON)
    .where(has_status(TrackingStatus.pending, TrackingStatus.in_progress, TrackingStatus.paused))
)
PLACES = (
    select(waiting_line, doctors.c.name.label("doctor"))
    .join(doctors, doctors.c.id == waiting_line.c.doctor_id)
    .where(waiting_line.c.person_id == PERSON)
)
RESERVATIONS = (
    select(reservations, doctors.c.name.label("doctor"))
    .join(doctors, doctors.c.id == reservations.c.doctor_id)
    .where(reservations.c.person_id == PERSON)
)
RECORD = select(patients.c.id, patients.c.person_id).where(patients.c.id == bindparam("patient_id"))
OPEN_ROWS = union_rows(record=RECORD, tracking=OPEN_TRACKINGS, place=PLACES, reservation=RESERVATIONS)
#: How long the appointment is expected to take, without extensions of its consultation.
EXPECTED_MINUTES = func.coalesce(appointments.c.expected_minutes, prestations.c.expected_minutes).label("minutes")
APPOINTMENT_ROWS = (
    select(
        appointments.c.id,
        # The person: every id that leaves the storage is the survivor's. `record_id` is the record that has the appointment.
        patients.c.person_id.label("patient_id"),
        appointments.c.patient_id.label("record_id"),
        appointments.c.doctor_id,
        appointments.c.prestation_id,
        appointments.c.scheduled_at,
        appointments.c.status.label("appointment_status"),
        appointments.c.version,
        appointments.c.priority,
        appointments.c.no_answers,
        prestations.c.exclusive,
        EXPECTED_MINUTES,
        prestations.c.name.label("prestation"),
        prestations.c.active.label("prestation_active"),
        doctors.c.name.label("doctor"),
        doctors.c.active.label("doctor_active"),
    )
    .join(patients, patients.c.id == appointments.c.patient_id)
    .join(prestations, prestations.c.id == appointments.c.prestation_id)
    .join(doctors, doctors.c.id == appointments.c.doctor_id)
)
APPOINTMENT = APPOINTMENT_ROWS.where(appointments.c.id == bindparam("appointment_id"))


def read_facts(connection: Connection, patient_id: int) -> Facts:
    """The patient's open trackings, waiting line and reservation now. For a retired record, only its survivor."""
    parts = fetch_parts(connection, OPEN_ROWS, {"patient_id": patient_id})
    survivors = {row["person_id"] for row in parts.get("record", ())} - {patient_id}
    return Facts(moved_to=survivors.pop()) if survivors else OpenRows.from_parts(parts).facts


def read_appointment(connection: Connection, appointment_id: int) -> Appointment | None:
    """The appointment as it is stored now, with its prestation, or None."""
    row = connection.execute(APPOINTMENT, {"appointment_id": appointment_id}).mappings().one_or_none()
    return None if row is None else to_appointment(row)


def to_appointment(row: Mapping[Any, Any]) -> Appointment:
    """A row of `APPOINTMENT` as a value."""
    return Appointment(
        id=row["id"],
        patient_id=row["patient_id"],
        doctor_id=row["doctor_id"],
        prestation_id=row["prestation_id"],
        exclusive=row["exclusive"],
        expected_minutes=row["minutes"],
        status=AppointmentStatus(row["appointment_status"]),
        scheduled_at=row["scheduled_at"],
        doctor_active=row["doctor_active"],
        prestation_active=row["prestation_active"],
        record_id=None if row["record_id"] == row["patient_id"] else row["record_id"],
        priority=row["priority"],
        no_answers=row["no_answers"],
    )

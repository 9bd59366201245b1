"""What the hospital's own system says of patients, doctors, prestations and appointments; it must not touch what a visit has opened."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from sqlalchemy import Connection, Row, Table, select, update

from patient_visit_engine.storage import event_log
from patient_visit_engine.storage.inserting import insert_if_new
from patient_visit_engine.storage.tables import (
    appointments,
    doctors,
    patient_trackings,
    patients,
    prestations,
    waiting_line,
)
from patient_visit_engine.visit.codes import AppointmentStatus, TrackingStatus
from patient_visit_engine.visit.decisions import WriteAppointmentStatus
from patient_visit_engine.wire.events import CONSULTATIONS, PATIENT_UPDATED, EventContext, events_of


class UnknownReferenceError(Exception):
    """An appointment names something that does not exist; `field` says what."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field


class NotReplaceableError(Exception):
    """The appointment is a visit's business now: `code` says in what way."""

    def __init__(self, code: Literal["tracking_open", "appointment_closed", "doctor_waiting"]) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class MasterDataPut:
    """One replacement: `cause` is unique to the request, and `at` its moment."""

    id: int
    cause: str
    at: datetime


@dataclass(frozen=True)
class AppointmentPut:
    """An appointment as it shall be; without a status it keeps the one it has, or is scheduled when it is new."""

    patient_id: int
    doctor_id: int
    prestation_id: int
    scheduled_at: datetime
    status: AppointmentStatus | None


def put_patient(
    connection: Connection, put: MasterDataPut, first_name: str, last_name: str, birth_date: date | None
) -> bool:
    """Create or replace a patient, and say so to the screens when the name has changed; whether it was created."""
    values: dict[str, Any] = {"first_name": first_name, "last_name": last_name, "birth_date": birth_date}
    if insert_if_new(connection, patients, id=put.id, **values):
        return True
    before = _locked(connection, patients, put.id)
    if _write(connection, patients, before, values) and (before.first_name, before.last_name) != (
        first_name,
        last_name,
    ):
        telling = EventContext(put.id, f"{first_name} {last_name}", {}, {}, put.at, put.cause)
        data = telling.about_patient(f"Patient {telling.patient} has a new name")
        event_log.append(
            connection, [telling.event(PATIENT_UPDATED, CONSULTATIONS, f"{put.cause}/named", data)], put.at
        )
    return False


def put_doctor(connection: Connection, put: MasterDataPut, name: str, specialization: str | None) -> bool:
    """Create or replace a doctor; whether it was created."""
    return _put(connection, doctors, put.id, {"name": name, "specialization": specialization})


def put_prestation(
    connection: Connection, put: MasterDataPut, name: str, exclusive: bool, expected_minutes: int
) -> bool:
    """Create or replace a prestation; whether it was created. Consultations that run keep what they began with."""
    values = {"name": name, "exclusive": exclusive, "expected_minutes": expected_minutes}
    return _put(connection, prestations, put.id, values)


def put_appointment(
    connection: Connection, put: MasterDataPut, wanted: AppointmentPut
) -> tuple[bool, AppointmentStatus]:
    """Create or replace an appointment that no visit has opened anything for; whether it was created, and its status.

    Raises UnknownReferenceError or NotReplaceableError, and then nothing is written.
    """
    patient = _check_references(connection, wanted)
    status = AppointmentStatus.scheduled if wanted.status is None else wanted.status
    values: dict[str, Any] = {
        "patient_id": wanted.patient_id,
        "doctor_id": wanted.doctor_id,
        "prestation_id": wanted.prestation_id,
        "scheduled_at": wanted.scheduled_at,
    }
    created = insert_if_new(connection, appointments, id=put.id, status=status.value, **values)
    if not created:
        before = _locked(connection, appointments, put.id)
        status = AppointmentStatus(before.status) if wanted.status is None else wanted.status
        _check_replaceable(connection, before, wanted, status)
        if not _write(connection, appointments, before, values | {"status": status.value}):
            return False, status
        if before.patient_id != wanted.patient_id:
            _tell(connection, put, before.patient_id, _name(connection, before.patient_id), status, "/moved")
    _tell(connection, put, wanted.patient_id, patient, status, doctor=wanted.doctor_id)
    return created, status


def _check_references(connection: Connection, wanted: AppointmentPut) -> str:
    patient = connection.execute(select(patients).where(patients.c.id == wanted.patient_id)).one_or_none()
    if patient is None:
        raise UnknownReferenceError("patient_id")
    for field, table, referred in (
        ("doctor_id", doctors, wanted.doctor_id),
        ("prestation_id", prestations, wanted.prestation_id),
    ):
        if connection.scalar(select(table.c.id).where(table.c.id == referred)) is None:
            raise UnknownReferenceError(field)
    return f"{patient.first_name} {patient.last_name}"


def _check_replaceable(
    connection: Connection, before: Row[Any], wanted: AppointmentPut, status: AppointmentStatus
) -> None:
    of_this = patient_trackings.c.appointment_id == before.id
    is_open = patient_trackings.c.status != TrackingStatus.completed.value
    if connection.scalar(select(patient_trackings.c.id).where(of_this, is_open)) is not None:
        raise NotReplaceableError("tracking_open")
    if before.status == AppointmentStatus.done:
        raise NotReplaceableError("appointment_closed")
    moved = (before.patient_id, before.doctor_id) != (wanted.patient_id, wanted.doctor_id)
    if moved or status is AppointmentStatus.canceled:
        waits = select(waiting_line.c.id).where(waiting_line.c.appointment_id == before.id)
        # The line is the visit's: a place in it for an appointment that is gone would be offered the patient in vain.
        if connection.scalar(waits) is not None:
            raise NotReplaceableError("doctor_waiting")


def _tell(
    connection: Connection,
    put: MasterDataPut,
    patient_id: int,
    patient: str,
    status: AppointmentStatus,
    step: str = "",
    doctor: int | None = None,
) -> None:
    whose = {} if doctor is None else {put.id: doctor}
    telling = EventContext(patient_id, patient, {}, {}, put.at, put.cause + step, whose)
    told = list(events_of(WriteAppointmentStatus(appointment_id=put.id, status=status), telling))
    event_log.append(connection, told, put.at)


def _name(connection: Connection, patient_id: int) -> str:
    first, last = connection.execute(
        select(patients.c.first_name, patients.c.last_name).where(patients.c.id == patient_id)
    ).one()
    return f"{first} {last}"


def _put(connection: Connection, table: Table, key: int, values: dict[str, Any]) -> bool:
    if insert_if_new(connection, table, id=key, **values):
        return True
    _write(connection, table, _locked(connection, table, key), values)
    return False


def _locked(connection: Connection, table: Table, key: int) -> Row[Any]:
    return connection.execute(select(table).where(table.c.id == key).with_for_update(key_share=True)).one()


def _write(connection: Connection, table: Table, before: Row[Any], values: dict[str, Any]) -> bool:
    if all(getattr(before, column) == value for column, value in values.items()):
        return False
    connection.execute(update(table).where(table.c.id == before.id).values(**values))
    return True

"""Whom a doctor can call next: the patients of the doctor's list who are in the house, and who of them is free."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from patient_visit_engine.storage.doctor_calls import (
    OpenCall,
    call_elsewhere,
    read_call,
    read_calls_without_reservation,
)
from patient_visit_engine.storage.facts import APPOINTMENT_ROWS, to_appointment
from patient_visit_engine.storage.screens.doctor_list import read_waiting
from patient_visit_engine.storage.tables import appointments, patient_trackings, reservations
from patient_visit_engine.storage.tracking_conditions import IS_RUNNING
from patient_visit_engine.visit.appointment import Appointment
from patient_visit_engine.visit.calendar import HospitalDay
from patient_visit_engine.visit.doctor_call import DoctorCall
from patient_visit_engine.visit.list_order import MAX_NO_ANSWERS, ListItem, next_callable
from patient_visit_engine.visit.refusals import inactive_refusal

#: The reason for the patient of the last call, who has left the house. No one else is listed without being there.
NOT_PRESENT = "not_present"


@dataclass(frozen=True)
class ListedPatient:
    """A patient of the list. `reason` is why the patient cannot be called, until `free_at`, if that is known."""

    appointment: Appointment
    reason: str | None = None
    free_at: datetime | None = None


@dataclass(frozen=True)
class CallList:
    """The doctor's last call, and the patients of the list in its order. The patient of the call is always among them."""

    call: DoctorCall
    patients: tuple[ListedPatient, ...]


def read_call_list(connection: Connection, doctor_id: int, today: HospitalDay, now: datetime) -> CallList | None:
    """Whom the doctor can call now. None for an unknown doctor. Call it in one read transaction."""
    last = read_call(connection, doctor_id, today.date)
    if last is None:
        return None
    present_ids = _present_ids(_read_waiting(connection, doctor_id, today))
    called_id = last.call.appointment_id
    absent_ids = [] if called_id is None or called_id in present_ids else [called_id]
    listed = _read_listed(connection, [*present_ids, *absent_ids], now)
    patients = [listed[number] for number in present_ids]
    patients += [ListedPatient(listed[number].appointment, NOT_PRESENT) for number in absent_ids]
    return CallList(last.call, tuple(patients))


def find_next(connection: Connection, appointment: Appointment, today: HospitalDay, now: datetime) -> int | None:
    """The appointment that the doctor would call now after this one. If no other patient is free, the next one of the list.

    Behind a patient who is not free, this patient would be called again at once, while others are free.
    """
    waiting = _read_waiting(connection, appointment.doctor_id, today)
    listed = _read_listed(connection, _present_ids(waiting), now)
    free_ids = {number for number, patient in listed.items() if patient.reason is None}
    free = [item for item in waiting if item.appointment_id in {appointment.id, *free_ids}]
    return next_callable(free, appointment.id) or next_callable(waiting, appointment.id)


def _present_ids(items: Iterable[ListItem]) -> list[int]:
    return [item.appointment_id for item in items if item.arrived_at is not None]


def _read_listed(connection: Connection, appointment_ids: list[int], now: datetime) -> dict[int, ListedPatient]:
    rows = connection.execute(APPOINTMENT_ROWS.where(appointments.c.id.in_(appointment_ids))).mappings()
    listed = {row["id"]: to_appointment(row) for row in rows}
    busy = _read_busy(connection, {appointment.patient_id for appointment in listed.values()}, now)
    return {number: _listed(appointment, busy) for number, appointment in listed.items()}


def _read_waiting(connection: Connection, doctor_id: int, today: HospitalDay) -> tuple[ListItem, ...]:
    return read_waiting(connection, [doctor_id], today)[doctor_id]


@dataclass(frozen=True)
class _Busy:
    """When the exclusive consultation of each person should end, for which appointment a person is reserved, until when, and who calls."""

    ends: dict[int, datetime]
    reserved: dict[int, tuple[int, datetime]]
    calls: dict[int, list[OpenCall]]


def _read_busy(connection: Connection, person_ids: Collection[int], now: datetime) -> _Busy:
    running, reserved = patient_trackings.c, reservations.c
    consultations = select(running.person_id, running.overdue_at).where(
        running.person_id.in_(person_ids), IS_RUNNING, running.exclusive
    )
    reserved_persons = select(reserved.person_id, reserved.appointment_id, reserved.until).where(
        reserved.person_id.in_(person_ids)
    )
    reservations_of = {row.person_id: (row.appointment_id, row.until) for row in connection.execute(reserved_persons)}
    return _Busy(
        ends={row.person_id: row.overdue_at for row in connection.execute(consultations)},
        reserved=reservations_of,
        calls=read_calls_without_reservation(connection, person_ids, now),
    )


def _listed(appointment: Appointment, busy: _Busy) -> ListedPatient:
    person_id = appointment.patient_id
    if (inactive := inactive_refusal(appointment)) is not None:
        return ListedPatient(appointment, inactive.code)
    if appointment.no_answers >= MAX_NO_ANSWERS:
        return ListedPatient(appointment, "no_answers")
    if person_id in busy.ends:
        return ListedPatient(appointment, "patient_in_consultation", busy.ends[person_id])
    reserved_for, until = busy.reserved.get(person_id, (appointment.id, None))
    if reserved_for != appointment.id:
        return ListedPatient(appointment, "patient_reserved", until)
    if (call := call_elsewhere(busy.calls.get(person_id, ()), appointment.id)) is not None:
        return ListedPatient(appointment, "patient_reserved", call.until)
    return ListedPatient(appointment)

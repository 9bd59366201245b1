"""Where each patient of the worklist is: free, reserved or in consultation, and who waits in line."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, Table, select

from patient_visit_engine.storage.tables import (
    appointments,
    doctors,
    patient_trackings,
    prestations,
    reservations,
    waiting_line,
)
from patient_visit_engine.storage.tracking_conditions import IS_RUNNING
from patient_visit_engine.visit.calendar import to_rfc3339
from patient_visit_engine.visit.codes import ReservationKind
from patient_visit_engine.wire import screens, worklist_bodies
from patient_visit_engine.wire.trackings import optional_moment

FREE: worklist_bodies.PatientNow = {
    "state": "free",
    "doctor": None,
    "doctor_id": None,
    "prestation": None,
    "since": None,
    "paused_seconds": 0,
    "position": None,
    "until": None,
    "kind": None,
}
#: The doctors in line for each person, by the person's id.
Lines = dict[int, list[screens.Waiting]]


def read_lines(connection: Connection, person_ids: set[int]) -> Lines:
    """The doctors in line for each person, the first one first."""
    lines: Lines = {}
    for row in connection.execute(_lines_of_persons(person_ids)):
        line = lines.setdefault(row.person_id, [])
        since = to_rfc3339(row.since)
        line.append({"doctor_id": row.doctor_id, "name": row.doctor, "since": since, "position": len(line) + 1})
    return lines


def patient_states(
    connection: Connection,
    person_ids: set[int],
    lines: Lines,
    running: Iterable[Row[Any]],
    asking_doctor_id: int | None,
) -> dict[int, worklist_bodies.PatientNow]:
    """The state of each person who is not free, or for whom a doctor waits. `running` are their exclusive consultations."""
    states: dict[int, worklist_bodies.PatientNow] = {}
    for person_id, line in lines.items():
        position = next((place["position"] for place in line if place["doctor_id"] == asking_doctor_id), None)
        states[person_id] = {**FREE, "position": position}
    for row in connection.execute(_reservations(person_ids)):
        patient = states.get(row.person_id, FREE)
        reserved = _occupied_by(patient, row, "reserved", row.since, row.until)
        states[row.person_id] = {**reserved, "kind": ReservationKind(row.kind)}
    for row in running:
        patient = states.get(row.person_id, FREE)
        busy = _occupied_by(patient, row, "in_consultation", row.started_at, row.overdue_at)
        states[row.person_id] = {**busy, "paused_seconds": row.paused_seconds}
    return states


def _occupied_by(
    patient: worklist_bodies.PatientNow,
    row: Row[Any],
    state: screens.PatientState,
    since: datetime,
    until: datetime | None,
) -> worklist_bodies.PatientNow:
    """The patient with the doctor of `row`, who has the patient now or is reserved. The position in line stays."""
    return {
        **patient,
        "state": state,
        "doctor": row.doctor,
        "doctor_id": row.doctor_id,
        "prestation": row.prestation,
        "since": to_rfc3339(since),
        "until": optional_moment(until),
        "paused_seconds": 0,
        "kind": None,
    }


def _lines_of_persons(person_ids: set[int]) -> Select[Any]:
    return _with_names(waiting_line, appointments.c.prestation_id, person_ids).order_by(
        waiting_line.c.turn, waiting_line.c.id
    )


def _reservations(person_ids: set[int]) -> Select[Any]:
    return _with_names(reservations, appointments.c.prestation_id, person_ids)


def exclusive_consultations(person_ids: set[int]) -> Select[Any]:
    """The exclusive consultations of these persons that are in progress."""
    rows = _with_names(patient_trackings, patient_trackings.c.prestation_id, person_ids)
    # The first one comes last and is shown. Two records that became one person can both be in an exclusive consultation.
    return rows.where(IS_RUNNING, patient_trackings.c.exclusive).order_by(patient_trackings.c.id.desc())


def _with_names(table: Table, prestation_id: ColumnElement[int], person_ids: set[int]) -> Select[Any]:
    """The rows of these persons, with the names of doctor and prestation."""
    return (
        select(table, doctors.c.name.label("doctor"), prestations.c.name.label("prestation"))
        .join(doctors, doctors.c.id == table.c.doctor_id)
        .join(appointments, appointments.c.id == table.c.appointment_id)
        .join(prestations, prestations.c.id == prestation_id)
        .where(table.c.person_id.in_(person_ids))
    )

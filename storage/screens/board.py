"""Every patient in house with what each is in and waits for, and the position in the log that this is true at; it never writes."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row, literal_column, or_, select

from patient_visit_engine.storage.tables import (
    appointments,
    doctors,
    log_head,
    patient_trackings,
    patients,
    prestations,
    waiting_line,
)
from patient_visit_engine.visit.calendar import to_rfc3339
from patient_visit_engine.visit.codes import TrackingStatus

#: The most patients on one board: more are counted, not shown.
BOARD_LIMIT = 1_000


@dataclass(frozen=True)
class BoardFilter:
    """The hospital's day and the moment that the board is asked for."""

    today: date
    now: datetime


def read_board(connection: Connection, wanted: BoardFilter) -> dict[str, Any]:
    """The whole board. To be run in one read transaction: the cursor is true for exactly these patients."""
    seq, epoch = connection.execute(select(log_head.c.seq, log_head.c.epoch)).one()
    trackings = _by_patient(connection.execute(_trackings(wanted)))
    line = _by_patient(connection.execute(_line(wanted)))
    found = sorted(trackings.keys() | line.keys(), key=lambda one: _since(trackings.get(one, []), line.get(one, [])))
    shown = found[:BOARD_LIMIT]
    return {
        "date": wanted.today.isoformat(),
        "items": [_item(of, trackings.get(of, []), line.get(of, []), wanted.now) for of in shown],
        "total": len(found),
        "cursor": f"{epoch}-{seq}",
    }


def _trackings(wanted: BoardFilter) -> Any:
    # Written out, not bound: else neither database sees that its index of open trackings holds all that is asked for.
    is_open = patient_trackings.c.status != literal_column(f"'{TrackingStatus.completed.value}'")
    running = patient_trackings.c.status == TrackingStatus.in_progress.value
    # What began before midnight and still runs keeps the patient from everybody today.
    todays = or_(running, patient_trackings.c.visit_day == wanted.today)
    return (
        select(patient_trackings, _name(), doctors.c.name.label("doctor"), prestations.c.name.label("prestation"))
        .join(patients, patients.c.id == patient_trackings.c.patient_id)
        .join(doctors, doctors.c.id == patient_trackings.c.doctor_id)
        .join(prestations, prestations.c.id == patient_trackings.c.prestation_id)
        .where(is_open, todays)
        .order_by(patient_trackings.c.check_in_time, patient_trackings.c.id)
    )


def _line(wanted: BoardFilter) -> Any:
    return (
        select(waiting_line, _name(), doctors.c.name.label("doctor"), prestations.c.name.label("prestation"))
        .join(patients, patients.c.id == waiting_line.c.patient_id)
        .join(doctors, doctors.c.id == waiting_line.c.doctor_id)
        .join(appointments, appointments.c.id == waiting_line.c.appointment_id)
        .join(prestations, prestations.c.id == appointments.c.prestation_id)
        .where(waiting_line.c.visit_day == wanted.today)
        .order_by(waiting_line.c.since, waiting_line.c.id)
    )


def _name() -> Any:
    return (patients.c.first_name + " " + patients.c.last_name).label("patient")


def _by_patient(rows: Iterable[Row[Any]]) -> dict[int, list[Row[Any]]]:
    found: dict[int, list[Row[Any]]] = {}
    for row in rows:
        found.setdefault(row.patient_id, []).append(row)
    return found


def _since(trackings: list[Row[Any]], line: list[Row[Any]]) -> tuple[datetime, int]:
    first = min([row.check_in_time for row in trackings] + [row.since for row in line])
    return first, (trackings or line)[0].patient_id


def _item(patient_id: int, trackings: list[Row[Any]], line: list[Row[Any]], now: datetime) -> dict[str, Any]:
    running = [row for row in trackings if row.status == TrackingStatus.in_progress]
    offered = [row for row in line if row.offered_until is not None and row.offered_until > now]
    is_taken = any(row.exclusive for row in running)
    state = "in_consultation" if is_taken else "reserved" if offered else "free"
    return {
        "patient_id": patient_id,
        "patient_name": (trackings or line)[0].patient,
        "state": state,
        "consultations": [_consultation(row) for row in running],
        "checked_in": [_checked_in(row) for row in trackings if row.status == TrackingStatus.pending],
        "waiting": [_place(row, position) for position, row in enumerate(line, 1)],
    }


def _who(row: Row[Any]) -> dict[str, Any]:
    return {
        "appointment_id": row.appointment_id,
        "doctor_id": row.doctor_id,
        "doctor": row.doctor,
        "prestation": row.prestation,
    }


def _consultation(row: Row[Any]) -> dict[str, Any]:
    return _who(row) | {
        "consultation_id": row.consultation_id,
        "exclusive": row.exclusive,
        "started_at": to_rfc3339(row.started_at),
        "overdue_at": to_rfc3339(row.overdue_at),
    }


def _checked_in(row: Row[Any]) -> dict[str, Any]:
    return _who(row) | {"since": to_rfc3339(row.check_in_time)}


def _place(row: Row[Any], position: int) -> dict[str, Any]:
    until = None if row.offered_until is None else to_rfc3339(row.offered_until)
    return _who(row) | {"since": to_rfc3339(row.since), "position": position, "offer_until": until}

"""One patient's day, a consultation, and what a request needs to know first, read for a screen; it never writes."""

import json
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row, Table, and_, or_, select

from patient_visit_engine.storage.ledger.facts import (
    PATIENT,
    TRACKING,
    TRACKING_OF_CONSULTATION,
    NameCache,
    as_tracking,
    read_appointment,
)
from patient_visit_engine.storage.tables import (
    accounts,
    appointments,
    callers,
    doctors,
    patient_trackings,
    patients,
    prestations,
    timeline,
    waiting_line,
)
from patient_visit_engine.visit.calendar import to_rfc3339
from patient_visit_engine.visit.codes import TrackingStatus
from patient_visit_engine.visit.state import Appointment
from patient_visit_engine.wire.answers import TrackingRow

#: How many of a day's last decisions are shown: a client that asks in a loop must not make the page endless.
TIMELINE_LIMIT = 1_000


@dataclass(frozen=True)
class VisitQuery:
    """Whose day is looked at, when, and whether who asks may see who did what and why."""

    patient_id: int
    day: date
    today: date
    now: datetime
    audited: bool


def appointment(connection: Connection, appointment_id: int) -> Appointment | None:
    """The appointment with what its prestation says; None when there is none."""
    return read_appointment(connection, appointment_id, NameCache())


def patient_exists(connection: Connection, patient_id: int) -> bool:
    return connection.scalar(select(patients.c.id).where(patients.c.id == patient_id)) is not None


def doctor_exists(connection: Connection, doctor_id: int) -> bool:
    return connection.scalar(select(doctors.c.id).where(doctors.c.id == doctor_id)) is not None


def consultation(connection: Connection, consultation_id: str) -> tuple[TrackingRow, date] | None:
    """The row of this consultation and the day of the visit that keeps it."""
    row = connection.execute(TRACKING_OF_CONSULTATION, {"of": consultation_id}).one_or_none()
    return None if row is None else (as_tracking(row), row.visit_day)


def trackings(connection: Connection, looking: VisitQuery) -> list[dict[str, Any]] | None:
    """The day's rows of `patient_trackings`; None for an unknown patient."""
    if not patient_exists(connection, looking.patient_id):
        return None
    day = patient_trackings.c.visit_day == looking.day
    if looking.day == looking.today:
        # What began before midnight and still runs is today's business too.
        day = or_(day, patient_trackings.c.status == TrackingStatus.in_progress.value)
    query = TRACKING.where(patient_trackings.c.patient_id == looking.patient_id, day)
    return [as_tracking(row).to_rfc3339() for row in connection.execute(query.order_by(patient_trackings.c.id))]


def read_visit(connection: Connection, looking: VisitQuery) -> dict[str, Any] | None:
    """State, holder, waiting line and timeline of the day; None for an unknown patient."""
    patient = connection.execute(PATIENT, {"patient_id": looking.patient_id}).one_or_none()
    if patient is None:
        return None
    holder = _holder(connection, looking)
    line = _line(connection, looking)
    reserved = any(row.offered_until is not None and row.offered_until > looking.now for row in line)
    return {
        "patient_id": looking.patient_id,
        "patient_name": f"{patient.first_name} {patient.last_name}",
        "date": looking.day.isoformat(),
        "state": "in_consultation" if holder else "reserved" if reserved else "free",
        "holder": holder,
        "waiting": [
            {"doctor_id": row.doctor_id, "name": row.name, "since": to_rfc3339(row.since), "position": position}
            for position, row in enumerate(line, 1)
        ],
        "timeline": _timeline(connection, looking),
    }


def _holder(connection: Connection, looking: VisitQuery) -> dict[str, Any] | None:
    running = and_(
        patient_trackings.c.patient_id == looking.patient_id,
        patient_trackings.c.status == TrackingStatus.in_progress.value,
        patient_trackings.c.exclusive,
    )
    if looking.day != looking.today:
        running = and_(running, patient_trackings.c.visit_day == looking.day)
    query = (
        select(patient_trackings, doctors.c.name.label("doctor"), prestations.c.name.label("prestation"))
        .join(doctors, doctors.c.id == patient_trackings.c.doctor_id)
        .join(prestations, prestations.c.id == patient_trackings.c.prestation_id)
        .where(running)
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    return {
        "doctor_id": row.doctor_id,
        "name": row.doctor,
        "prestation_id": row.prestation_id,
        "prestation": row.prestation,
        "appointment_id": row.appointment_id,
        "consultation_id": row.consultation_id,
        "started_at": to_rfc3339(row.started_at),
        "overdue_at": to_rfc3339(row.overdue_at),
    }


def _line(connection: Connection, looking: VisitQuery) -> list[Row[Any]]:
    query = (
        select(waiting_line, doctors.c.name)
        .join(doctors, doctors.c.id == waiting_line.c.doctor_id)
        .where(waiting_line.c.patient_id == looking.patient_id, waiting_line.c.visit_day == looking.day)
    )
    return list(connection.execute(query.order_by(waiting_line.c.since, waiting_line.c.id)))


def _timeline(connection: Connection, looking: VisitQuery) -> list[dict[str, Any]]:
    query = (
        select(
            timeline,
            doctors.c.name.label("doctor"),
            prestations.c.name.label("prestation"),
            callers.c.created_by.label("by"),
            callers.c.subject,
        )
        .outerjoin(doctors, doctors.c.id == timeline.c.doctor_id)
        .outerjoin(appointments, appointments.c.id == timeline.c.appointment_id)
        .outerjoin(prestations, prestations.c.id == appointments.c.prestation_id)
        .outerjoin(callers, callers.c.id == timeline.c.caller_id)
        .where(timeline.c.patient_id == looking.patient_id, timeline.c.visit_day == looking.day)
        .order_by(timeline.c.id.desc())
        .limit(TIMELINE_LIMIT)
    )
    rows = list(reversed(list(connection.execute(query))))
    entries = [_entry(row) for row in rows]
    holders = _names(
        connection, doctors, {entry["active_doctor_id"] for entry in entries if "active_doctor_id" in entry}
    )
    for entry in entries:
        if "active_doctor_id" in entry:
            entry["active_doctor"] = holders.get(entry["active_doctor_id"])
    if looking.audited:
        staff = _names(connection, accounts, {number for row in rows if (number := _account(row)) is not None})
        for entry, row in zip(entries, rows, strict=True):
            number = _account(row)
            entry |= {"by": row.by, "by_name": None if number is None else staff.get(number), "reason": row.reason}
    return entries


def _account(row: Row[Any]) -> int | None:
    """The number of the account that asked; a token has none, and is known by its subject alone."""
    kind, _, number = (row.subject or "").partition(":")
    return int(number) if kind == "account" and number.isdecimal() else None


def _names(connection: Connection, table: Table, ids: set[int]) -> dict[int, str]:
    return {row.id: row.name for row in connection.execute(select(table.c.id, table.c.name).where(table.c.id.in_(ids)))}


def _entry(row: Row[Any]) -> dict[str, Any]:
    entry: dict[str, Any] = json.loads(row.particulars)
    return entry | {
        "at": to_rfc3339(row.at),
        "event": row.event,
        "doctor_id": row.doctor_id,
        "doctor": row.doctor,
        "appointment_id": row.appointment_id,
        "prestation": row.prestation,
        "consultation_id": row.consultation_id,
    }

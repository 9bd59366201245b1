"""One patient's day, one consultation, and the rows that a request looks up before it is sent to a visit."""

from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, and_, or_, select, true

from patient_visit_engine.storage.facts import EXPECTED_MINUTES, SURVIVOR, read_appointment
from patient_visit_engine.storage.person_records import find_person
from patient_visit_engine.storage.screens.timeline_pages import TimelineQuery, read_timeline
from patient_visit_engine.storage.tables import (
    appointments,
    doctors,
    patient_trackings,
    prestations,
    reservations,
    waiting_line,
)
from patient_visit_engine.storage.tracking_conditions import HAS_CONSULTATION, IS_OPEN
from patient_visit_engine.storage.trackings import TRACKING, TRACKING_OF_CONSULTATION, tracking_row
from patient_visit_engine.visit.appointment import Appointment
from patient_visit_engine.visit.calendar import to_rfc3339
from patient_visit_engine.visit.codes import TrackingStatus
from patient_visit_engine.wire import answer_bodies, screens
from patient_visit_engine.wire.patient_identity import PatientIdentity
from patient_visit_engine.wire.trackings import TrackingRow, tracking_body


@dataclass(frozen=True)
class VisitQuery:
    """The patient's day to read. With `with_callers`, each entry of the timeline has its caller and the reason.

    The id of a retired record stands for its survivor. `before` is the position of the page of the timeline, None for the newest.
    """

    patient_id: int
    day: date
    today: date
    with_callers: bool
    before: int | None = None


@dataclass(frozen=True)
class PatientDay:
    """One patient's day, and the position of the next older page of its timeline, None when this page is the last."""

    body: screens.DayOfPatient
    older: int | None


def find_appointment(connection: Connection, appointment_id: int) -> Appointment | None:
    """The appointment with the settings of its prestation, or None."""
    return read_appointment(connection, appointment_id)


def doctor_exists(connection: Connection, doctor_id: int) -> bool:
    return connection.scalar(select(doctors.c.id).where(doctors.c.id == doctor_id)) is not None


def find_consultation(connection: Connection, consultation_id: str) -> TrackingRow | None:
    """The row of this consultation, or None."""
    row = connection.execute(TRACKING_OF_CONSULTATION, {"id": consultation_id}).mappings().one_or_none()
    return None if row is None else tracking_row(row)


def find_visit_day(connection: Connection, consultation_id: str) -> date | None:
    """The day of the visit that runs the timers of this consultation, or None."""
    return connection.scalar(
        select(patient_trackings.c.visit_day).where(patient_trackings.c.consultation_id == consultation_id)
    )


def read_day_trackings(connection: Connection, query: VisitQuery) -> list[answer_bodies.Tracking] | None:
    """The day's rows of `patient_trackings`, or None for an unknown patient."""
    person_id = find_person(connection, query.patient_id)
    if person_id is None:
        return None
    is_of_day = patient_trackings.c.visit_day == query.day
    if query.day == query.today:
        # What is still open from an earlier day belongs to today as well.
        is_of_day = or_(is_of_day, IS_OPEN)
    statement = TRACKING.where(patient_trackings.c.person_id == person_id, is_of_day)
    rows = connection.execute(statement.order_by(patient_trackings.c.id)).mappings()
    return [tracking_body(tracking_row(row)) for row in rows]


def read_visit(connection: Connection, query: VisitQuery) -> PatientDay | None:
    """State, holder, waiting line and one page of the timeline of the day, or None for an unknown patient."""
    patient = connection.execute(SURVIVOR, {"patient_id": query.patient_id}).one_or_none()
    if patient is None:
        return None
    query = replace(query, patient_id=patient.id)
    consultations = _read_consultations(connection, query)
    running = [row for row in consultations if row.status == TrackingStatus.in_progress]
    # Two records that became one person can both be in an exclusive consultation. A refused start names the first one too.
    holder = next((_holder(row) for row in running if row.exclusive), None)
    line = _read_line(connection, query)
    page = read_timeline(connection, TimelineQuery(patient.id, query.day, query.with_callers, query.before))
    identity = PatientIdentity.of(patient._mapping)
    body: screens.DayOfPatient = {
        "patient_id": query.patient_id,
        "patient": {
            "id": query.patient_id,
            "name": identity.name,
            **identity.next_to_name(),
        },
        "date": query.day.isoformat(),
        "state": "in_consultation" if holder else "reserved" if _is_reserved(connection, query) else "free",
        "holder": holder,
        "paused": [_paused(row) for row in consultations if row.status == TrackingStatus.paused],
        "waiting": [
            {"doctor_id": row.doctor_id, "name": row.name, "since": to_rfc3339(row.since), "position": position}
            for position, row in enumerate(line, 1)
        ],
        "timeline": page.entries,
    }
    return PatientDay(body, page.older)


def _read_consultations(connection: Connection, query: VisitQuery) -> list[Row[Any]]:
    """The consultations in progress and the paused ones, the first started first."""
    is_open = and_(patient_trackings.c.person_id == query.patient_id, HAS_CONSULTATION)
    if query.day != query.today:
        is_open = and_(is_open, patient_trackings.c.visit_day == query.day)
    statement = (
        select(
            patient_trackings,
            doctors.c.name.label("doctor"),
            prestations.c.name.label("prestation"),
            EXPECTED_MINUTES,
        )
        .join(appointments, appointments.c.id == patient_trackings.c.appointment_id)
        .join(doctors, doctors.c.id == patient_trackings.c.doctor_id)
        .join(prestations, prestations.c.id == patient_trackings.c.prestation_id)
        .where(is_open)
        .order_by(patient_trackings.c.id)
    )
    return list(connection.execute(statement))


def _holder(row: Row[Any]) -> screens.Holder:
    return {**_consultation_of(row), "overdue_at": to_rfc3339(row.overdue_at)}


def _paused(row: Row[Any]) -> screens.PausedConsultation:
    return {**_consultation_of(row), "exclusive": row.exclusive, "paused_at": to_rfc3339(row.paused_at)}


def _consultation_of(row: Row[Any]) -> screens.ConsultationOfDoctor:
    return {
        "doctor_id": row.doctor_id,
        "name": row.doctor,
        "prestation_id": row.prestation_id,
        "prestation": row.prestation,
        "appointment_id": row.appointment_id,
        "consultation_id": row.consultation_id,
        "started_at": to_rfc3339(row.started_at),
        "expected_minutes": row.minutes,
        "paused_seconds": row.paused_seconds,
    }


def _read_line(connection: Connection, query: VisitQuery) -> list[Row[Any]]:
    statement = (
        select(waiting_line, doctors.c.name)
        .join(doctors, doctors.c.id == waiting_line.c.doctor_id)
        .where(waiting_line.c.person_id == query.patient_id, _is_of_day(waiting_line, query))
    )
    return list(connection.execute(statement.order_by(waiting_line.c.turn, waiting_line.c.id)))


def _is_reserved(connection: Connection, query: VisitQuery) -> bool:
    of_person = select(reservations.c.person_id).where(reservations.c.person_id == query.patient_id)
    return connection.scalar(of_person.where(_is_of_day(reservations, query))) is not None


def _is_of_day(table: Table, query: VisitQuery) -> ColumnElement[bool]:
    """Whether the row belongs to the day. What is open belongs to today, also before it has passed to today's visit."""
    return true() if query.day == query.today else table.c.visit_day == query.day

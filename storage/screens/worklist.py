"""The appointments of a day with the state of each patient, and the position in the event log that this is true at; it never writes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, literal, or_, select

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
from patient_visit_engine.visit.codes import CLOSED_APPOINTMENT, AppointmentStatus, Outcome, TrackingStatus

FREE = {
    "state": "free",
    "doctor": None,
    "doctor_id": None,
    "prestation": None,
    "since": None,
    "position": None,
    "until": None,
}
#: How a consultation can have ended whose appointment may be started again.
UNDONE = (Outcome.released, Outcome.timed_out)

FINAL_SIGMA, SIGMA = "\N{GREEK SMALL LETTER FINAL SIGMA}", "\N{GREEK SMALL LETTER SIGMA}"


@dataclass(frozen=True)
class WorklistFilter:
    """Which appointments are asked for; times are the bounds of the day, `today` that of the waiting lines now."""

    day: date
    starts_at: datetime
    ends_at: datetime
    today: date
    now: datetime
    page: int
    page_size: int
    doctor_id: int | None = None
    statuses: frozenset[AppointmentStatus] = frozenset()
    words: tuple[str, ...] = ()
    asking_doctor: int | None = None


def read_worklist(connection: Connection, wanted: WorklistFilter) -> dict[str, Any]:
    """One page of the day. To be run in one read transaction: the cursor is true for exactly these rows."""
    where = _where(connection, wanted)
    seq, epoch = connection.execute(select(log_head.c.seq, log_head.c.epoch)).one()
    total = connection.execute(_joined(select(func.count())).where(*where)).scalar_one()
    page = _joined(
        select(
            appointments,
            patients.c.first_name,
            patients.c.last_name,
            doctors.c.name.label("doctor"),
            prestations.c.name.label("prestation"),
            prestations.c.exclusive,
        )
    )
    page = page.where(*where).order_by(appointments.c.scheduled_at, appointments.c.id)
    rows = connection.execute(page.limit(wanted.page_size).offset((wanted.page - 1) * wanted.page_size)).all()
    latest = _trackings(connection, [row.id for row in rows])
    states = patient_states(connection, {row.patient_id for row in rows}, wanted)
    items = [_item(row, latest.get(row.id), states.get(row.patient_id, FREE)) for row in rows]
    where_read = f"{epoch}-{seq}"
    return {
        "date": wanted.day.isoformat(),
        "items": items,
        "page": wanted.page,
        "page_size": wanted.page_size,
        "total": total,
        "cursor": where_read,
    }


def _joined(query: Select[Any]) -> Select[Any]:
    return (
        query.select_from(appointments)
        .join(patients, patients.c.id == appointments.c.patient_id)
        .join(doctors, doctors.c.id == appointments.c.doctor_id)
        .join(prestations, prestations.c.id == appointments.c.prestation_id)
    )


def _where(connection: Connection, wanted: WorklistFilter) -> list[ColumnElement[bool]]:
    of_day = and_(appointments.c.scheduled_at >= wanted.starts_at, appointments.c.scheduled_at < wanted.ends_at)
    if wanted.day == wanted.today:
        # What began before midnight and still runs is today's business too: its doctor has to complete it.
        # Read before, not as a part of the query: with it there, all appointments ever stored are walked.
        running = select(patient_trackings.c.appointment_id).where(
            patient_trackings.c.status == TrackingStatus.in_progress.value
        )
        of_day = or_(of_day, appointments.c.id.in_(connection.scalars(running).all()))
    where: list[ColumnElement[bool]] = [of_day]
    if wanted.doctor_id is not None:
        where.append(appointments.c.doctor_id == wanted.doctor_id)
    if wanted.statuses:
        where.append(appointments.c.status.in_(sorted(wanted.statuses)))
    searched = (patients.c.first_name + " " + patients.c.last_name, doctors.c.name, prestations.c.name)
    where += [or_(*(_contains(connection, text, word) for text in searched)) for word in wanted.words]
    return where


def _contains(connection: Connection, text: ColumnElement[str], word: str) -> ColumnElement[bool]:
    if connection.dialect.name != "sqlite":
        return func.strpos(_folded(text), _folded(literal(word))) > 0
    # SQLite folds the case of ASCII letters alone: without this, nobody finds ÉLODIE under "élodie".
    raw: Any = connection.connection.driver_connection
    raw.create_function("fold_case", 1, str.casefold, deterministic=True)
    folded: ColumnElement[str] = func.fold_case(text, type_=text.type)
    return func.instr(folded, word.casefold()) > 0


def _folded(text: ColumnElement[str]) -> ColumnElement[str]:
    """As PostgreSQL folds case, letter by letter; without the rest nobody finds Straße under "strasse", or ΝΊΚΟΣ under "νίκος"."""
    return func.replace(func.replace(func.lower(text), "ß", "ss"), FINAL_SIGMA, SIGMA, type_=text.type)


def _trackings(connection: Connection, ids: Sequence[int]) -> dict[int, Row[Any]]:
    """Of each appointment its last tracking, if it has one."""
    query = select(patient_trackings).where(patient_trackings.c.appointment_id.in_(ids))
    return {row.appointment_id: row for row in connection.execute(query.order_by(patient_trackings.c.id))}


def patient_states(connection: Connection, patient_ids: set[int], wanted: WorklistFilter) -> dict[int, dict[str, Any]]:
    """Where each patient is who is not free, or whom the asking doctor waits for."""
    states: dict[int, dict[str, Any]] = {}
    places: dict[int, int] = {}
    for row in connection.execute(_line(patient_ids)):
        if row.visit_day == wanted.today:
            places[row.patient_id] = places.get(row.patient_id, 0) + 1
        state = states.setdefault(row.patient_id, FREE)
        if row.offered_until is not None and row.offered_until > wanted.now and state["state"] == "free":
            until = {"until": to_rfc3339(row.offered_until)}
            states[row.patient_id] = state | _with(row, "reserved", row.since) | until
        if row.doctor_id == wanted.asking_doctor and row.visit_day == wanted.today:
            states[row.patient_id] = states[row.patient_id] | {"position": places[row.patient_id]}
    for row in connection.execute(_exclusive(patient_ids)):
        states[row.patient_id] = (
            states.get(row.patient_id, FREE) | _with(row, "in_consultation", row.started_at) | {"until": None}
        )
    return states


def _with(row: Row[Any], state: str, since: datetime) -> dict[str, Any]:
    return {
        "state": state,
        "doctor": row.doctor,
        "doctor_id": row.doctor_id,
        "prestation": row.prestation,
        "since": to_rfc3339(since),
    }


def _line(patient_ids: set[int]) -> Select[Any]:
    return (
        select(waiting_line, doctors.c.name.label("doctor"), prestations.c.name.label("prestation"))
        .join(doctors, doctors.c.id == waiting_line.c.doctor_id)
        .join(appointments, appointments.c.id == waiting_line.c.appointment_id)
        .join(prestations, prestations.c.id == appointments.c.prestation_id)
        .where(waiting_line.c.patient_id.in_(patient_ids))
        .order_by(waiting_line.c.since, waiting_line.c.id)
    )


def _exclusive(patient_ids: set[int]) -> Select[Any]:
    running = and_(
        patient_trackings.c.status == TrackingStatus.in_progress.value,
        patient_trackings.c.exclusive,
        patient_trackings.c.patient_id.in_(patient_ids),
    )
    return (
        select(patient_trackings, doctors.c.name.label("doctor"), prestations.c.name.label("prestation"))
        .join(doctors, doctors.c.id == patient_trackings.c.doctor_id)
        .join(prestations, prestations.c.id == patient_trackings.c.prestation_id)
        .where(running)
    )


def _item(row: Row[Any], tracking: Row[Any] | None, patient: dict[str, Any]) -> dict[str, Any]:
    status = AppointmentStatus(row.status)
    # What was cancelled, not seen, released or timed out is over, and no longer where the appointment stands.
    over = tracking is not None and tracking.outcome not in (None, Outcome.done)
    stands = None if over else tracking
    undone = over and tracking is not None and tracking.outcome in UNDONE and status not in CLOSED_APPOINTMENT
    return {
        "appointment_id": row.id,
        "scheduled_at": to_rfc3339(row.scheduled_at),
        "status": status.name,
        "status_code": status.value,
        "patient_id": row.patient_id,
        "patient_name": f"{row.first_name} {row.last_name}",
        "doctor_id": row.doctor_id,
        "doctor_name": row.doctor,
        "prestation_id": row.prestation_id,
        "prestation": row.prestation,
        "exclusive": row.exclusive,
        "checked_in_at": None if stands is None else to_rfc3339(stands.check_in_time),
        "consultation_id": None if stands is None else stands.consultation_id,
        "started_at": _moment(stands, "started_at"),
        "overdue_at": _moment(stands, "overdue_at"),
        "ended_as": tracking.outcome if undone and tracking is not None else None,
        "patient": patient,
    }


def _moment(tracking: Row[Any] | None, name: str) -> str | None:
    at = None if tracking is None else getattr(tracking, name)
    return None if at is None else to_rfc3339(at)

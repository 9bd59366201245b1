"""The board: every patient in the hospital, with consultations, check-ins, waiting doctors and the id of the last event included."""

from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, Table, and_, select

from patient_visit_engine.storage.facts import EXPECTED_MINUTES, IDENTITY_COLUMNS
from patient_visit_engine.storage.rooms import shown_room
from patient_visit_engine.storage.screens.doctor_list import read_waiting
from patient_visit_engine.storage.screens.in_house import read_between_services
from patient_visit_engine.storage.tables import (
    appointments,
    doctors,
    log_head,
    patient_trackings,
    patients,
    prestations,
    reservations,
    waiting_line,
)
from patient_visit_engine.storage.tickets import read_tickets
from patient_visit_engine.storage.tracking_conditions import IS_OPEN
from patient_visit_engine.visit.calendar import HospitalDay, to_rfc3339
from patient_visit_engine.visit.codes import TrackingStatus
from patient_visit_engine.wire import board_bodies, screens
from patient_visit_engine.wire.patient_identity import PatientIdentity
from patient_visit_engine.wire.trackings import optional_moment

#: The most patients on one board. More are counted, but not listed.
BOARD_LIMIT = 1_000

Rows = list[Row[Any]]


def read_board(connection: Connection, today: HospitalDay) -> board_bodies.Board:
    """Read the whole board. `today` is the present hospital day.

    Call it in one read transaction, so that the cursor is the last event that these rows include.
    """
    seq, epoch = connection.execute(select(log_head.c.seq, log_head.c.epoch)).one()
    trackings = _by_patient(connection.execute(_open_trackings(today.date)))
    lines = _by_patient(connection.execute(_lines(today.date)))
    places = _places(connection, today, (row for rows in trackings.values() for row in rows))
    between = read_between_services(connection, today)
    arrivals = between | {
        patient_id: _arrival(trackings.get(patient_id, []), lines.get(patient_id, []))
        for patient_id in trackings.keys() | lines.keys()
    }
    patient_ids = sorted(arrivals, key=lambda patient_id: (arrivals[patient_id], patient_id))
    shown_ids = patient_ids[:BOARD_LIMIT]
    free = _read_patients(connection, [number for number in shown_ids if number not in trackings.keys() | lines.keys()])
    tickets = read_tickets(connection, today.date)
    items = [
        _board_item(
            (trackings.get(patient_id) or lines.get(patient_id) or free[patient_id])[0],
            trackings.get(patient_id, []),
            lines.get(patient_id, []),
            places,
            tickets.get(patient_id),
        )
        for patient_id in shown_ids
    ]
    return {
        "date": today.date.isoformat(),
        "items": items,
        "total": len(patient_ids),
        "cursor": f"{epoch}-{seq}",
    }


def _open_trackings(today: date) -> Select[Any]:
    return (
        select(
            patient_trackings,
            *IDENTITY_COLUMNS,
            doctors.c.name.label("doctor"),
            shown_room(today).label("room"),
            prestations.c.name.label("prestation"),
            reservations.c.until.label("offer_until"),
            EXPECTED_MINUTES,
        )
        .outerjoin(reservations, _is_reserved_for(patient_trackings))
        .join(appointments, appointments.c.id == patient_trackings.c.appointment_id)
        .join(patients, patients.c.id == patient_trackings.c.person_id)
        .join(doctors, doctors.c.id == patient_trackings.c.doctor_id)
        .join(prestations, prestations.c.id == patient_trackings.c.prestation_id)
        .where(IS_OPEN)
        .order_by(patient_trackings.c.check_in_time, patient_trackings.c.id)
    )


def _is_reserved_for(table: Table) -> ColumnElement[bool]:
    """Whether the patient is reserved for the appointment of the row."""
    return and_(reservations.c.person_id == table.c.person_id, reservations.c.appointment_id == table.c.appointment_id)


def _lines(today: date) -> Select[Any]:
    return (
        select(
            waiting_line,
            *IDENTITY_COLUMNS,
            doctors.c.name.label("doctor"),
            shown_room(today).label("room"),
            prestations.c.name.label("prestation"),
            reservations.c.until.label("offer_until"),
        )
        .outerjoin(reservations, _is_reserved_for(waiting_line))
        .join(patients, patients.c.id == waiting_line.c.person_id)
        .join(doctors, doctors.c.id == waiting_line.c.doctor_id)
        .join(appointments, appointments.c.id == waiting_line.c.appointment_id)
        .join(prestations, prestations.c.id == appointments.c.prestation_id)
        .order_by(waiting_line.c.turn, waiting_line.c.id)
    )


def _by_patient(rows: Iterable[Row[Any]]) -> dict[int, Rows]:
    by_patient: dict[int, Rows] = {}
    for row in rows:
        by_patient.setdefault(row.person_id, []).append(row)
    return by_patient


def _read_patients(connection: Connection, patient_ids: Collection[int]) -> dict[int, Rows]:
    """The patients for whom nothing is open at the moment, by their ids."""
    if not patient_ids:
        return {}
    columns = (patients.c.id.label("person_id"), *IDENTITY_COLUMNS)
    return _by_patient(connection.execute(select(*columns).where(patients.c.id.in_(patient_ids))))


def _arrival(trackings: Rows, line: Rows) -> datetime:
    first: datetime = min([row.check_in_time for row in trackings] + [row.since for row in line])
    return first


def _places(connection: Connection, today: HospitalDay, trackings: Iterable[Row[Any]]) -> dict[int, int]:
    """The place of each waiting appointment in its doctor's list, by its id: 1 is called first.

    Patients who are in the house without a check-in have none, but one who has not answered a call can stand behind them.
    """
    pending = {row.appointment_id: row.doctor_id for row in trackings if row.status == TrackingStatus.pending}
    if not pending:
        return {}
    places: dict[int, int] = {}
    for items in read_waiting(connection, set(pending.values()), today).values():
        waiting_ids = (item.appointment_id for item in items if item.appointment_id in pending)
        places |= {number: place for place, number in enumerate(waiting_ids, 1)}
    return places


def _board_item(
    patient: Row[Any], trackings: Rows, line: Rows, places: Mapping[int, int], ticket: str | None
) -> board_bodies.BoardItem:
    identity = PatientIdentity.of(patient._mapping)
    running = [row for row in trackings if row.status == TrackingStatus.in_progress]
    paused = [row for row in trackings if row.status == TrackingStatus.paused]
    pending = [row for row in trackings if row.status == TrackingStatus.pending]
    return {
        "patient_id": patient.person_id,
        "patient_name": identity.name,
        **identity.next_to_name(),
        "ticket": ticket,
        "state": _patient_state(running, [*paused, *pending, *line]),
        "consultations": [_running_consultation(row) for row in running],
        "paused": [_paused_consultation(row) for row in paused],
        # With an inconsistent row, which `audit` reports, everyone must still see the board. Then it is the last one.
        "checked_in": [_checked_in(row, places.get(row.appointment_id, len(places) + 1)) for row in pending],
        "waiting": [_waiting_place(row, position) for position, row in enumerate(line, 1)],
    }


def _patient_state(running: Rows, awaiting: Rows) -> screens.PatientState:
    if any(row.exclusive for row in running):
        return "in_consultation"
    return "reserved" if any(row.offer_until is not None for row in awaiting) else "free"


def _appointment_on_board(row: Row[Any]) -> board_bodies.AppointmentOnBoard:
    return {
        "appointment_id": row.appointment_id,
        "doctor_id": row.doctor_id,
        "doctor": row.doctor,
        "room": row.room,
        "prestation": row.prestation,
    }


def _running_consultation(row: Row[Any]) -> board_bodies.RunningConsultation:
    return {
        **_appointment_on_board(row),
        "consultation_id": row.consultation_id,
        "exclusive": row.exclusive,
        "started_at": to_rfc3339(row.started_at),
        "overdue_at": to_rfc3339(row.overdue_at),
        "expected_minutes": row.minutes,
        "paused_seconds": row.paused_seconds,
    }


def _paused_consultation(row: Row[Any]) -> board_bodies.PausedOnBoard:
    return {
        **_appointment_on_board(row),
        "consultation_id": row.consultation_id,
        "exclusive": row.exclusive,
        "started_at": to_rfc3339(row.started_at),
        "paused_at": to_rfc3339(row.paused_at),
        "expected_minutes": row.minutes,
        "paused_seconds": row.paused_seconds,
        "offer_until": optional_moment(row.offer_until),
    }


def _checked_in(row: Row[Any], place: int) -> board_bodies.CheckedIn:
    return {
        **_appointment_on_board(row),
        "since": to_rfc3339(row.check_in_time),
        "place": place,
        "offer_until": optional_moment(row.offer_until),
    }


def _waiting_place(row: Row[Any], position: int) -> board_bodies.WaitingPlace:
    return {
        **_appointment_on_board(row),
        "since": to_rfc3339(row.since),
        "position": position,
        "offer_until": optional_moment(row.offer_until),
    }

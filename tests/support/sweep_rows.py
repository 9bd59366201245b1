"""Rows that no visit has handled in time, for tests of the sweep: many patients with one row each."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, insert

from patient_visit_engine.storage.requests import write_command
from patient_visit_engine.storage.tables import (
    appointments,
    patient_trackings,
    patients,
    requests,
    reservations,
    waiting_line,
)
from tests.support.builders import (
    CARDIOLOGY,
    DAY,
    DR_AMRANI,
    NOON,
    RECEPTIONIST,
    Patient,
    an_appointment,
    minutes,
    seed,
)
from tests.support.commands import a_start


def a_patient(number: int) -> Patient:
    """The patient with this number."""
    return Patient(number, "John", f"Doe {number}")


def insert_patients(connection: Connection, numbers: Iterable[int]) -> None:
    """Insert these patients, each with one appointment with Dr. Amrani."""
    seed(connection)
    for number in numbers:
        patient = a_patient(number)
        connection.execute(
            insert(patients).values(id=number, first_name=patient.first_name, last_name=patient.last_name)
        )
        appointment = an_appointment(patient=patient)
        connection.execute(
            insert(appointments).values(
                id=appointment.id,
                patient_id=number,
                doctor_id=appointment.doctor_id,
                prestation_id=appointment.prestation_id,
                scheduled_at=NOON,
                status=appointment.status.value,
            )
        )


def insert_check_ins(connection: Connection, numbers: Iterable[int], day: date = DAY) -> None:
    """Check these patients in on that day."""
    connection.execute(insert(patient_trackings), [_tracking(number, day) for number in numbers])


def insert_completed_trackings(connection: Connection, number: int, count: int) -> None:
    """This patient was checked in so many times, and has left each time."""
    completed = {"status": "completed", "outcome": "not_seen", "check_out_time": NOON}
    connection.execute(insert(patient_trackings), [_tracking(number, DAY) | completed for _ in range(count)])


def insert_consultations(connection: Connection, numbers: Iterable[int], day: date = DAY) -> None:
    """Start a consultation with each of these patients on that day. Its time limit is at noon."""
    in_progress = {
        "status": "in_progress",
        "started_at": NOON,
        "overdue_at": NOON,
        "remind_at": NOON,
        "abandon_at": NOON,
    }
    rows = [_tracking(number, day) | in_progress | {"consultation_id": f"consultation {number}"} for number in numbers]
    connection.execute(insert(patient_trackings), rows)


def insert_places(
    connection: Connection, numbers: Iterable[int], day: date = DAY, *, offered_until: datetime | None = None
) -> None:
    """Dr. Amrani waits for each of these patients, since a minute before noon. With `offered_until` they are reserved until then."""
    rows = [
        {
            "patient_id": number,
            "doctor_id": DR_AMRANI.id,
            "appointment_id": an_appointment(patient=a_patient(number)).id,
            "visit_day": day,
            "since": NOON - minutes(1),
            "person_id": number,
        }
        for number in numbers
    ]
    connection.execute(insert(waiting_line), [row | {"turn": 1, "unused_offers": 0} for row in rows])
    if offered_until is not None:
        offer = {"kind": "offered", "until": offered_until}
        connection.execute(insert(reservations), [row | offer for row in rows])


def insert_open_requests(connection: Connection, numbers: Iterable[int], *, each: int = 1) -> None:
    """Store so many open starts for each of these patients, at noon."""
    commands = [
        a_start(an_appointment(patient=a_patient(number)), f"{number}/{count}")
        for number in numbers
        for count in range(each)
    ]
    rows = [_request(command.request.id) | {"command": write_command(command)} for command in commands]
    connection.execute(insert(requests), rows)


def insert_unreadable_request(connection: Connection, text: str = '{"type": "Teleport"}') -> None:
    """Store an open request, at noon, with a text that is not a command."""
    connection.execute(insert(requests).values(command=text, **_request("unreadable")))


def _request(request_id: str) -> dict[str, Any]:
    return {"request_id": request_id, "caller_id": RECEPTIONIST, "fingerprint": "f", "created_at": NOON}


def _tracking(number: int, day: date) -> dict[str, Any]:
    return {
        "patient_id": number,
        "person_id": number,
        "appointment_id": an_appointment(patient=a_patient(number)).id,
        "prestation_id": CARDIOLOGY.id,
        "doctor_id": DR_AMRANI.id,
        "exclusive": True,
        "visit_day": day,
        "status": "pending",
        "check_in_time": NOON - minutes(1),
        "checked_in": True,
        "created_by": RECEPTIONIST,
        "reminders": 0,
    }

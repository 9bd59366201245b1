"""The database itself refuses rows that break a rule, from any program."""

from typing import Any

import pytest
from sqlalchemy import Connection, insert
from sqlalchemy.exc import IntegrityError

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.tables import events, patient_trackings, requests
from patient_visit_engine.visit.appointment import Appointment
from tests.support.builders import (
    DAY,
    DR_AMRANI,
    DR_OKAFOR,
    DR_SMITH,
    MARIA_SILVA,
    NOON,
    RECEPTIONIST,
    X_RAY,
    an_appointment,
    minutes,
    seed,
)

CARDIO, OF_SMITH = an_appointment(DR_AMRANI), an_appointment(DR_SMITH)
X_RAY_ONE, X_RAY_TWO = an_appointment(DR_OKAFOR, prestation=X_RAY), an_appointment(DR_SMITH, prestation=X_RAY)


def a_row(appointment: Appointment, status: str, consultation_id: str | None = None, outcome: str | None = None) -> Any:
    """A row of `patient_trackings`, for a direct INSERT."""
    return {
        "patient_id": appointment.patient_id,
        "appointment_id": appointment.id,
        "prestation_id": appointment.prestation_id,
        "doctor_id": appointment.doctor_id,
        "exclusive": appointment.exclusive,
        "visit_day": DAY,
        "status": status,
        "outcome": outcome,
        "check_in_time": NOON,
        "check_out_time": None if outcome is None else NOON + minutes(5),
        "created_by": RECEPTIONIST,
        "consultation_id": consultation_id,
        "reminders": 0,
        "person_id": appointment.patient_id,
        "checked_in": True,
    }


def add(connection: Connection, *rows: Any) -> None:
    """Insert the rows one after the other."""
    for row in rows:
        connection.execute(insert(patient_trackings).values(**row))


REFUSED = {
    "two exclusive consultations of a patient": (
        a_row(CARDIO, "in_progress", "c1"),
        a_row(OF_SMITH, "in_progress", "c2"),
    ),
    "two consultations of an appointment": (
        a_row(X_RAY_ONE, "in_progress", "c1"),
        a_row(X_RAY_ONE, "in_progress", "c2"),
    ),
    "a consultation next to a paused one of its appointment": (
        a_row(X_RAY_ONE, "paused", "c1"),
        a_row(X_RAY_ONE, "in_progress", "c2"),
    ),
    "two exclusive consultations of two records of a person": (
        a_row(CARDIO, "in_progress", "c1"),
        a_row(OF_SMITH, "in_progress", "c2") | {"patient_id": MARIA_SILVA.id},
    ),
    "two check-ins of an appointment": (a_row(CARDIO, "pending"), a_row(CARDIO, "pending")),
    "a second completion": (
        a_row(CARDIO, "completed", "c1", "done"),
        a_row(CARDIO, "completed", "c2", "done"),
    ),
    "a consultation in two rows": (
        a_row(X_RAY_ONE, "in_progress", "c1"),
        a_row(X_RAY_TWO, "in_progress", "c1"),
    ),
}


@pytest.mark.parametrize(("first", "second"), REFUSED.values(), ids=REFUSED.keys())
async def test_refuses_second_row_that_breaks_a_rule(database: Database, first: Any, second: Any) -> None:
    await database.write(seed, CARDIO, OF_SMITH, X_RAY_ONE, X_RAY_TWO)
    await database.write(add, first)

    with pytest.raises(IntegrityError):
        await database.write(add, second)


@pytest.mark.parametrize(
    "row",
    [
        a_row(CARDIO, "in_progress"),
        a_row(CARDIO, "paused"),
        a_row(CARDIO, "asleep"),
        a_row(CARDIO, "completed", "c1"),
        a_row(CARDIO, "pending", None, "done"),
        a_row(CARDIO, "pending") | {"patient_id": 999},
    ],
    ids=[
        "no consultation",
        "paused without a consultation",
        "unknown status",
        "no outcome",
        "an outcome too early",
        "unknown patient",
    ],
)
async def test_refuses_inconsistent_row(database: Database, row: Any) -> None:
    await database.write(seed, CARDIO)

    with pytest.raises(IntegrityError):
        await database.write(add, row)


async def test_accepts_rows_that_the_rules_allow(database: Database) -> None:
    await database.write(seed, CARDIO, OF_SMITH, X_RAY_ONE, X_RAY_TWO)

    await database.write(
        add,
        a_row(CARDIO, "completed", "c1", "released"),
        a_row(CARDIO, "completed", "c2", "timed_out"),
        a_row(CARDIO, "completed", "c3", "done"),
        a_row(OF_SMITH, "in_progress", "c4"),
        a_row(X_RAY_ONE, "in_progress", "c5"),
        a_row(X_RAY_TWO, "in_progress", "c6"),
    )


async def test_refuses_second_row_with_the_same_key(database: Database) -> None:
    await database.write(seed)
    event = {"dedup_key": "k", "at": NOON, "channel": "c", "name": "n", "data": "{}", "patient_id": 1}
    answer = {"request_id": "r", "caller_id": RECEPTIONIST, "fingerprint": "f", "created_at": NOON}

    def write_twice(connection: Connection, table: Any, first: Any, second: Any) -> None:
        connection.execute(insert(table).values(**first))
        connection.execute(insert(table).values(**second))

    with pytest.raises(IntegrityError):
        await database.write(write_twice, events, event | {"seq": 1}, event | {"seq": 2})
    with pytest.raises(IntegrityError):
        await database.write(write_twice, requests, answer, answer)

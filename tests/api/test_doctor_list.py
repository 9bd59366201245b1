"""A doctor's list of today: its order, and why each item stands where it stands."""

from dataclasses import asdict
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.screens.board import read_board
from patient_visit_engine.storage.tables import appointments, patient_trackings, patients
from patient_visit_engine.wire import board_bodies
from tests.support.api import JOHN_X_RAY, ApiDriver, start_body
from tests.support.builders import CALENDAR, DAY, NOON, Patient, an_appointment, minutes, seed
from tests.support.touched_rows import touched_rows

OF_AMRANI = "?doctor_id=7"


async def read_list(api: ApiDriver, query: str = OF_AMRANI) -> list[tuple[int, str | None]]:
    items: list[dict[str, Any]] = (await api.read_worklist(query))["items"]
    return [(item["appointment_id"], item["why"]) for item in items]


async def test_list_of_one_doctor_is_in_the_order_of_the_calls(api: ApiDriver) -> None:
    """Maria (4) and John (1) are booked for the same time, and John comes late."""
    reception = await api.staff("reception")
    before = await read_list(api)
    await reception.post("/api/appointments/4/check-in")
    api.clock.advance(minutes=5)
    walk_in = {"patient_id": 123, "doctor_id": 7, "prestation_id": 11}
    number = (await reception.post("/api/walk-ins", json=walk_in)).json()["appointment_id"]
    api.clock.advance(minutes=1)
    await reception.post("/api/appointments/1/check-in")

    assert before == [(1, "not_present"), (4, "not_present")]
    assert await read_list(api) == [(4, "booked"), (1, "late"), (number, "walk_in")]
    await reception.patch(f"/api/appointments/{number}/priority", json={"priority": 2})
    assert await read_list(api) == [(number, "priority"), (4, "booked"), (1, "late")]
    assert await read_list(api, f"{OF_AMRANI}&q=doe&page_size=1&page=2") == [(1, "late")]


@pytest.mark.parametrize("query", [OF_AMRANI, f"{OF_AMRANI}&status=pending"])
async def test_calls_follow_the_list(api: ApiDriver, query: str) -> None:
    """Maria does not answer, so she is behind John, who has no check-in, until he is started. Ron stands between their places."""
    doctor, reception = await api.doctor(), await api.staff("reception")
    ron = Patient(125, "Ron", "Weiss")
    of_john = an_appointment(number=77, scheduled_at=NOON + minutes(60))
    of_ron = an_appointment(number=78, patient=ron, scheduled_at=NOON + minutes(30))
    await api.database.write(lambda connection: connection.execute(insert(patients).values(**asdict(ron))))
    await api.database.write(seed, of_john, of_ron)
    await reception.post("/api/appointments/1/cancel", json={"reason": "other"})
    for number in (4, JOHN_X_RAY.id):
        await reception.post(f"/api/appointments/{number}/check-in")
    await doctor.post("/api/doctors/7/call-next")
    await doctor.post("/api/appointments/4/no-answer")
    await reception.post(f"/api/appointments/{of_ron.id}/check-in")
    behind = await read_list(api, query)
    board = (await reception.get("/api/board")).json()["items"]

    await doctor.post("/api/consultations", json=start_body(of_john))
    called = await doctor.post("/api/doctors/7/call-next")
    listed = [number for number, why in await read_list(api, query) if why is not None]

    assert [number for number, why in behind if why is not None and number != of_john.id] == [of_ron.id, 4]
    places = {shown["appointment_id"]: shown["place"] for item in board for shown in item["checked_in"]}
    assert places == {of_ron.id: 1, 4: 2, JOHN_X_RAY.id: 1}
    assert called.json()["appointment_id"] == 4
    assert listed == [4, of_ron.id]


async def test_other_lists_are_in_the_order_of_the_scheduled_times(api: ApiDriver) -> None:
    reception = await api.staff("reception")
    await reception.patch("/api/appointments/4/priority", json={"priority": 1})

    assert [number for number, _ in await read_list(api)] == [4, 1]
    assert [number for number, _ in await read_list(api, "")] == [1, 2, 3, 4]
    tomorrow = await read_list(api, f"{OF_AMRANI}&date=2026-03-03")
    assert tomorrow == []


async def test_item_that_has_begun_or_is_over_has_no_reason(api: ApiDriver) -> None:
    reception = await api.staff("reception")
    await (await api.doctor()).post("/api/consultations", json={"appointment_id": 1, "patient_id": 123, "doctor_id": 7})
    await reception.post("/api/appointments/4/cancel", json={"reason": "patient"})

    assert await read_list(api) == [(1, None), (4, None)]
    # John is in the house, and is not late for the service that follows.
    assert (2, "booked") in await read_list(api, "?doctor_id=8")


async def test_board_does_not_read_what_was_ever_booked_for_its_doctors(database: Database, api: ApiDriver) -> None:
    await (await api.staff("reception")).post("/api/appointments/4/check-in")
    row = {"patient_id": 123, "doctor_id": 7, "prestation_id": 11}

    def fill_today(connection: Connection) -> None:
        here = [row | {"id": 1_000 + n, "scheduled_at": NOON, "status": 3} for n in range(500)]
        connection.execute(insert(appointments), here)
        tracking = dict(connection.execute(select(patient_trackings)).mappings().one())
        copies = [tracking | {"id": 1_000 + n, "appointment_id": 1_000 + n} for n in range(len(here))]
        connection.execute(insert(patient_trackings), copies)

    def fill_past_days(connection: Connection) -> None:
        past = [NOON - timedelta(days=9, minutes=n) for n in range(20_000)]
        rows = [row | {"id": 10_000 + n, "scheduled_at": at, "status": 1} for n, at in enumerate(past)]
        connection.execute(insert(appointments), rows)
        # SQLite has no statistics, because the program never makes them. PostgreSQL makes them by itself.
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("ANALYZE")

    def read(connection: Connection) -> tuple[board_bodies.Board, int]:
        with touched_rows(connection, "appointments") as count_touched:
            board = read_board(connection, CALENDAR.hospital_day(DAY))
            return board, count_touched()

    await database.write(fill_today)
    _, before = await database.read(read)
    await database.write(fill_past_days)
    board, after = await database.read(read)

    assert max(place["place"] for item in board["items"] for place in item["checked_in"]) == 501
    assert after - before < 5_000

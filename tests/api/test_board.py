"""The board: the patients in the hospital, their doctors, the waiting doctors, and the cursor of the snapshot."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, update

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.screens import board
from patient_visit_engine.storage.tables import appointments, patient_trackings, waiting_line
from patient_visit_engine.visit.codes import AppointmentStatus
from tests.support.api import JOHN_CARDIOLOGY, JOHN_DERMATOLOGY, JOHN_X_RAY, MARIA_CARDIOLOGY, ApiDriver, start_body
from tests.support.builders import DAY, DR_OKAFOR, DR_SMITH


async def read_board(api: ApiDriver) -> dict[str, Any]:
    answer = await (await api.staff("reception")).get("/api/board")
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def test_board_is_empty_before_first_patient(api: ApiDriver) -> None:
    body = await read_board(api)

    assert (body["date"], body["items"], body["total"]) == ("2026-03-02", [], 0)


async def test_shows_consultations_and_waiting_doctors(api: ApiDriver) -> None:
    started = await (await api.doctor()).post("/api/consultations", json=start_body())
    await (await api.doctor(DR_SMITH.id)).post("/api/consultations", json=start_body(JOHN_X_RAY))
    await (await api.doctor(DR_OKAFOR.id)).post("/api/consultations", json=start_body(JOHN_DERMATOLOGY, wait=True))

    [john] = (await read_board(api))["items"]

    assert (john["patient_id"], john["patient_name"], john["state"]) == (123, "John Doe", "in_consultation")
    assert (john["family_name"], john["birth_date"], john["record_number"]) == ("Doe", "1974-05", "P-017")
    assert john["consultations"][0] == {
        "appointment_id": JOHN_CARDIOLOGY.id,
        "doctor_id": 7,
        "doctor": "Dr. Amrani",
        "room": None,
        "prestation": "Cardiology",
        "consultation_id": started.json()["id"],
        "exclusive": True,
        "started_at": "2026-03-02T11:00:00.000Z",
        "overdue_at": "2026-03-02T11:20:00.000Z",
        "expected_minutes": 20,
        "paused_seconds": 0,
    }
    assert [consultation["exclusive"] for consultation in john["consultations"]] == [True, False]
    assert john["waiting"] == [
        {
            "appointment_id": JOHN_DERMATOLOGY.id,
            "doctor_id": 8,
            "doctor": "Dr. Okafor",
            "room": None,
            "prestation": "Dermatology",
            "since": "2026-03-02T11:00:00.000Z",
            "position": 1,
            "offer_until": None,
        }
    ]


async def test_shows_checked_in_patient_until_check_out(api: ApiDriver) -> None:
    reception = await api.staff("reception")
    await reception.post(f"/api/appointments/{JOHN_CARDIOLOGY.id}/check-in")
    api.clock.advance(seconds=60)
    await reception.post(f"/api/appointments/{MARIA_CARDIOLOGY.id}/check-in")
    both = await read_board(api)
    await reception.post(f"/api/appointments/{JOHN_CARDIOLOGY.id}/check-out")

    after = await read_board(api)

    assert [(item["patient_id"], item["state"]) for item in both["items"]] == [(123, "free"), (124, "free")]
    assert both["items"][0]["checked_in"] == [
        {
            "appointment_id": JOHN_CARDIOLOGY.id,
            "doctor_id": 7,
            "doctor": "Dr. Amrani",
            "room": None,
            "prestation": "Cardiology",
            "since": "2026-03-02T11:00:00.000Z",
            "place": 1,
            "offer_until": None,
        }
    ]
    assert [item["patient_id"] for item in after["items"]] == [124]


async def test_waiting_patients_have_places_in_their_doctors_list(api: ApiDriver) -> None:
    reception = await api.staff("reception")
    await reception.post(f"/api/appointments/{JOHN_CARDIOLOGY.id}/check-in")
    await reception.post(f"/api/appointments/{JOHN_DERMATOLOGY.id}/check-in")
    api.clock.advance(seconds=60)
    await reception.post(f"/api/appointments/{MARIA_CARDIOLOGY.id}/check-in")
    await reception.patch(f"/api/appointments/{MARIA_CARDIOLOGY.id}/priority", json={"priority": 1})

    items = (await read_board(api))["items"]

    places = {place["appointment_id"]: place["place"] for item in items for place in item["checked_in"]}
    assert places == {MARIA_CARDIOLOGY.id: 1, JOHN_CARDIOLOGY.id: 2, JOHN_DERMATOLOGY.id: 1}


async def test_inconsistent_row_does_not_hide_the_board(api: ApiDriver, database: Database) -> None:
    reception = await api.staff("reception")
    for number in (1, 4):
        await reception.post(f"/api/appointments/{number}/check-in")
    done = update(appointments).where(appointments.c.id == 1).values(status=AppointmentStatus.done)
    await database.write(lambda connection: connection.execute(done))

    board = (await reception.get("/api/board")).json()["items"]

    places = {place["appointment_id"]: place["place"] for item in board for place in item["checked_in"]}
    assert places == {4: 1, 1: 2}


async def test_called_patient_is_reserved(api: ApiDriver) -> None:
    await (await api.staff("reception")).post(f"/api/appointments/{MARIA_CARDIOLOGY.id}/check-in")
    called = await (await api.doctor()).post("/api/doctors/7/call-next")

    [maria] = (await read_board(api))["items"]

    assert called.status_code == 200
    assert (maria["state"], maria["checked_in"][0]["offer_until"]) == ("reserved", "2026-03-02T11:03:00.000Z")


async def test_shows_reservation_until_its_end_is_recorded(api: ApiDriver) -> None:
    doctor = await api.doctor()
    started = await doctor.post("/api/consultations", json=start_body())
    await (await api.doctor(DR_OKAFOR.id)).post("/api/consultations", json=start_body(JOHN_DERMATOLOGY, wait=True))
    await doctor.post(f"/api/consultations/{started.json()['id']}/complete")

    during = await read_board(api)
    api.clock.advance(seconds=61)
    after = await read_board(api)

    assert during["items"][0]["state"] == "reserved"
    assert during["items"][0]["waiting"][0]["offer_until"] == "2026-03-02T11:01:00.000Z"
    assert after["items"][0]["state"] == "reserved"


async def test_offer_of_no_time_reserves_nothing(api: ApiDriver, database: Database) -> None:
    await (await api.doctor()).post("/api/consultations", json=start_body())
    await (await api.doctor(DR_OKAFOR.id)).post("/api/consultations", json=start_body(JOHN_DERMATOLOGY, wait=True))

    # With VISIT_OFFER_SECONDS=0 the doctor is only notified.
    await database.write(lambda connection: connection.execute(update(waiting_line).values(notified_at=api.clock())))

    assert (await read_board(api))["items"][0]["waiting"][0]["offer_until"] is None


async def test_shows_everyone_who_stayed_overnight(api: ApiDriver, database: Database) -> None:
    await (await api.doctor()).post("/api/consultations", json=start_body())
    await (await api.staff("reception")).post(f"/api/appointments/{JOHN_DERMATOLOGY.id}/check-in")

    def move_to_yesterday(connection: Connection) -> None:
        connection.execute(update(patient_trackings).values(visit_day=DAY - timedelta(days=1)))

    await database.write(move_to_yesterday)

    (item,) = (await read_board(api))["items"]
    assert (item["state"], len(item["checked_in"])) == ("in_consultation", 1)


async def test_board_and_worklist_have_same_cursor(api: ApiDriver) -> None:
    await (await api.doctor()).post("/api/consultations", json=start_body())

    worklist = (await (await api.doctor()).get("/api/appointments")).json()

    assert (await read_board(api))["cursor"] == worklist["cursor"]


async def test_counts_patients_beyond_limit(api: ApiDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board, "BOARD_LIMIT", 0)
    await (await api.doctor()).post("/api/consultations", json=start_body())

    body = await read_board(api)

    assert (len(body["items"]), body["total"]) == (0, 1)

"""The board: who is in house, with whom, who waits for whom, and the cursor that it is true at."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, update

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.screens import board
from patient_visit_engine.storage.tables import patient_trackings
from tests.support.api import JOHN_CARDIOLOGY, JOHN_DERMATOLOGY, JOHN_X_RAY, MARIA_CARDIOLOGY, ApiDriver, start_body
from tests.support.builders import DAY, DR_OKAFOR, DR_SMITH


async def shown(api: ApiDriver) -> dict[str, Any]:
    answer = await (await api.staff("reception")).get("/api/board")
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def test_nobody_is_on_the_board_before_somebody_comes(api: ApiDriver) -> None:
    body = await shown(api)

    assert (body["date"], body["items"], body["total"]) == ("2026-03-02", [], 0)


async def test_the_board_says_who_is_with_whom_and_who_waits(api: ApiDriver) -> None:
    begun = await (await api.doctor()).post("/api/consultations", json=start_body())
    await (await api.doctor(DR_SMITH.id)).post("/api/consultations", json=start_body(JOHN_X_RAY))
    await (await api.doctor(DR_OKAFOR.id)).post("/api/consultations", json=start_body(JOHN_DERMATOLOGY, wait=True))

    [john] = (await shown(api))["items"]

    assert (john["patient_id"], john["patient_name"], john["state"]) == (123, "John Doe", "in_consultation")
    assert john["consultations"][0] == {
        "appointment_id": JOHN_CARDIOLOGY.id,
        "doctor_id": 7,
        "doctor": "Dr. Amrani",
        "prestation": "Cardiology",
        "consultation_id": begun.json()["id"],
        "exclusive": True,
        "started_at": "2026-03-02T11:00:00.000Z",
        "overdue_at": "2026-03-02T11:20:00.000Z",
    }
    assert [one["exclusive"] for one in john["consultations"]] == [True, False]
    assert john["waiting"] == [
        {
            "appointment_id": JOHN_DERMATOLOGY.id,
            "doctor_id": 8,
            "doctor": "Dr. Okafor",
            "prestation": "Dermatology",
            "since": "2026-03-02T11:00:00.000Z",
            "position": 1,
            "offer_until": None,
        }
    ]


async def test_who_is_checked_in_is_free_and_whoever_leaves_is_off_the_board(api: ApiDriver) -> None:
    desk = await api.staff("reception")
    await desk.post(f"/api/appointments/{JOHN_CARDIOLOGY.id}/check-in")
    api.clock.pass_by(seconds=60)
    await desk.post(f"/api/appointments/{MARIA_CARDIOLOGY.id}/check-in")
    both = await shown(api)
    await desk.post(f"/api/appointments/{JOHN_CARDIOLOGY.id}/check-out")

    after = await shown(api)

    assert [(item["patient_id"], item["state"]) for item in both["items"]] == [(123, "free"), (124, "free")]
    assert both["items"][0]["checked_in"] == [
        {
            "appointment_id": JOHN_CARDIOLOGY.id,
            "doctor_id": 7,
            "doctor": "Dr. Amrani",
            "prestation": "Cardiology",
            "since": "2026-03-02T11:00:00.000Z",
        }
    ]
    assert [item["patient_id"] for item in after["items"]] == [124]


async def test_a_freed_patient_is_reserved_until_the_offer_is_over(api: ApiDriver) -> None:
    doctor = await api.doctor()
    begun = await doctor.post("/api/consultations", json=start_body())
    await (await api.doctor(DR_OKAFOR.id)).post("/api/consultations", json=start_body(JOHN_DERMATOLOGY, wait=True))
    await doctor.post(f"/api/consultations/{begun.json()['id']}/complete")

    during = await shown(api)
    api.clock.pass_by(seconds=61)
    after = await shown(api)

    assert during["items"][0]["state"] == "reserved"
    assert during["items"][0]["waiting"][0]["offer_until"] == "2026-03-02T11:01:00.000Z"
    assert after["items"][0]["state"] == "free"


async def test_a_consultation_that_crossed_midnight_is_still_on_the_board(api: ApiDriver, database: Database) -> None:
    await (await api.doctor()).post("/api/consultations", json=start_body())

    def yesterday(connection: Connection) -> None:
        connection.execute(update(patient_trackings).values(visit_day=DAY - timedelta(days=1)))

    await database.write(yesterday)

    assert [item["state"] for item in (await shown(api))["items"]] == ["in_consultation"]


async def test_the_boards_cursor_is_the_worklists(api: ApiDriver) -> None:
    await (await api.doctor()).post("/api/consultations", json=start_body())

    worklist = (await (await api.doctor()).get("/api/appointments")).json()

    assert (await shown(api))["cursor"] == worklist["cursor"]


async def test_more_than_the_limit_are_counted_and_not_shown(api: ApiDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board, "BOARD_LIMIT", 0)
    await (await api.doctor()).post("/api/consultations", json=start_body())

    body = await shown(api)

    assert (len(body["items"]), body["total"]) == (0, 1)

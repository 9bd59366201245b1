"""Calls that check a patient in or out for all appointments of the day at once."""

from typing import Any

import httpx
import pytest

from patient_visit_engine.storage.upkeep.audit import audit
from tests.support.api import JOHN_CARDIOLOGY, JOHN_DERMATOLOGY, JOHN_X_RAY, ApiDriver, start_body
from tests.support.builders import DR_OKAFOR, JOHN_DOE

CHECK_IN, CHECK_OUT = (f"/api/patients/{JOHN_DOE.id}/{action}" for action in ("check-in", "check-out"))
OF_JOHN = [JOHN_CARDIOLOGY.id, JOHN_DERMATOLOGY.id, JOHN_X_RAY.id]


@pytest.fixture
async def reception(api: ApiDriver) -> httpx.AsyncClient:
    return await api.staff("reception")


async def call(client: httpx.AsyncClient, method: str, path: str) -> list[dict[str, Any]]:
    """The trackings in the answer, which is a success."""
    answer = await client.request(method, path)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def statuses(api: ApiDriver) -> list[str]:
    """The statuses of John Doe's appointments."""
    items = (await api.read_worklist())["items"]
    return [item["status"] for item in items if item["patient_id"] == JOHN_DOE.id]


async def test_checks_patient_in_for_all_appointments(api: ApiDriver, reception: httpx.AsyncClient) -> None:
    await (await api.doctor()).post("/api/consultations", json=start_body())

    items = await call(reception, "POST", CHECK_IN)
    again = await call(reception, "POST", CHECK_IN)

    assert [item["appointment_id"] for item in items] == OF_JOHN
    assert [item["status"] for item in items] == ["in_progress", "pending", "pending"]
    assert [item["ticket"] for item in items] == [None, "A01", "A01"]
    assert again == items
    assert await statuses(api) == ["in_progress", "pending", "pending"]
    assert (await api.database.read(audit)).passed


async def test_answer_says_what_this_check_in_opened(api: ApiDriver, reception: httpx.AsyncClient) -> None:
    """Two desks check the same patient in at one moment. Only one of them opens anything, also when its request is repeated."""
    await reception.post(f"/api/appointments/{JOHN_CARDIOLOGY.id}/check-in")

    first = await reception.post(CHECK_IN, headers={"Idempotency-Key": "desk-1"})
    second = await reception.post(CHECK_IN, headers={"Idempotency-Key": "desk-2"})
    repeated = await reception.post(CHECK_IN, headers={"Idempotency-Key": "desk-1"})

    assert first.json()["opened"] == OF_JOHN[1:]
    assert second.json()["opened"] == []
    assert second.json()["items"] == first.json()["items"]
    assert repeated.json() == first.json()
    assert "opened" not in (await reception.delete(CHECK_IN)).json()


async def test_checks_patient_out_and_back_in(api: ApiDriver, reception: httpx.AsyncClient) -> None:
    arrived = await call(reception, "POST", CHECK_IN)
    api.clock.advance(minutes=10)

    left = await call(reception, "POST", CHECK_OUT)
    nothing = await reception.post(CHECK_OUT)
    api.clock.advance(minutes=1)
    back = await call(reception, "DELETE", CHECK_OUT)
    again = await call(reception, "DELETE", CHECK_OUT)

    assert [item["outcome"] for item in left] == ["left"] * 3
    assert (nothing.status_code, nothing.json()["code"]) == (409, "nothing_open")
    assert [item["status"] for item in back] == ["pending"] * 3
    assert [item["check_in_time"] for item in back] == [item["check_in_time"] for item in arrived]
    assert [item["ticket"] for item in back] == ["A01"] * 3
    assert again == back
    assert (await api.database.read(audit)).passed


async def test_takes_back_only_the_latest_check_out(api: ApiDriver, reception: httpx.AsyncClient) -> None:
    await call(reception, "POST", CHECK_IN)
    await reception.post(f"/api/appointments/{JOHN_CARDIOLOGY.id}/check-out")
    api.clock.advance(minutes=1)
    await call(reception, "POST", CHECK_OUT)

    back = await call(reception, "DELETE", CHECK_OUT)
    again = await call(reception, "DELETE", CHECK_OUT)

    assert [item["appointment_id"] for item in back] == OF_JOHN[1:]
    assert again == back
    assert await statuses(api) == ["confirmed", "pending", "pending"]


async def test_takes_check_in_back(api: ApiDriver, reception: httpx.AsyncClient) -> None:
    await call(reception, "POST", CHECK_IN)

    undone = await call(reception, "DELETE", CHECK_IN)
    again = await call(reception, "DELETE", CHECK_IN)

    assert [item["outcome"] for item in undone] == ["mistaken"] * 3
    assert again == undone
    assert await statuses(api) == ["confirmed"] * 3
    board = (await reception.get("/api/board")).json()
    assert board["items"] == []


@pytest.mark.parametrize(("method", "path"), [("POST", CHECK_OUT), ("DELETE", CHECK_IN)])
async def test_nothing_ends_while_patient_is_in_consultation(
    api: ApiDriver, reception: httpx.AsyncClient, method: str, path: str
) -> None:
    await call(reception, "POST", CHECK_IN)
    await (await api.doctor()).post("/api/consultations", json=start_body())

    refused = await reception.request(method, path)

    assert (refused.status_code, refused.json()["code"]) == (409, "appointment_in_progress")
    assert await statuses(api) == ["in_progress", "pending", "pending"]


async def test_check_out_ends_reservation_and_places_in_line(api: ApiDriver, reception: httpx.AsyncClient) -> None:
    doctor = await api.doctor()
    await call(reception, "POST", CHECK_IN)
    started = (await doctor.post("/api/consultations", json=start_body())).json()
    await (await api.doctor(DR_OKAFOR.id)).post("/api/consultations", json=start_body(JOHN_DERMATOLOGY, wait=True))
    await doctor.post(f"/api/consultations/{started['id']}/complete")

    left = await call(reception, "POST", CHECK_OUT)

    assert [item["appointment_id"] for item in left] == OF_JOHN[1:]
    visit = (await reception.get(f"/api/patients/{JOHN_DOE.id}/visit")).json()
    assert (visit["state"], visit["waiting"]) == ("free", [])
    assert (await api.database.read(audit)).passed


async def test_no_doctor_waits_for_a_patient_who_left(api: ApiDriver, reception: httpx.AsyncClient) -> None:
    """Dr. Okafor has the offer of a patient who is checked in for another appointment only."""
    doctor = await api.doctor()
    started = (await doctor.post("/api/consultations", json=start_body())).json()
    await (await api.doctor(DR_OKAFOR.id)).post("/api/consultations", json=start_body(JOHN_DERMATOLOGY, wait=True))
    await doctor.post(f"/api/consultations/{started['id']}/complete")
    await reception.post(f"/api/appointments/{JOHN_X_RAY.id}/check-in")

    left = await call(reception, "POST", CHECK_OUT)

    assert [item["appointment_id"] for item in left] == [JOHN_X_RAY.id]
    visit = (await reception.get(f"/api/patients/{JOHN_DOE.id}/visit")).json()
    assert (visit["state"], visit["waiting"]) == ("free", [])


async def test_refuses_unknown_patient_and_one_without_appointments(
    api: ApiDriver, reception: httpx.AsyncClient
) -> None:
    for appointment_id in OF_JOHN:
        await reception.patch(f"/api/appointments/{appointment_id}/status", json={"status": "canceled"})

    nothing = await reception.post(CHECK_IN)
    unknown = await reception.post("/api/patients/999/check-in")

    assert (nothing.status_code, nothing.json()["code"]) == (409, "nothing_open")
    assert unknown.status_code == 404


async def test_decides_again_when_an_appointment_has_changed(api: ApiDriver, reception: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "held"}
    api.visits.away = True
    unanswered = await reception.post(CHECK_IN, headers=headers)
    assert unanswered.status_code == 503
    api.visits.away = False
    await reception.patch(f"/api/appointments/{JOHN_X_RAY.id}/status", json={"status": "canceled"})

    # The visit gets the command as it was sent, with the appointment that was canceled since.
    [command] = api.visits.unanswered
    await api.visits.send(JOHN_DOE.id, command.day.day, command, "late")  # type: ignore[union-attr]
    answer = await reception.post(CHECK_IN, headers=headers)

    assert [item["appointment_id"] for item in answer.json()["items"]] == OF_JOHN[:2]
    assert await statuses(api) == ["pending", "pending", "canceled"]

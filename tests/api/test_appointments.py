"""Calls on one appointment: check-in, check-out, status and waiting line."""

import pytest

from patient_visit_engine.storage.tables import events
from tests.support.api import JOHN_CARDIOLOGY, JOHN_DERMATOLOGY, ApiDriver, start_body
from tests.support.builders import DR_AMRANI, DR_OKAFOR

CARDIOLOGY = f"/api/appointments/{JOHN_CARDIOLOGY.id}"
DERMATOLOGY = f"/api/appointments/{JOHN_DERMATOLOGY.id}"


async def test_records_check_in_once_with_its_author(api: ApiDriver) -> None:
    reception = await api.staff("reception", sub="front desk")

    first, again = (
        await reception.post(f"{CARDIOLOGY}/check-in"),
        await reception.post(f"{CARDIOLOGY}/check-in", json={}),
    )

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert first.json()["status"] == "pending"
    assert first.json()["created_by"] == "front desk"
    listed = await reception.get("/api/patients/123/trackings")
    assert listed.json() == {"items": [first.json()]}


async def test_shows_the_ticket_wherever_the_patient_is_listed(api: ApiDriver) -> None:
    reception = await api.staff("reception")

    checked_in = await reception.post(f"{CARDIOLOGY}/check-in")

    board = await reception.get("/api/board")
    worklist = await reception.get("/api/appointments")
    assert checked_in.json()["ticket"] == "A01"
    assert [item["ticket"] for item in board.json()["items"]] == ["A01"]
    # All appointments of the patient, and one of a patient who has not arrived.
    assert [item["ticket"] for item in worklist.json()["items"]] == ["A01", "A01", "A01", None]


async def test_checks_out_patient_who_leaves(api: ApiDriver) -> None:
    reception = await api.staff("reception")
    await reception.post(f"{CARDIOLOGY}/check-in")

    checked_out = await reception.post(f"{CARDIOLOGY}/check-out")
    count = await api.count(events)
    again = await reception.post(f"{CARDIOLOGY}/check-out")
    count_after = await api.count(events)
    never_here = await reception.post("/api/appointments/2/check-out")

    assert (checked_out.status_code, checked_out.json()["outcome"]) == (200, "left")
    assert (again.status_code, again.json()) == (200, checked_out.json())
    assert count_after == count
    assert (never_here.status_code, never_here.json()["code"]) == (409, "not_checked_in")


@pytest.mark.parametrize(
    ("status", "name"), [(0, "scheduled"), ("confirmed", "confirmed"), (2, "canceled"), ("pending", "pending")]
)
async def test_sets_status_by_number_or_name(api: ApiDriver, status: int | str, name: str) -> None:
    answer = await (await api.staff("reception")).patch(f"{CARDIOLOGY}/status", json={"status": status})

    assert answer.status_code == 200, answer.text
    assert (answer.json()["appointment_id"], answer.json()["status"]) == (1, name)


@pytest.mark.parametrize("status", [5, "in_progress"])
async def test_refuses_status_in_progress(api: ApiDriver, status: int | str) -> None:
    before = await api.all_rows()

    answer = await (await api.doctor()).patch(f"{CARDIOLOGY}/status", json={"status": status})

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert await api.all_rows() == before


async def test_only_holder_ends_consultation_by_status(api: ApiDriver) -> None:
    doctor, reception = await api.doctor(), await api.staff("reception")
    await doctor.post("/api/consultations", json=start_body())

    canceled = await reception.patch(f"{CARDIOLOGY}/status", json={"status": "canceled"})
    checked_out = await reception.post(f"{CARDIOLOGY}/check-out")
    foreign = await reception.patch(f"{CARDIOLOGY}/status", json={"status": 4})
    done = await doctor.patch(f"{CARDIOLOGY}/status", json={"status": 4})

    assert [answer.status_code for answer in (canceled, checked_out, foreign, done)] == [409, 409, 403, 200]
    assert [answer.json()["code"] for answer in (canceled, checked_out, foreign)] == [
        "appointment_in_progress",
        "appointment_in_progress",
        "not_yours",
    ]


async def test_doctor_joins_and_leaves_waiting_line(api: ApiDriver) -> None:
    other = await api.doctor(DR_OKAFOR.id)
    too_early = await other.post(f"{DERMATOLOGY}/wait")
    await (await api.doctor()).post("/api/consultations", json=start_body())

    first, again = await other.post(f"{DERMATOLOGY}/wait"), await other.post(f"{DERMATOLOGY}/wait")
    left, left_again = await other.delete(f"{DERMATOLOGY}/wait"), await other.delete(f"{DERMATOLOGY}/wait")

    assert (too_early.status_code, too_early.json()["code"]) == (409, "patient_free")
    assert (first.status_code, first.json(), again.json()) == (200, {"position": 1}, {"position": 1})
    assert [(answer.status_code, answer.content) for answer in (left, left_again)] == [(204, b"")] * 2


async def test_repeats_kept_answer_for_same_key(api: ApiDriver) -> None:
    reception, key = await api.staff("reception"), {"Idempotency-Key": "arrival"}
    first = await reception.post(f"{CARDIOLOGY}/check-in", headers=key)
    await reception.post(f"{CARDIOLOGY}/check-out")

    again = await reception.post(f"{CARDIOLOGY}/check-in", headers=key)
    other_path = await reception.post(f"{DERMATOLOGY}/check-in", headers=key)

    assert (again.status_code, again.content) == (201, first.content)
    assert other_path.json()["code"] == "idempotency_key_reused"


async def test_keeps_empty_answer_too(api: ApiDriver) -> None:
    doctor, key = await api.doctor(DR_AMRANI.id), {"Idempotency-Key": "k"}

    answers = [await doctor.delete(f"{CARDIOLOGY}/wait", headers=key) for _ in range(2)]

    assert [(answer.status_code, answer.content) for answer in answers] == [(204, b"")] * 2
    assert len(api.visits.sent) == 1

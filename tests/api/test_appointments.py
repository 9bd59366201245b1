"""What a desk does with an appointment, from the call to the answer."""

import pytest

from tests.support.api import JOHN_CARDIOLOGY, JOHN_DERMATOLOGY, ApiDriver, start_body
from tests.support.builders import DR_AMRANI, DR_OKAFOR

MINE = f"/api/appointments/{JOHN_CARDIOLOGY.id}"
OTHER = f"/api/appointments/{JOHN_DERMATOLOGY.id}"


async def test_a_check_in_is_made_once_and_names_who_made_it(api: ApiDriver) -> None:
    desk = await api.staff("reception", sub="front desk")

    first, again = await desk.post(f"{MINE}/check-in"), await desk.post(f"{MINE}/check-in", json={})

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert first.json()["status"] == "pending"
    assert first.json()["created_by"] == "front desk"
    listed = await desk.get("/api/patients/123/trackings")
    assert listed.json() == {"items": [first.json()]}


async def test_a_patient_who_leaves_is_checked_out(api: ApiDriver) -> None:
    desk = await api.staff("reception")
    await desk.post(f"{MINE}/check-in")

    out = await desk.post(f"{MINE}/check-out")
    again = await desk.post(f"{MINE}/check-out")

    assert (out.status_code, out.json()["outcome"]) == (200, "cancelled")
    assert (again.status_code, again.json()["code"]) == (409, "not_checked_in")


@pytest.mark.parametrize(
    ("status", "name"), [(0, "scheduled"), ("confirmed", "confirmed"), (2, "canceled"), ("pending", "pending")]
)
async def test_a_status_is_set_by_number_or_by_name(api: ApiDriver, status: int | str, name: str) -> None:
    answer = await (await api.staff("reception")).patch(f"{MINE}/status", json={"status": status})

    assert answer.status_code == 200, answer.text
    assert (answer.json()["appointment_id"], answer.json()["status"]) == (1, name)


@pytest.mark.parametrize("status", [5, "in_progress"])
async def test_only_a_start_puts_an_appointment_in_progress(api: ApiDriver, status: int | str) -> None:
    before = await api.all_rows()

    answer = await (await api.doctor()).patch(f"{MINE}/status", json={"status": status})

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert await api.all_rows() == before


async def test_done_is_for_the_holder_and_canceled_waits_for_the_end(api: ApiDriver) -> None:
    doctor, desk = await api.doctor(), await api.staff("reception")
    await doctor.post("/api/consultations", json=start_body())

    canceled = await desk.patch(f"{MINE}/status", json={"status": "canceled"})
    left = await desk.post(f"{MINE}/check-out")
    not_theirs = await desk.patch(f"{MINE}/status", json={"status": 4})
    done = await doctor.patch(f"{MINE}/status", json={"status": 4})

    assert [one.status_code for one in (canceled, left, not_theirs, done)] == [409, 409, 403, 200]
    assert [one.json()["code"] for one in (canceled, left, not_theirs)] == [
        "appointment_in_progress",
        "appointment_in_progress",
        "not_yours",
    ]


async def test_a_doctor_waits_in_line_and_leaves_it(api: ApiDriver) -> None:
    other = await api.doctor(DR_OKAFOR.id)
    too_early = await other.post(f"{OTHER}/wait")
    await (await api.doctor()).post("/api/consultations", json=start_body())

    first, again = await other.post(f"{OTHER}/wait"), await other.post(f"{OTHER}/wait")
    left, gone = await other.delete(f"{OTHER}/wait"), await other.delete(f"{OTHER}/wait")

    assert (too_early.status_code, too_early.json()["code"]) == (409, "patient_free")
    assert (first.status_code, first.json(), again.json()) == (200, {"position": 1}, {"position": 1})
    assert [(one.status_code, one.content) for one in (left, gone)] == [(204, b"")] * 2


async def test_a_call_repeated_with_its_key_is_answered_from_what_is_kept(api: ApiDriver) -> None:
    desk, key = await api.staff("reception"), {"Idempotency-Key": "arrival"}
    first = await desk.post(f"{MINE}/check-in", headers=key)
    await desk.post(f"{MINE}/check-out")

    again = await desk.post(f"{MINE}/check-in", headers=key)
    elsewhere = await desk.post(f"{OTHER}/check-in", headers=key)

    assert (again.status_code, again.content) == (201, first.content)
    assert elsewhere.json()["code"] == "idempotency_key_reused"


async def test_an_empty_answer_is_kept_as_well(api: ApiDriver) -> None:
    doctor, key = await api.doctor(DR_AMRANI.id), {"Idempotency-Key": "k"}

    answers = [await doctor.delete(f"{MINE}/wait", headers=key) for _ in range(2)]

    assert [(one.status_code, one.content) for one in answers] == [(204, b"")] * 2
    assert len(api.visits.sent) == 1

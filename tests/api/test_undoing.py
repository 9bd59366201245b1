"""Calls that take back a start, a completion, a check-in, a check-out or a cancellation."""

import pytest

from patient_visit_engine.storage.upkeep.audit import audit
from tests.support.api import JOHN_CARDIOLOGY, JOHN_DERMATOLOGY, ApiDriver, start_body
from tests.support.builders import DR_AMRANI, DR_OKAFOR

CHECK_IN, CHECK_OUT, CANCEL = (
    f"/api/appointments/{JOHN_CARDIOLOGY.id}/{action}" for action in ("check-in", "check-out", "cancel")
)


async def start(api: ApiDriver) -> str:
    """Start John Doe's consultation, and return the path of its undo."""
    answer = await (await api.doctor()).post("/api/consultations", json=start_body())
    assert answer.status_code == 201, answer.text
    return f"/api/consultations/{answer.json()['id']}/undo-start"


async def test_doctor_takes_back_the_own_start(api: ApiDriver) -> None:
    path = await start(api)
    doctor = await api.doctor()

    answer = await doctor.post(path, headers={"Idempotency-Key": "k"})

    assert (answer.status_code, answer.json()["outcome"]) == (200, "mistaken")
    assert (await doctor.post(path)).json() == answer.json()
    items = (await api.read_worklist())["items"]
    assert [item["status"] for item in items if item["appointment_id"] == JOHN_CARDIOLOGY.id] == ["confirmed"]
    restarted = await doctor.post("/api/consultations", json=start_body(), headers={"Idempotency-Key": "again"})
    assert restarted.status_code == 201
    assert (await api.database.read(audit)).passed


async def test_only_a_supervisor_takes_back_an_older_start(api: ApiDriver) -> None:
    path = await start(api)
    api.clock.advance(minutes=5, seconds=1)

    late = await (await api.doctor()).post(path)
    other = await (await api.doctor(DR_OKAFOR.id)).post(path)
    reception = await (await api.staff("reception")).post(path)
    supervisor = await (await api.staff("supervisor")).post(path)

    assert (late.status_code, late.json()["code"]) == (409, "too_late")
    assert (other.status_code, other.json()["code"]) == (403, "not_yours")
    assert (reception.status_code, reception.json()["code"]) == (403, "wrong_role")
    assert (supervisor.status_code, supervisor.json()["outcome"]) == (200, "mistaken")


async def test_reopened_consultation_goes_on(api: ApiDriver) -> None:
    path = (await start(api)).removesuffix("/undo-start")
    doctor, waiting = await api.doctor(), await api.doctor(DR_OKAFOR.id)
    blocked = await waiting.post("/api/consultations", json=start_body(JOHN_DERMATOLOGY, wait=True))
    assert (blocked.status_code, blocked.json()["position"]) == (409, 1)
    completed = (await doctor.post(f"{path}/complete")).json()

    reopened = await doctor.post(f"{path}/reopen")
    again = await doctor.post(f"{path}/reopen")
    refused = await waiting.post("/api/consultations", json=start_body(JOHN_DERMATOLOGY))
    ended = await doctor.post(f"{path}/complete")

    assert (completed["outcome"], reopened.status_code, reopened.json()["status"]) == ("done", 200, "in_progress")
    assert reopened.json()["started_at"] == completed["started_at"]
    assert again.json() == reopened.json()
    assert (refused.status_code, refused.json()["code"]) == (409, "patient_in_consultation")
    assert (ended.status_code, ended.json()["outcome"]) == (200, "done")
    assert (await waiting.post("/api/consultations", json=start_body(JOHN_DERMATOLOGY))).status_code == 201
    taken = await doctor.post(f"{path}/reopen")
    assert (taken.status_code, taken.json()["code"]) == (409, "patient_in_consultation")
    # The appointment is closed, so its doctor cannot wait for it. A supervisor is not the holder.
    assert taken.json()["actions"] == []
    for_supervisor = await (await api.staff("supervisor")).post(f"{path}/reopen")
    assert (for_supervisor.json()["code"], for_supervisor.json()["actions"]) == ("patient_in_consultation", [])
    assert (await api.database.read(audit)).passed


async def test_only_a_supervisor_reopens_an_older_consultation_on_its_day(api: ApiDriver) -> None:
    path = (await start(api)).removesuffix("/undo-start")
    doctor, supervisor = await api.doctor(), await api.staff("supervisor")
    await doctor.post(f"{path}/complete")
    api.clock.advance(minutes=5, seconds=1)

    late = await doctor.post(f"{path}/reopen")
    other = await (await api.doctor(DR_OKAFOR.id)).post(f"{path}/reopen")
    reopened = await supervisor.post(f"{path}/reopen")
    released = await supervisor.post(f"{path}/release", json={"reason": "forgotten"})
    after_release = await supervisor.post(f"{path}/reopen")

    assert (late.status_code, late.json()["code"]) == (409, "too_late")
    assert (other.status_code, other.json()["code"]) == (403, "not_yours")
    assert reopened.status_code == 200, reopened.text
    assert (released.status_code, released.json()["outcome"]) == (200, "released")
    assert (after_release.status_code, after_release.json()["code"]) == (409, "consultation_ended")
    assert (await api.database.read(audit)).passed


async def test_reception_takes_back_check_in_and_check_out(api: ApiDriver) -> None:
    reception = await api.staff("reception")
    arrived = (await reception.post(CHECK_IN)).json()
    api.clock.advance(minutes=10)
    await reception.post(CHECK_OUT)

    waiting = await reception.delete(CHECK_OUT)
    gone = await reception.delete(CHECK_IN)
    again = await reception.delete(CHECK_IN)

    assert waiting.status_code == 200, waiting.text
    assert waiting.json()["status"] == "pending"
    assert waiting.json()["check_in_time"] == arrived["check_in_time"]
    assert (gone.status_code, gone.json()["status"]) == (200, "confirmed")
    assert again.json() == gone.json()
    assert (await api.database.read(audit)).passed


async def test_reception_cancels_and_takes_it_back(api: ApiDriver) -> None:
    reception = await api.staff("reception")
    arrived = (await reception.post(CHECK_IN)).json()
    api.clock.advance(minutes=10)
    body = {"reason": "patient", "text": "called from the car"}

    canceled = await reception.post(CANCEL, json=body)
    visit = await (await api.staff("supervisor")).get(f"/api/patients/{arrived['patient_id']}/visit")
    unknown = await reception.post(CANCEL, json={"reason": "weather"})
    undone = await reception.delete(CANCEL)
    again = await reception.delete(CANCEL)

    assert (canceled.status_code, canceled.json()["status"]) == (200, "canceled")
    entry = visit.json()["timeline"][-1]
    assert (entry["reason"], entry["cancel_reason"]) == ("called from the car", "patient")
    assert (unknown.status_code, unknown.json()["code"]) == (422, "invalid")
    assert (undone.status_code, undone.json()["status"]) == (200, "pending")
    assert again.json() == undone.json()
    assert (await reception.post(CHECK_IN)).json()["check_in_time"] == arrived["check_in_time"]
    assert (await (await api.doctor()).post(CANCEL, json=body)).json()["code"] == "wrong_role"
    assert (await api.database.read(audit)).passed


@pytest.mark.parametrize(
    ("path", "code"), [(CHECK_IN, "not_checked_in"), (CHECK_OUT, "not_checked_out")], ids=["check-in", "check-out"]
)
async def test_nothing_to_take_back_is_409(api: ApiDriver, path: str, code: str) -> None:
    before = await api.database.read(audit)

    answer = await (await api.staff("supervisor")).delete(path)
    of_other_doctor = await (await api.doctor(DR_OKAFOR.id)).delete(path)

    assert (answer.status_code, answer.json()["code"]) == (409, code)
    assert (of_other_doctor.status_code, of_other_doctor.json()["code"]) == (403, "not_yours")
    assert (await api.database.read(audit)).checked == before.checked
    assert JOHN_CARDIOLOGY.doctor_id == DR_AMRANI.id

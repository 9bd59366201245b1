"""Calls that take back a start, a check-in or a check-out."""

import pytest

from patient_visit_engine.storage.upkeep.audit import audit
from tests.support.api import JOHN_CARDIOLOGY, ApiDriver, start_body
from tests.support.builders import DR_AMRANI, DR_OKAFOR

CHECK_IN, CHECK_OUT = (f"/api/appointments/{JOHN_CARDIOLOGY.id}/{action}" for action in ("check-in", "check-out"))


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

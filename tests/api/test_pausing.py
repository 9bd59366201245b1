"""Calls that pause a consultation and go on with it, and what screens show of it."""

from typing import Any

import pytest

from patient_visit_engine.storage.upkeep.audit import audit
from tests.support.api import JOHN_CARDIOLOGY, JOHN_DERMATOLOGY, ApiDriver, start_body
from tests.support.builders import DR_AMRANI, DR_OKAFOR, JOHN_DOE


async def start(api: ApiDriver) -> str:
    """Start John Doe's consultation, and return its path."""
    answer = await (await api.doctor()).post("/api/consultations", json=start_body())
    assert answer.status_code == 201, answer.text
    return str(answer.headers["Location"])


async def read_item(api: ApiDriver) -> dict[str, Any]:
    """John Doe's appointment on the worklist."""
    items = (await api.read_worklist())["items"]
    return next(item for item in items if item["appointment_id"] == JOHN_CARDIOLOGY.id)


async def test_doctor_pauses_and_resumes(api: ApiDriver) -> None:
    path, doctor = await start(api), await api.doctor()
    before = (await doctor.get(path)).json()
    api.clock.advance(minutes=5)

    paused = await doctor.post(f"{path}/pause", json={"reason": "blood test"}, headers={"Idempotency-Key": "p"})
    repeated = await doctor.post(f"{path}/pause", json={"reason": "blood test"}, headers={"Idempotency-Key": "p"})
    extended = await doctor.post(f"{path}/extend", json={"minutes": 5})
    api.clock.advance(minutes=10)
    resumed = await doctor.post(f"{path}/resume")

    assert (paused.status_code, paused.json()["status"]) == (200, "paused")
    assert repeated.json() == paused.json()
    assert (extended.status_code, extended.json()["code"]) == (409, "consultation_paused")
    assert extended.json()["message"] == "Consultation is paused: resume it first"
    assert (resumed.status_code, resumed.json()["status"]) == (200, "in_progress")
    assert resumed.json()["overdue_at"] > before["overdue_at"]
    assert (await api.database.read(audit)).passed


async def test_screens_show_the_pause_and_the_offer(api: ApiDriver) -> None:
    path, doctor, okafor = await start(api), await api.doctor(), await api.doctor(DR_OKAFOR.id)
    api.clock.advance(minutes=5)
    await doctor.post(f"{path}/pause")
    alone = await read_item(api)
    other = await okafor.post("/api/consultations", json=start_body(JOHN_DERMATOLOGY))
    refused = await doctor.post(f"{path}/resume", headers={"Idempotency-Key": "early"})
    taken = await read_item(api)
    await okafor.post(f"{other.headers['Location']}/complete")
    [board] = (await doctor.get("/api/board")).json()["items"]
    visit = (await doctor.get(f"/api/patients/{JOHN_DOE.id}/visit")).json()

    assert (alone["status"], alone["paused_at"], alone["patient"]["state"]) == (
        "in_progress",
        "2026-03-02T11:05:00.000Z",
        "free",
    )
    assert (refused.status_code, refused.json()["code"], refused.json()["actions"]) == (
        409,
        "patient_in_consultation",
        [],
    )
    assert taken["patient"]["doctor"] == DR_OKAFOR.name
    assert (board["state"], board["consultations"], board["waiting"]) == ("reserved", [], [])
    [paused] = board["paused"]
    assert (paused["doctor"], paused["offer_until"]) == (DR_AMRANI.name, "2026-03-02T11:06:00.000Z")
    assert (visit["state"], visit["holder"]) == ("reserved", None)
    assert [each["name"] for each in visit["paused"]] == [DR_AMRANI.name]
    assert "paused" in [entry["event"] for entry in visit["timeline"]]
    assert (await doctor.post("/api/consultations", json=start_body())).json()["status"] == "in_progress"
    assert (await api.database.read(audit)).passed


async def test_screens_show_the_time_without_pauses_and_extensions(api: ApiDriver) -> None:
    path, doctor = await start(api), await api.doctor()

    async def read_times() -> list[tuple[Any, ...]]:
        """The times of the consultation in the worklist, on the board and in the patient's day."""
        [board] = (await doctor.get("/api/board")).json()["items"]
        visit = (await doctor.get(f"/api/patients/{JOHN_DOE.id}/visit")).json()
        of_day = [*visit["paused"], *([] if visit["holder"] is None else [visit["holder"]])]
        shown = [await read_item(api), *board["consultations"], *board["paused"], *of_day]
        return [(each["expected_minutes"], each["paused_seconds"], each.get("paused_at")) for each in shown]

    async def press(call: str, minutes: int) -> None:
        api.clock.advance(minutes=minutes)
        json = {"minutes": 30} if call == "extend" else None
        pressed = await doctor.post(f"{path}/{call}", json=json, headers={"Idempotency-Key": f"{call}-{minutes}"})
        assert pressed.status_code == 200, pressed.text

    await press("extend", 1)
    await press("pause", 4)
    await press("resume", 10)
    between = await read_times()
    await press("pause", 5)
    api.clock.advance(minutes=7)
    during_second = await read_times()
    await press("resume", 20)
    patient = (await read_item(api))["patient"]
    await press("complete", 3)
    done = await read_item(api)
    await press("reopen", 2)

    # Dr. Amrani was with the patient for 5 and 5 minutes, and 20 were expected.
    assert between == [(20, 600, None)] * 3
    assert during_second == [(20, 600, "2026-03-02T11:20:00.000Z")] * 3
    assert (patient["since"], patient["paused_seconds"]) == ("2026-03-02T11:00:00.000Z", 600 + 27 * 60)
    assert (done["expected_minutes"], done["paused_seconds"]) == (20, 600 + 27 * 60)
    # The time between a completion and its reopening counts as a pause.
    assert await read_times() == [(20, 600 + 27 * 60 + 120, None)] * 3


async def test_reason_of_a_pause_is_for_supervisors(api: ApiDriver) -> None:
    path, doctor = await start(api), await api.doctor()
    await doctor.post(f"{path}/pause", json={"reason": "blood test"})

    def reasons(visit: Any) -> list[Any]:
        return [entry.get("reason") for entry in visit["timeline"] if entry["event"] == "paused"]

    day = f"/api/patients/{JOHN_DOE.id}/visit"
    assert reasons((await (await api.staff("supervisor")).get(day)).json()) == ["blood test"]
    assert reasons((await doctor.get(day)).json()) == [None]


@pytest.mark.parametrize("call", ["pause", "resume"])
async def test_only_its_doctor_pauses_or_resumes(api: ApiDriver, call: str) -> None:
    path = await start(api)

    other = await (await api.doctor(DR_OKAFOR.id)).post(f"{path}/{call}")
    supervisor = await (await api.staff("supervisor")).post(f"{path}/{call}")
    unknown = await (await api.doctor()).post(f"/api/consultations/00000000-0000-4000-8000-000000000000/{call}")

    assert (other.status_code, other.json()["code"]) == (403, "not_yours")
    assert (supervisor.status_code, supervisor.json()["code"]) == (403, "wrong_role")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_consultation")


async def test_late_resumption_has_no_effect_and_leaves_its_key_open(api: ApiDriver) -> None:
    path, doctor = await start(api), await api.doctor()
    await doctor.post(f"{path}/pause")
    api.visits.late = True
    late = await doctor.post(f"{path}/resume", headers={"Idempotency-Key": "k"})
    api.visits.late = False

    assert late.status_code == 503
    assert (await doctor.get(path)).json()["status"] == "paused"
    assert (await doctor.post(f"{path}/resume", headers={"Idempotency-Key": "k"})).json()["status"] == "in_progress"


async def test_paused_appointment_cannot_be_changed_or_checked_out(api: ApiDriver) -> None:
    path, doctor = await start(api), await api.doctor()
    await doctor.post(f"{path}/pause")
    reception = await api.staff("reception")
    appointment = f"/api/appointments/{JOHN_CARDIOLOGY.id}"

    answers = [
        await reception.post(f"{appointment}/check-in"),
        await reception.post(f"{appointment}/check-out"),
        await reception.patch(f"{appointment}/status", json={"status": "canceled"}),
        await doctor.post(f"{appointment}/wait"),
        await reception.post(f"/api/patients/{JOHN_DOE.id}/check-out"),
    ]
    released = await (await api.staff("supervisor")).post(f"{path}/release", json={"reason": "forgotten"})

    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(409, "appointment_in_progress")}
    assert (released.status_code, released.json()["outcome"]) == (200, "released")


async def test_report_counts_consultations_without_their_pauses(api: ApiDriver) -> None:
    path, doctor = await start(api), await api.doctor()
    for call, minutes in (("pause", 10), ("resume", 50), ("pause", 5), ("complete", 30)):
        api.clock.advance(minutes=minutes)
        await doctor.post(f"{path}/{call}", headers={"Idempotency-Key": f"{call}-{minutes}"})

    total = (await (await api.staff("supervisor")).get("/api/reports/day")).json()["total"]

    # Of 95 minutes, 80 were pauses. 20 minutes were expected, so it was not overdue.
    assert (total["seen"], total["consultation_p50_minutes"], total["overdue"]) == (1, 15.0, 0)

"""The defects of the system that this one replaces, each shown to be absent, from the outside."""

import asyncio
from datetime import UTC, datetime, timedelta

import httpx
from sqlalchemy import Connection, update

from patient_visit_engine.storage.tables import patient_trackings
from tests.support.engine import Engine
from tests.support.stream_reader import StreamReader


async def _dump(hospital: Engine) -> list[list[dict[str, object]]]:
    tables = ("patient_trackings", "appointments", "events", "log_head", "timeline", "waiting_line")
    return [await hospital.rows(f"SELECT * FROM {table} ORDER BY 1") for table in tables]


async def test_two_starts_at_the_same_moment_do_not_both_succeed(hospital: Engine, patient: int) -> None:
    await hospital.admit(patient, {patient * 10 + 1: 1, patient * 10 + 2: 2})

    both = await asyncio.gather(
        hospital.start(1, patient, patient * 10 + 1), hospital.start(2, patient, patient * 10 + 2)
    )

    assert sorted(answer.status_code for answer in both) == [201, 409]


async def test_a_closed_appointment_is_not_answered_as_a_success(hospital: Engine, patient: int) -> None:
    await hospital.admit(patient, {patient * 10 + 1: 1, patient * 10 + 2: 2})
    mine = (await hospital.start(1, patient, patient * 10 + 1)).json()
    await hospital.complete(1, mine["id"])
    await hospital.start(2, patient, patient * 10 + 2)

    again = await hospital.start(1, patient, patient * 10 + 1)

    assert (again.status_code, again.json()["code"]) == (409, "appointment_closed")


async def test_a_start_without_an_appointment_is_refused_and_finds_nobody_elses(hospital: Engine, patient: int) -> None:
    await hospital.admit(patient, {patient * 10 + 1: 1})
    before = await _dump(hospital)
    async with hospital.staff("doctor", 1) as doctor:
        null = {"appointment_id": None, "patient_id": patient, "doctor_id": 1}
        absent = {"patient_id": patient, "doctor_id": 1}

        answers = [await doctor.post("/api/consultations", json=body) for body in (null, absent)]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(422, "invalid")] * 2
    assert await _dump(hospital) == before


async def test_after_a_check_in_by_reception_the_refusal_names_the_doctor_and_the_other_hears_of_it(
    hospital: Engine, patient: int
) -> None:
    first, second = patient * 10 + 1, patient * 10 + 2
    await hospital.admit(patient, {first: 1, second: 2})
    async with hospital.staff("reception") as desk, StreamReader(hospital, "doctor", 2) as other:
        checked_in = await desk.post(f"/api/appointments/{first}/check-in")
        again = await desk.post(f"/api/appointments/{first}/check-in")
        await hospital.start(1, patient, first)

        refused = await hospital.start(2, patient, second)

        blocked = await other.next("consultation.blocked", patient_id=patient)
    assert (checked_in.status_code, again.status_code) == (201, 200)
    assert again.json() == checked_in.json()
    assert checked_in.json()["created_by"] == "reception-"
    assert (refused.json()["active_doctor_id"], refused.json()["active_doctor"]) == (1, "Dr. 1")
    assert blocked["active_doctor_name"] == "Dr. 1"


async def test_a_consultation_from_yesterday_still_blocks_and_is_completed_today(
    hospital: Engine, patient: int
) -> None:
    first, second = patient * 10 + 1, patient * 10 + 2
    await hospital.admit(patient, {first: 1, second: 2})
    running = (await hospital.start(1, patient, first)).json()
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date()

    def belongs_to_yesterday(connection: Connection) -> None:
        row = patient_trackings.c.consultation_id == running["id"]
        connection.execute(update(patient_trackings).where(row).values(visit_day=yesterday))

    await hospital.database.write(belongs_to_yesterday)
    refused = await hospital.start(2, patient, second)
    completed = await hospital.complete(1, running["id"])
    started = await hospital.start(2, patient, second)

    assert (refused.status_code, refused.json()["consultation_id"]) == (409, running["id"])
    assert (completed.status_code, completed.json()["outcome"]) == (200, "done")
    assert started.status_code == 201


async def test_a_start_and_a_completion_touch_their_own_tracking_and_no_other(hospital: Engine, patient: int) -> None:
    first, second = patient * 10 + 1, patient * 10 + 2
    await hospital.admit(patient, {first: 1, second: 2})
    async with hospital.staff("reception") as desk:
        await desk.post(f"/api/appointments/{first}/check-in")
        await desk.post(f"/api/appointments/{second}/check-in")

        mine = (await hospital.start(1, patient, first)).json()
        during = (await desk.get(f"/api/patients/{patient}/trackings")).json()["items"]
        await hospital.complete(1, mine["id"])
        after = (await desk.get(f"/api/patients/{patient}/trackings")).json()["items"]

    assert {row["appointment_id"]: row["status"] for row in during} == {first: "in_progress", second: "pending"}
    assert {row["appointment_id"]: row["status"] for row in after} == {first: "completed", second: "pending"}


async def test_an_invalid_completion_completes_and_tells_nothing(hospital: Engine, patient: int) -> None:
    await hospital.admit(patient, {patient * 10 + 1: 1})
    running = (await hospital.start(1, patient, patient * 10 + 1)).json()
    before = await _dump(hospital)
    async with hospital.staff("doctor", 1) as mine, hospital.staff("doctor", 2) as other:
        path = f"/api/consultations/{running['id']}/complete"

        answers = [
            await mine.post(path, json={"next_patient_id": "everybody"}),
            await mine.post(path, headers={"Idempotency-Key": "two words"}),
            await mine.post(path, content=b"{", headers={"Content-Type": "application/json"}),
            await other.post(path),
        ]

    assert all(400 <= answer.status_code < 500 and answer.json()["code"] for answer in answers)
    assert await _dump(hospital) == before


async def test_nobody_hears_of_patients_without_signing_in(hospital: Engine) -> None:
    async with httpx.AsyncClient(base_url=hospital.url) as anyone:
        answer = await anyone.get("/api/events?channels=consultations")

    assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in")


async def test_what_a_screen_missed_comes_when_it_is_back(hospital: Engine, patient: int) -> None:
    first, second = patient * 10 + 1, patient * 10 + 2
    await hospital.admit(patient, {first: 1, second: 2})
    async with StreamReader(hospital, "doctor", 2) as screen:
        cursor = (await screen.next("ready"))["cursor"]
    running = (await hospital.start(1, patient, first)).json()
    await hospital.start(2, patient, second)
    await hospital.complete(1, running["id"])

    async with StreamReader(hospital, "doctor", 2, cursor=cursor) as screen:
        assert (await screen.next("ready"))["resume"] == "exact"
        await screen.next("consultation.completed", patient_id=patient)
        missed = [name for name, _, data in screen.heard if data.get("patient_id") == patient]

    assert missed == ["consultation.started", "consultation.blocked", "consultation.completed"]


async def test_a_doctor_who_does_not_exist_is_not_found(hospital: Engine, patient: int) -> None:
    await hospital.admit(patient, {patient * 10 + 1: 1})

    answer = await hospital.start(9_999, patient, patient * 10 + 1)

    assert answer.status_code == 404
    assert answer.json()["code"]


async def test_completing_twice_tells_once(hospital: Engine, patient: int) -> None:
    await hospital.admit(patient, {patient * 10 + 1: 1})
    running = (await hospital.start(1, patient, patient * 10 + 1)).json()

    first = await hospital.complete(1, running["id"])
    second = await hospital.complete(1, running["id"])

    assert (first.status_code, second.status_code) == (200, 200)
    assert second.json() == first.json()
    assert len(await hospital.events(patient, "consultation.completed")) == 1

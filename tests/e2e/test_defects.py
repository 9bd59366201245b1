"""Each defect of the system that this one replaces, with a test over HTTP that it is gone."""

import asyncio
from datetime import timedelta

import httpx
from sqlalchemy import Connection, update

from patient_visit_engine.storage.tables import patient_trackings
from tests.support.engine import Engine
from tests.support.staff_subscriber import StaffSubscriber


async def _read_tables(engine: Engine) -> list[list[dict[str, object]]]:
    tables = ("patient_trackings", "appointments", "events", "log_head", "timeline", "waiting_line")
    return [await engine.rows(f"SELECT * FROM {table} ORDER BY 1") for table in tables]


async def test_only_one_of_two_simultaneous_starts_wins(engine: Engine, patient: int) -> None:
    await engine.admit(patient, {patient * 10 + 1: 1, patient * 10 + 2: 2})

    answers = await asyncio.gather(
        engine.start(1, patient, patient * 10 + 1), engine.start(2, patient, patient * 10 + 2)
    )

    assert sorted(answer.status_code for answer in answers) == [201, 409]


async def test_start_of_closed_appointment_is_refused(engine: Engine, patient: int) -> None:
    await engine.admit(patient, {patient * 10 + 1: 1, patient * 10 + 2: 2})
    consultation = (await engine.start(1, patient, patient * 10 + 1)).json()
    await engine.complete(1, consultation["id"])
    await engine.start(2, patient, patient * 10 + 2)

    second = await engine.start(1, patient, patient * 10 + 1)

    assert (second.status_code, second.json()["code"]) == (409, "appointment_closed")


async def test_start_without_appointment_is_refused(engine: Engine, patient: int) -> None:
    await engine.admit(patient, {patient * 10 + 1: 1})
    before = await _read_tables(engine)
    async with engine.staff("doctor", 1) as doctor:
        with_null = {"appointment_id": None, "patient_id": patient, "doctor_id": 1}
        without_field = {"patient_id": patient, "doctor_id": 1}

        answers = [await doctor.post("/api/consultations", json=body) for body in (with_null, without_field)]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(422, "invalid")] * 2
    assert await _read_tables(engine) == before


async def test_refusal_names_doctor_after_check_in(engine: Engine, patient: int) -> None:
    first, second = patient * 10 + 1, patient * 10 + 2
    await engine.admit(patient, {first: 1, second: 2})
    async with engine.staff("reception") as reception, StaffSubscriber(engine, "doctor", 2) as other:
        checked_in = await reception.post(f"/api/appointments/{first}/check-in")
        second_check_in = await reception.post(f"/api/appointments/{first}/check-in")
        await engine.start(1, patient, first)

        refused = await engine.start(2, patient, second)

        blocked = await other.next("consultation.blocked", patient_id=patient)
    assert (checked_in.status_code, second_check_in.status_code) == (201, 200)
    assert second_check_in.json() == checked_in.json()
    assert checked_in.json()["created_by"] == "reception-"
    assert (refused.json()["active_doctor_id"], refused.json()["active_doctor"]) == (1, "Dr. 1")
    assert blocked["active_doctor_name"] == "Dr. 1"


async def test_yesterdays_consultation_can_be_completed(engine: Engine, patient: int) -> None:
    first, second = patient * 10 + 1, patient * 10 + 2
    await engine.admit(patient, {first: 1, second: 2})
    running = (await engine.start(1, patient, first)).json()
    yesterday = engine.today - timedelta(days=1)

    def move_to_yesterday(connection: Connection) -> None:
        is_running = patient_trackings.c.consultation_id == running["id"]
        connection.execute(update(patient_trackings).where(is_running).values(visit_day=yesterday))

    await engine.database.write(move_to_yesterday)
    refused = await engine.start(2, patient, second)
    completed = await engine.complete(1, running["id"])
    started = await engine.start(2, patient, second)

    assert (refused.status_code, refused.json()["consultation_id"]) == (409, running["id"])
    assert (completed.status_code, completed.json()["outcome"]) == (200, "done")
    assert started.status_code == 201


async def test_start_and_completion_change_own_tracking(engine: Engine, patient: int) -> None:
    first, second = patient * 10 + 1, patient * 10 + 2
    await engine.admit(patient, {first: 1, second: 2})
    async with engine.staff("reception") as reception:
        await reception.post(f"/api/appointments/{first}/check-in")
        await reception.post(f"/api/appointments/{second}/check-in")

        consultation = (await engine.start(1, patient, first)).json()
        during = (await reception.get(f"/api/patients/{patient}/trackings")).json()["items"]
        await engine.complete(1, consultation["id"])
        after = (await reception.get(f"/api/patients/{patient}/trackings")).json()["items"]

    assert {row["appointment_id"]: row["status"] for row in during} == {first: "in_progress", second: "pending"}
    assert {row["appointment_id"]: row["status"] for row in after} == {first: "completed", second: "pending"}


async def test_invalid_completion_changes_nothing(engine: Engine, patient: int) -> None:
    await engine.admit(patient, {patient * 10 + 1: 1})
    running = (await engine.start(1, patient, patient * 10 + 1)).json()
    before = await _read_tables(engine)
    async with engine.staff("doctor", 1) as holder, engine.staff("doctor", 2) as other:
        path = f"/api/consultations/{running['id']}/complete"

        answers = [
            await holder.post(path, json={"next_patient_id": "everybody"}),
            await holder.post(path, headers={"Idempotency-Key": "two words"}),
            await holder.post(path, content=b"{", headers={"Content-Type": "application/json"}),
            await other.post(path),
        ]

    assert all(400 <= answer.status_code < 500 and answer.json()["code"] for answer in answers)
    assert await _read_tables(engine) == before


async def test_stream_needs_a_session(engine: Engine) -> None:
    async with httpx.AsyncClient(base_url=engine.url) as client:
        answer = await client.get("/api/events?channels=consultations")

    assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in")


async def test_reconnected_screen_gets_missed_events(engine: Engine, patient: int) -> None:
    first, second = patient * 10 + 1, patient * 10 + 2
    await engine.admit(patient, {first: 1, second: 2})
    async with StaffSubscriber(engine, "doctor", 2) as screen:
        cursor = (await screen.next("ready"))["cursor"]
    running = (await engine.start(1, patient, first)).json()
    await engine.start(2, patient, second)
    await engine.complete(1, running["id"])

    async with StaffSubscriber(engine, "doctor", 2, cursor=cursor) as screen:
        assert (await screen.next("ready"))["resume"] == "exact"
        await screen.next("consultation.completed", patient_id=patient)
        missed = [name for name, _, data in screen.events if data.get("patient_id") == patient]

    assert missed == ["consultation.started", "consultation.blocked", "consultation.completed"]


async def test_unknown_doctor_is_not_found(engine: Engine, patient: int) -> None:
    await engine.admit(patient, {patient * 10 + 1: 1})

    answer = await engine.start(9_999, patient, patient * 10 + 1)

    assert answer.status_code == 404
    assert answer.json()["code"]


async def test_completing_twice_sends_one_event(engine: Engine, patient: int) -> None:
    await engine.admit(patient, {patient * 10 + 1: 1})
    running = (await engine.start(1, patient, patient * 10 + 1)).json()

    first = await engine.complete(1, running["id"])
    second = await engine.complete(1, running["id"])

    assert (first.status_code, second.status_code) == (200, 200)
    assert second.json() == first.json()
    assert len(await engine.events(patient, "consultation.completed")) == 1

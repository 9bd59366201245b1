"""Changes of appointments by PUT against starts, check-ins and other changes of the same appointments, over HTTP."""

import asyncio
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from patient_visit_engine.storage.upkeep.audit import audit
from patient_visit_engine.visit.calendar import to_rfc3339
from tests.support.engine import CARDIOLOGY, Engine
from tests.support.waiting import wait_until_async

PATIENTS = 12
FIRST_DOCTOR, SECOND_DOCTOR, THIRD_DOCTOR = 1, 2, 3
#: Open trackings, places in line and reservations whose appointment belongs to another patient, or a tracking to another doctor.
ASTRAY = """
    SELECT t.appointment_id FROM patient_trackings t JOIN appointments a ON a.id = t.appointment_id
    WHERE t.status <> 'completed' AND (t.patient_id <> a.patient_id OR t.doctor_id <> a.doctor_id)
    UNION ALL
    SELECT w.appointment_id FROM waiting_line w JOIN appointments a ON a.id = w.appointment_id
    WHERE w.patient_id <> a.patient_id OR w.doctor_id <> a.doctor_id
    UNION ALL
    SELECT r.appointment_id FROM reservations r JOIN appointments a ON a.id = r.appointment_id
    WHERE r.patient_id <> a.patient_id OR r.doctor_id <> a.doctor_id
"""


def body_of(patient: int, doctor: int, at: datetime) -> dict[str, Any]:
    """The body that feeds the appointment of this patient with this doctor."""
    return {
        "patient_id": patient,
        "doctor_id": doctor,
        "prestation_id": CARDIOLOGY,
        "scheduled_at": to_rfc3339(at),
    }


async def race(engine: Engine, first_patient: int) -> list[tuple[str, httpx.Response]]:
    """Each patient's appointment gets, in one moment: a start, a check-in, two other doctors, another patient, another time."""
    now = datetime.now(UTC)
    other = first_patient + PATIENTS
    await engine.admit(other, {other: FIRST_DOCTOR})
    async with (
        engine.staff("service") as feed,
        engine.staff("doctor", FIRST_DOCTOR) as doctor,
        engine.staff("reception") as reception,
    ):

        async def put(name: str, number: int, **fields: Any) -> tuple[str, httpx.Response]:
            body = body_of(number, FIRST_DOCTOR, now) | fields
            return name, await feed.put(f"/api/appointments/{number}", json=body)

        async def start(number: int) -> tuple[str, httpx.Response]:
            body = {"appointment_id": number, "patient_id": number, "doctor_id": FIRST_DOCTOR}
            return "start", await doctor.post("/api/consultations", json=body)

        async def check_in(number: int) -> tuple[str, httpx.Response]:
            return "check-in", await reception.post(f"/api/appointments/{number}/check-in")

        answers: list[tuple[str, httpx.Response]] = []
        for number in range(first_patient, first_patient + PATIENTS):
            await engine.admit(number, {number: FIRST_DOCTOR})
            answers += await asyncio.gather(
                start(number),
                put("doctor", number, doctor_id=SECOND_DOCTOR),
                check_in(number),
                put("doctor", number, doctor_id=THIRD_DOCTOR),
                put("patient", number, patient_id=other),
                put("time", number),
            )
    return answers


#: What each command of the race may answer, in any order.
ALLOWED = {
    "start": {(201, None), (422, "appointment_mismatch")},
    "check-in": {(201, None), (200, None), (409, "appointment_in_progress"), (422, "appointment_mismatch")},
    "doctor": {(200, None), (409, "tracking_open")},
    "patient": {(200, None), (409, "tracking_open")},
    "time": {(200, None), (409, "tracking_open")},
}


async def test_changes_against_starts_leave_nothing_astray(engine: Engine) -> None:
    answers = await race(engine, 31_000)

    unexpected = Counter(
        (name, answer.status_code, answer.json().get("code"))
        for name, answer in answers
        if (answer.status_code, answer.json().get("code")) not in ALLOWED[name]
    )
    assert unexpected == Counter()
    assert 201 in {answer.status_code for name, answer in answers if name == "start"}
    assert await engine.rows(ASTRAY) == []
    assert (await engine.database.read(audit)).violations == []


async def test_check_in_between_the_look_and_the_write_is_kept(engine: Engine) -> None:
    numbers = range(32_000, 32_000 + PATIENTS)
    await asyncio.gather(*(engine.admit(number, {number: FIRST_DOCTOR}) for number in numbers))
    async with engine.staff("service") as feed:

        async def arrive_and_change(number: int) -> tuple[httpx.Response, httpx.Response]:
            body = body_of(number, SECOND_DOCTOR, datetime.now(UTC))
            arrived = feed.post(f"/api/appointments/{number}/check-in")
            changed = feed.put(f"/api/appointments/{number}", json=body)
            return tuple(await asyncio.gather(arrived, changed))  # type: ignore[return-value]

        answers = await asyncio.gather(*map(arrive_and_change, numbers))

    assert {changed.status_code for _, changed in answers} == {200}
    # A check-in that was checked before the change is refused, and has no effect.
    arrivals = {number: arrived.status_code for number, (arrived, _) in zip(numbers, answers, strict=True)}
    assert set(arrivals.values()) <= {201, 422}
    rows = await engine.rows(
        "SELECT a.id, a.doctor_id, t.doctor_id AS tracked FROM appointments a LEFT JOIN patient_trackings t"
        " ON t.appointment_id = a.id WHERE a.id BETWEEN :first AND :last",
        first=numbers[0],
        last=numbers[-1],
    )
    assert {row["id"]: (row["doctor_id"], row["tracked"]) for row in rows} == {
        number: (SECOND_DOCTOR, SECOND_DOCTOR if status == 201 else None) for number, status in arrivals.items()
    }


@pytest.mark.parametrize("quick_engine", [pytest.param("sqlite", marks=pytest.mark.long), "postgres"], indirect=True)
async def test_change_outlives_worker_killed_after_commit(breakable_engine: Engine, patient: int) -> None:
    engine, number = breakable_engine, 33_000 + patient
    await engine.admit(number, {number: FIRST_DOCTOR})
    body = body_of(number, SECOND_DOCTOR, datetime.now(UTC))
    async with engine.staff("service") as feed:
        assert (await feed.post(f"/api/appointments/{number}/check-in")).status_code == 201
        engine.worker.stop()
        dying = engine.faulty_worker("after-commit")
        dying.start()
        changing = asyncio.create_task(feed.put(f"/api/appointments/{number}", json=body))
        await wait_until_async(engine.has_halted, "the worker is at its commit")
        dying.kill()
        await engine.repair()
        answers = [await changing, await feed.put(f"/api/appointments/{number}", json=body)]

    assert answers[0].status_code in (200, 503)
    assert answers[1].status_code == 200
    (tracking,) = await engine.rows("SELECT * FROM patient_trackings WHERE patient_id = :p", p=number)
    assert (tracking["status"], tracking["doctor_id"]) == ("pending", SECOND_DOCTOR)
    changed = await engine.rows("SELECT * FROM timeline WHERE patient_id = :p AND event = 'changed'", p=number)
    assert len(changed) == 1

"""The scenarios of the system that this one replaces, as doctors see them over HTTP."""

from typing import Any

import httpx

from tests.support.engine import X_RAY, Engine
from tests.support.staff_subscriber import StaffSubscriber


async def test_second_doctor_is_refused_with_holder(engine: Engine, patient: int) -> None:
    await engine.admit(patient, {patient * 10 + 1: 1, patient * 10 + 2: 2})
    async with StaffSubscriber(engine, "doctor", 2) as second, StaffSubscriber(engine, "doctor", 3) as third:
        granted = await engine.start(1, patient, patient * 10 + 1)
        refused = await engine.start(2, patient, patient * 10 + 2)
        blocked = await second.next("consultation.blocked")
        repeated = await engine.start(1, patient, patient * 10 + 1)
        await third.wait_for_log_head()

    assert granted.status_code == 201
    assert granted.headers["Location"] == f"/api/consultations/{granted.json()['id']}"
    assert refused.status_code == 409
    assert refused.headers["Content-Type"] == "application/problem+json"
    body = refused.json()
    assert (body["code"], body["success"], body["in_consultation"]) == ("patient_in_consultation", False, True)
    assert (body["active_doctor"], body["active_doctor_id"], body["prestation"]) == ("Dr. 1", 1, "Cardiology")
    assert body["detail"] == (
        f"Patient John Doe{patient} is currently in consultation with Dr. 1 for Cardiology. "
        "Please wait until the consultation is completed."
    )
    assert blocked["request_id"] == body["request_id"]
    assert blocked["message"] == f"Patient John Doe{patient} is currently in consultation with Dr. 1"
    assert (blocked["active_doctor_id"], blocked["active_doctor_name"]) == (1, "Dr. 1")
    assert (repeated.status_code, repeated.json()["id"]) == (200, granted.json()["id"])
    assert "consultation.blocked" not in third.names()


async def test_refused_start_keeps_appointment_status(engine: Engine, patient: int) -> None:
    first, second = patient * 10 + 1, patient * 10 + 2
    await engine.admit(patient, {first: 1, second: 2})
    await engine.start(1, patient, first)

    await engine.start(2, patient, second)

    [row] = await engine.rows("SELECT status FROM appointments WHERE id = :id", id=second)
    assert row["status"] == 1


async def test_completion_frees_patient_and_sends_event(engine: Engine, patient: int) -> None:
    first, second = patient * 10 + 1, patient * 10 + 2
    await engine.admit(patient, {first: 1, second: 2})
    async with StaffSubscriber(engine, "reception") as reception:
        consultation = (await engine.start(1, patient, first)).json()
        await engine.start(2, patient, second)

        completed = await engine.complete(1, consultation["id"])

        event = await reception.next("consultation.completed", patient_id=patient)
    assert completed.status_code == 200
    assert (completed.json()["status"], completed.json()["outcome"]) == ("completed", "done")
    assert event["message"] == f"Patient John Doe{patient} consultation completed"
    assert (event["doctor_id"], event["doctor_name"], event["appointment_id"]) == (1, "Dr. 1", first)
    assert event["consultation_id"] == consultation["id"]
    assert (await engine.start(2, patient, second)).status_code == 201


async def test_x_ray_runs_once_next_to_consultation(engine: Engine, patient: int) -> None:
    consultation, x_ray = patient * 10 + 1, patient * 10 + 2
    await engine.admit(patient, {consultation: 1})
    await engine.admit(patient, {x_ray: 2}, prestation_id=X_RAY)

    cardiology = await engine.start(1, patient, consultation)
    x_ray_start = await engine.start(2, patient, x_ray)
    repeated = await engine.start(2, patient, x_ray)

    assert (cardiology.status_code, x_ray_start.status_code, repeated.status_code) == (201, 201, 200)
    assert repeated.json()["id"] == x_ray_start.json()["id"]
    running = await engine.rows(
        "SELECT * FROM patient_trackings WHERE patient_id = :p AND status = 'in_progress'", p=patient
    )
    assert len(running) == 2


async def test_waiting_doctor_is_offered_the_patient(engine: Engine, patient: int) -> None:
    first, second, third = (patient * 10 + n for n in (1, 2, 3))
    await engine.admit(patient, {first: 1, second: 2, third: 3})
    consultation = (await engine.start(1, patient, first)).json()
    async with StaffSubscriber(engine, "doctor", 2) as waiting:
        joined = await engine.start(2, patient, second, wait=True)
        await engine.complete(1, consultation["id"])
        offer = await waiting.next("consultation.available")
        reserved = await engine.start(3, patient, third)
        started = await engine.start(2, patient, second)

    assert joined.json()["position"] == 1
    assert (reserved.status_code, reserved.json()["code"]) == (409, "patient_reserved")
    assert reserved.json()["until"] == offer["offer_until"]
    assert started.status_code == 201


async def test_only_the_caller_gets_the_later_answer(engine: Engine, patient: int) -> None:
    appointment = patient * 10 + 1
    await engine.admit(patient, {appointment: 1})
    body = {"appointment_id": appointment, "patient_id": patient, "doctor_id": 1}
    key = f"later/{patient}"
    async with engine.staff("doctor", 1) as doctor, engine.staff("doctor", 2) as other:
        accepted = await doctor.post(
            "/api/consultations", json=body, headers={"Prefer": "respond-async", "Idempotency-Key": key}
        )
        decision = await _wait_for_decision(doctor, accepted.headers["Location"])
        other_answer = await other.get(accepted.headers["Location"])

    assert accepted.status_code == 202
    assert decision["status"] == 201
    assert decision["body"]["appointment_id"] == appointment
    assert other_answer.status_code == 404


async def _wait_for_decision(client: httpx.AsyncClient, location: str) -> dict[str, Any]:
    for _ in range(1000):
        answer = await client.get(location)
        if answer.status_code != 202:
            break
    assert answer.status_code == 200
    decision: dict[str, Any] = answer.json()
    return decision


async def test_doctor_with_two_patients_is_warned(engine: Engine, patient: int) -> None:
    # A doctor of this test alone: the engine is shared.
    doctor, second_patient = 50, patient + 500_000
    await engine.admit(patient, {patient * 10 + 1: doctor})
    await engine.admit(second_patient, {second_patient * 10 + 1: doctor})

    first = await engine.start(doctor, patient, patient * 10 + 1)
    second = await engine.start(doctor, second_patient, second_patient * 10 + 1)

    assert (first.status_code, second.status_code) == (201, 201)
    assert "warnings" not in first.json()
    (warning,) = second.json()["warnings"]
    assert (warning["consultation_id"], warning["patient_name"]) == (first.json()["id"], f"John Doe{patient}")


async def test_separated_records_are_two_patients(engine: Engine, patient: int) -> None:
    other = patient + 500_000
    await engine.admit(patient, {patient * 10 + 1: 1})
    await engine.admit(other, {other * 10 + 2: 2})
    merge = f"/api/patients/{patient}/merge"
    async with engine.staff("supervisor") as supervisor:
        merged = await supervisor.post(merge, json={"patient_id": other, "reason": "Registered twice."})
        separated = await supervisor.delete(f"{merge}/{other}")

        started = [await engine.start(1, patient, patient * 10 + 1), await engine.start(2, other, other * 10 + 2)]
        visits = [(await supervisor.get(f"/api/patients/{record}/visit")).json() for record in (patient, other)]
        completed = [await engine.complete(doctor, start.json()["id"]) for doctor, start in enumerate(started, 1)]

    assert (merged.status_code, separated.status_code) == (200, 200)
    assert [start.status_code for start in started] == [201, 201]
    assert [(visit["patient_id"], visit["holder"]["doctor_id"]) for visit in visits] == [(patient, 1), (other, 2)]
    assert [answer.json()["patient_id"] for answer in completed] == [patient, other]

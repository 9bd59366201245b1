"""What doctors see of the whole system: the scenarios of the system that this one replaces."""

import httpx

from tests.support.engine import X_RAY, Engine
from tests.support.stream_reader import StreamReader


async def test_the_second_doctor_is_refused_and_told_who_has_the_patient(hospital: Engine, patient: int) -> None:
    await hospital.admit(patient, {patient * 10 + 1: 1, patient * 10 + 2: 2})
    async with StreamReader(hospital, "doctor", 2) as second, StreamReader(hospital, "doctor", 3) as third:
        granted = await hospital.start(1, patient, patient * 10 + 1)
        refused = await hospital.start(2, patient, patient * 10 + 2)
        blocked = await second.next("consultation.blocked")
        after = await hospital.start(1, patient, patient * 10 + 1)
        await third.caught_up()

    assert granted.status_code == 201
    assert granted.headers["Location"] == f"/api/consultations/{granted.json()['id']}"
    assert refused.status_code == 409
    assert refused.headers["Content-Type"] == "application/problem+json"
    told = refused.json()
    assert (told["code"], told["success"], told["in_consultation"]) == ("patient_in_consultation", False, True)
    assert (told["active_doctor"], told["active_doctor_id"], told["prestation"]) == ("Dr. 1", 1, "Cardiology")
    assert told["detail"] == (
        f"Patient John Doe{patient} is currently in consultation with Dr. 1 for Cardiology. "
        "Please wait until the consultation is completed."
    )
    assert blocked["request_id"] == told["request_id"]
    assert blocked["message"] == f"Patient John Doe{patient} is currently in consultation with Dr. 1"
    assert (blocked["active_doctor_id"], blocked["active_doctor_name"]) == (1, "Dr. 1")
    assert (after.status_code, after.json()) == (200, granted.json())
    assert "consultation.blocked" not in third.names()


async def test_a_refused_start_leaves_the_appointment_as_it_was(hospital: Engine, patient: int) -> None:
    first, second = patient * 10 + 1, patient * 10 + 2
    await hospital.admit(patient, {first: 1, second: 2})
    await hospital.start(1, patient, first)

    await hospital.start(2, patient, second)

    [row] = await hospital.rows("SELECT status FROM appointments WHERE id = :id", id=second)
    assert row["status"] == 1


async def test_a_completed_consultation_frees_the_patient_and_every_screen_hears_of_it(
    hospital: Engine, patient: int
) -> None:
    first, second = patient * 10 + 1, patient * 10 + 2
    await hospital.admit(patient, {first: 1, second: 2})
    async with StreamReader(hospital, "reception") as desk:
        consultation = (await hospital.start(1, patient, first)).json()
        await hospital.start(2, patient, second)

        completed = await hospital.complete(1, consultation["id"])

        heard = await desk.next("consultation.completed", patient_id=patient)
    assert completed.status_code == 200
    assert (completed.json()["status"], completed.json()["outcome"]) == ("completed", "done")
    assert heard["message"] == f"Patient John Doe{patient} consultation completed"
    assert (heard["doctor_id"], heard["doctor_name"], heard["appointment_id"]) == (1, "Dr. 1", first)
    assert heard["consultation_id"] == consultation["id"]
    assert (await hospital.start(2, patient, second)).status_code == 201


async def test_an_x_ray_may_run_beside_a_consultation_but_not_twice_for_one_appointment(
    hospital: Engine, patient: int
) -> None:
    consultation, x_ray = patient * 10 + 1, patient * 10 + 2
    await hospital.admit(patient, {consultation: 1})
    await hospital.admit(patient, {x_ray: 2}, prestation_id=X_RAY)

    seen = await hospital.start(1, patient, consultation)
    taken = await hospital.start(2, patient, x_ray)
    again = await hospital.start(2, patient, x_ray)

    assert (seen.status_code, taken.status_code, again.status_code) == (201, 201, 200)
    assert again.json()["id"] == taken.json()["id"]
    running = await hospital.rows(
        "SELECT * FROM patient_trackings WHERE patient_id = :p AND status = 'in_progress'", p=patient
    )
    assert len(running) == 2


async def test_a_doctor_who_waits_is_offered_the_patient_and_the_others_are_kept_off(
    hospital: Engine, patient: int
) -> None:
    mine, waits, comes_by = (patient * 10 + n for n in (1, 2, 3))
    await hospital.admit(patient, {mine: 1, waits: 2, comes_by: 3})
    consultation = (await hospital.start(1, patient, mine)).json()
    async with StreamReader(hospital, "doctor", 2) as waiting:
        joined = await hospital.start(2, patient, waits, wait=True)
        await hospital.complete(1, consultation["id"])
        offer = await waiting.next("consultation.available")
        reserved = await hospital.start(3, patient, comes_by)
        started = await hospital.start(2, patient, waits)

    assert joined.json()["position"] == 1
    assert (reserved.status_code, reserved.json()["code"]) == (409, "patient_reserved")
    assert reserved.json()["until"] == offer["offer_until"]
    assert started.status_code == 201


async def test_an_answer_can_be_fetched_later_by_who_asked_and_nobody_else(hospital: Engine, patient: int) -> None:
    appointment = patient * 10 + 1
    await hospital.admit(patient, {appointment: 1})
    body = {"appointment_id": appointment, "patient_id": patient, "doctor_id": 1}
    key = f"later/{patient}"
    async with hospital.staff("doctor", 1) as doctor, hospital.staff("doctor", 2) as other:
        accepted = await doctor.post(
            "/api/consultations", json=body, headers={"Prefer": "respond-async", "Idempotency-Key": key}
        )
        decided = await _decision(doctor, accepted.headers["Location"])
        foreign = await other.get(accepted.headers["Location"])

    assert accepted.status_code == 202
    assert decided["status"] == 201
    assert decided["body"]["appointment_id"] == appointment
    assert foreign.status_code == 404


async def _decision(client: httpx.AsyncClient, location: str) -> dict[str, object]:
    for _ in range(1000):
        answer = await client.get(location)
        if answer.status_code != 202:
            break
    assert answer.status_code == 200
    found: dict[str, object] = answer.json()
    return found

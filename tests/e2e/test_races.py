"""Many doctors start the same patient at the same moment, over HTTP."""

import asyncio
from collections import Counter

import pytest

from tests.support.decisions import send_until_decided
from tests.support.engine import Engine
from tests.support.staff_subscriber import StaffSubscriber

DOCTORS = 8


@pytest.mark.parametrize("patients", [10, pytest.param(200, marks=[pytest.mark.long, pytest.mark.timeout(600)])])
async def test_one_of_eight_doctors_gets_each_patient(engine: Engine, patients: int) -> None:
    ids = range(10_000 + patients, 10_000 + 2 * patients)
    for patient in ids:
        await engine.admit(patient, {patient * 10 + doctor: doctor for doctor in range(1, DOCTORS + 1)})
    clients = {doctor: engine.staff("doctor", doctor) for doctor in range(1, DOCTORS + 1)}
    subscribers = {doctor: await StaffSubscriber(engine, "doctor", doctor).__aenter__() for doctor in clients}

    async def start(patient: int, doctor: int) -> tuple[int, int, int, dict[str, object]]:
        body = {"appointment_id": patient * 10 + doctor, "patient_id": patient, "doctor_id": doctor}
        headers = {"Idempotency-Key": f"race-{patient}-{doctor}"}
        # On a busy machine the first of these requests can be undecided.
        answer = await send_until_decided(
            lambda: clients[doctor].post("/api/consultations", json=body, headers=headers)
        )
        return patient, doctor, answer.status_code, answer.json()

    # All eight doctors start each patient at the same moment, and ten patients at a time.
    starts = []
    for first in range(0, patients, 10):
        starts += await asyncio.gather(
            *(start(patient, doctor) for patient in ids[first : first + 10] for doctor in clients)
        )

    winners = {patient: doctor for patient, doctor, status, _ in starts if status == 201}
    assert Counter(status for _, _, status, _ in starts) == {201: patients, 409: patients * (DOCTORS - 1)}
    assert set(winners) == set(ids)
    refused = [(patient, doctor, body) for patient, doctor, status, body in starts if status == 409]
    assert all(body["active_doctor_id"] == winners[patient] for patient, _, body in refused)
    assert all(body["code"] == "patient_in_consultation" for _, _, body in refused)
    for patient, doctor, body in refused:
        blocked = await subscribers[doctor].next("consultation.blocked", request_id=body["request_id"])
        assert (blocked["patient_id"], blocked["active_doctor_id"]) == (patient, winners[patient])
    for doctor, subscriber in subscribers.items():
        events = [data for name, _, data in subscriber.events if name == "consultation.blocked"]
        assert len(events) == sum(1 for _, refused_doctor, _ in refused if refused_doctor == doctor)
        await subscriber.__aexit__(None, None, None)
        await clients[doctor].aclose()
    running = await engine.rows(
        "SELECT patient_id, count(*) AS n FROM patient_trackings "
        "WHERE status = 'in_progress' AND patient_id BETWEEN :a AND :b GROUP BY patient_id",
        a=ids[0],
        b=ids[-1],
    )
    assert [row["n"] for row in running] == [1] * patients


async def test_forty_doctors_at_once_are_all_answered(engine: Engine) -> None:
    patient = 20_001
    clients = {doctor: engine.staff("doctor", doctor) for doctor in range(1, 41)}
    await engine.admit(patient, {patient * 100 + doctor: doctor for doctor in clients})

    async def start(doctor: int) -> int:
        body = {"appointment_id": patient * 100 + doctor, "patient_id": patient, "doctor_id": doctor}
        return (await clients[doctor].post("/api/consultations", json=body)).status_code

    statuses = await asyncio.gather(*(start(doctor) for doctor in clients))

    assert Counter(statuses) == {201: 1, 409: 39}
    for client in clients.values():
        await client.aclose()

"""Starts that are not about the patient: the appointment is of another day, or the doctor is in another consultation."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from patient_visit_engine.storage.tables import appointments
from tests.support.api import JOHN_CARDIOLOGY, JOHN_DERMATOLOGY, MARIA_CARDIOLOGY, ApiDriver, ApiOpener, start_body
from tests.support.builders import DR_AMRANI, DR_OKAFOR, JOHN_DOE, NOON

ANSWERS = {
    "off": (201, None, None),
    "warn": (201, None, JOHN_DOE.name),
    "refuse": (409, "doctor_in_consultation", JOHN_DOE.name),
}


async def test_other_day_needs_a_check_in(api: ApiDriver) -> None:
    tomorrow = NOON + timedelta(days=1)
    moved = update(appointments).where(appointments.c.id == JOHN_CARDIOLOGY.id).values(scheduled_at=tomorrow)
    await api.database.write(lambda connection: connection.execute(moved))
    doctor = await api.doctor()

    refused = await doctor.post("/api/consultations", json=start_body())
    checked_in = await doctor.post(f"/api/appointments/{JOHN_CARDIOLOGY.id}/check-in")
    started = await doctor.post("/api/consultations", json=start_body())

    assert (refused.status_code, refused.json()["code"]) == (409, "appointment_not_today")
    assert (refused.json()["actions"], refused.json()["scheduled_at"]) == (["check_in"], "2026-03-03T11:00:00.000Z")
    assert (checked_in.status_code, started.status_code) == (201, 201)


@pytest.mark.parametrize("rule", ANSWERS)
async def test_setting_decides_about_a_busy_doctor(open_api: ApiOpener, rule: str) -> None:
    api = await open_api(doctor_busy=rule)
    doctor = await api.doctor()
    first = await doctor.post("/api/consultations", json=start_body())

    second = await doctor.post(
        "/api/consultations", json=start_body(MARIA_CARDIOLOGY), headers={"Idempotency-Key": "k"}
    )
    again = await doctor.post("/api/consultations", json=start_body(MARIA_CARDIOLOGY), headers={"Idempotency-Key": "k"})

    status, code, patient_name = ANSWERS[rule]
    body = second.json()
    facts = body if code else next(iter(body.get("warnings", [])), {})
    assert (second.status_code, body.get("code")) == (status, code)
    assert facts.get("patient_name") == patient_name
    assert patient_name is None or facts["consultation_id"] == first.json()["id"]
    assert (again.status_code, again.content) == (second.status_code, second.content)


async def test_busy_doctor_can_reopen(open_api: ApiOpener) -> None:
    api = await open_api(doctor_busy="refuse")
    doctor = await api.doctor()
    first = f"/api/consultations/{(await doctor.post('/api/consultations', json=start_body())).json()['id']}"
    await doctor.post(f"{first}/complete")
    await doctor.post("/api/consultations", json=start_body(MARIA_CARDIOLOGY))

    reopened = await doctor.post(f"{first}/reopen")

    assert (reopened.status_code, reopened.json()["status"]) == (200, "in_progress")


async def test_busy_doctor_gets_a_transfer_and_starts_later(open_api: ApiOpener) -> None:
    api = await open_api(doctor_busy="refuse")
    busy, sender = await api.doctor(), await api.doctor(DR_OKAFOR.id)
    await busy.post("/api/consultations", json=start_body(MARIA_CARDIOLOGY))
    started = (await sender.post("/api/consultations", json=start_body(JOHN_DERMATOLOGY))).json()

    given = await sender.post(f"/api/consultations/{started['id']}/transfer", json={"doctor_id": DR_AMRANI.id})
    refused = await busy.post("/api/consultations", json=start_body(JOHN_DERMATOLOGY, doctor_id=DR_AMRANI.id))

    assert given.status_code == 200, given.text
    assert (refused.status_code, refused.json()["code"]) == (409, "doctor_in_consultation")


async def test_default_is_a_warning(api: ApiDriver) -> None:
    doctor = await api.doctor()
    await doctor.post("/api/consultations", json=start_body())

    second = await doctor.post("/api/consultations", json=start_body(MARIA_CARDIOLOGY))
    read = await doctor.get(second.headers["location"])

    assert [warning["code"] for warning in second.json()["warnings"]] == ["doctor_in_consultation"]
    assert "warnings" not in read.json()

"""Calling the next patient of a doctor's list."""

import asyncio

import pytest

from patient_visit_engine.storage.tables import reservations
from patient_visit_engine.storage.upkeep.audit import audit
from tests.support.api import JOHN_CARDIOLOGY, JOHN_DERMATOLOGY, MARIA_CARDIOLOGY, ApiDriver, start_body
from tests.support.builders import DR_AMRANI, DR_OKAFOR
from tests.support.calls_of_patients import CALL, CALL_OF_OKAFOR, IN_CONSULTATION, called, check_in, read_events


async def test_calls_the_first_patient_of_the_list_and_keeps_the_patient(api: ApiDriver) -> None:
    doctor, other, supervisor = await api.doctor(), await api.doctor(DR_OKAFOR.id), await api.staff("supervisor")
    await supervisor.put("/api/doctors/7/room", json={"room": "4"})
    refused_call = await doctor.post(CALL)
    await check_in(api, MARIA_CARDIOLOGY.id, JOHN_CARDIOLOGY.id, JOHN_DERMATOLOGY.id)

    first = await doctor.post(CALL, json={})
    again = await (await api.staff("reception")).post(CALL)
    others = await other.post("/api/consultations", json=start_body(JOHN_DERMATOLOGY))
    maria = (await api.read_worklist())["items"][3]["patient"]
    started = await doctor.post("/api/consultations", json=start_body(MARIA_CARDIOLOGY))

    assert (refused_call.status_code, refused_call.json()["code"]) == (409, "nobody_to_call")
    assert (refused_call.json()["next_at"], refused_call.json()["skipped"]) == (None, [])
    assert first.json() == {
        "appointment_id": MARIA_CARDIOLOGY.id,
        "patient_id": MARIA_CARDIOLOGY.patient_id,
        "patient_name": "Maria Silva",
        "family_name": "Silva",
        "birth_date": None,
        "record_number": None,
        "doctor_id": DR_AMRANI.id,
        "doctor_name": DR_AMRANI.name,
        "prestation_id": 11,
        "prestation": "Cardiology",
        "room": "4",
        "ticket": "A01",
        "until": "2026-03-02T11:03:03.000Z",
        "skipped": [],
    }
    assert again.json() == first.json()
    assert others.status_code == 201, "the other patient is free"
    assert (maria["state"], maria["kind"], maria["doctor_id"]) == ("reserved", "called", DR_AMRANI.id)
    assert started.status_code == 201
    [event] = await read_events(api, "patient.called")
    assert (event["ticket"], event["room"], event["appointment_id"]) == ("A01", "4", MARIA_CARDIOLOGY.id)
    assert await api.count(reservations) == 0
    assert (await api.database.read(audit)).passed


async def test_skips_who_is_not_free_and_keeps_no_refusal(api: ApiDriver) -> None:
    doctor, other = await api.doctor(), await api.doctor(DR_OKAFOR.id)
    await check_in(api, JOHN_CARDIOLOGY.id, JOHN_DERMATOLOGY.id)
    await other.post("/api/consultations", json=start_body(JOHN_DERMATOLOGY))
    key = {"Idempotency-Key": "same"}

    refused_call = await doctor.post(CALL, headers=key)
    await check_in(api, MARIA_CARDIOLOGY.id)
    same_key = await doctor.post(CALL, headers=key)
    repeated = await doctor.post(CALL, headers=key)

    assert (refused_call.status_code, refused_call.json()["code"]) == (409, "nobody_to_call")
    assert refused_call.json()["skipped"] == IN_CONSULTATION
    assert refused_call.json()["next_at"] == "2026-03-02T11:15:02.000Z", "the end that is expected"
    assert (called(same_key), same_key.json()["skipped"]) == (MARIA_CARDIOLOGY.id, IN_CONSULTATION)
    assert repeated.json() == same_key.json()


async def test_two_doctors_never_call_one_patient(api: ApiDriver) -> None:
    doctor, other = await api.doctor(), await api.doctor(DR_OKAFOR.id)
    await check_in(api, JOHN_CARDIOLOGY.id, JOHN_DERMATOLOGY.id)

    answers = await asyncio.gather(doctor.post(CALL), other.post(CALL_OF_OKAFOR), doctor.post(CALL))
    refused = next(answer for answer in answers if answer.status_code == 409)
    granted = {called(answer) for answer in answers if answer.status_code == 200}

    assert (len(granted), refused.json()["code"]) == (1, "nobody_to_call")
    [skipped] = refused.json()["skipped"]
    assert skipped["reason"] == "patient_reserved"
    assert await api.count(reservations) == 1


async def test_pressing_on_reserves_one_patient(api: ApiDriver) -> None:
    doctor, reception = await api.doctor(), await api.staff("reception")
    await check_in(api, JOHN_CARDIOLOGY.id, MARIA_CARDIOLOGY.id)

    answers = await asyncio.gather(*(client.post(CALL) for client in (doctor, reception) for _ in range(4)))

    assert {called(answer) for answer in answers} == {JOHN_CARDIOLOGY.id}
    assert await api.count(reservations) == 1
    assert len(await read_events(api, "patient.called")) == 1


async def test_call_can_be_limited_to_prestations(api: ApiDriver) -> None:
    doctor = await api.doctor()
    await check_in(api, JOHN_CARDIOLOGY.id)

    other_prestation = await doctor.post(CALL, json={"prestation_ids": [12]})
    wrong = await doctor.post(CALL, json={"prestation_ids": list(range(1, 52))})
    empty = await doctor.post(CALL, json={"prestation_ids": []})
    same_prestation = await doctor.post(CALL, json={"prestation_ids": [12, 11]})

    assert (other_prestation.json()["code"], called(same_prestation)) == ("nobody_to_call", JOHN_CARDIOLOGY.id)
    assert [wrong.status_code, empty.status_code] == [422, 422]


@pytest.mark.parametrize(("role", "status"), [("supervisor", 403), ("service", 403), ("reception", 404)])
async def test_who_may_call(api: ApiDriver, role: str, status: int) -> None:
    assert (await (await api.staff(role)).post("/api/doctors/99/call-next")).status_code == status


async def test_doctor_calls_only_from_the_own_list(api: ApiDriver) -> None:
    answer = await (await api.doctor()).post(CALL_OF_OKAFOR)

    assert (answer.status_code, answer.json()["code"]) == (403, "not_yours")

"""Patients who do not come when they are called."""

from typing import Any

from sqlalchemy import insert

from patient_visit_engine.storage.tables import patients
from patient_visit_engine.storage.upkeep.audit import audit
from tests.support.api import JOHN_CARDIOLOGY, MARIA_CARDIOLOGY, ApiDriver, start_body
from tests.support.builders import DR_OKAFOR, MARIA_SILVA, Patient, an_appointment, seed
from tests.support.calls_of_patients import CALL, called, check_in, read_events


async def test_patient_who_does_not_come_stands_behind_the_next_one(api: ApiDriver) -> None:
    doctor, reception = await api.doctor(), await api.staff("reception")
    await check_in(api, JOHN_CARDIOLOGY.id, MARIA_CARDIOLOGY.id)
    john, maria = JOHN_CARDIOLOGY.id, MARIA_CARDIOLOGY.id
    calls: list[int] = []
    for _ in range(6):
        calls.append(called(await doctor.post(CALL)))
        unanswered = await reception.post(f"/api/appointments/{calls[-1]}/no-answer")
        assert unanswered.status_code == 200, unanswered.text
        api.clock.advance(seconds=10)

    refused_call = await doctor.post(CALL)
    not_called = await doctor.post(f"/api/appointments/{john}/no-answer")
    items = (await api.read_worklist("?doctor_id=7"))["items"]
    second_check_in = await reception.post(f"/api/appointments/{maria}/check-in")

    assert calls == [john, maria, john, maria, john, maria]
    assert unanswered.json() == {"appointment_id": maria, "no_answers": 3}
    assert [each["reason"] for each in refused_call.json()["skipped"]] == ["no_answers"] * 2
    assert (not_called.status_code, not_called.json()["code"]) == (409, "not_called")
    assert {(item["why"], item["no_answers"]) for item in items} == {("for_desk", 3)}
    assert (second_check_in.status_code, called(await doctor.post(CALL))) == (200, maria)
    assert [
        event["no_answers"] for event in await read_events(api, "appointment.updated") if "no_answers" in event
    ] == [
        1,
        1,
        2,
        2,
        3,
        3,
        0,
    ]
    assert (await api.database.read(audit)).passed


async def test_patient_who_does_not_come_stands_behind_the_next_free_one(api: ApiDriver) -> None:
    """Maria, who is next in the list, is with another doctor."""
    doctor, other, peter = await api.doctor(), await api.doctor(DR_OKAFOR.id), Patient(300, "Peter", "Doe")
    of_maria = an_appointment(DR_OKAFOR, number=6, patient=MARIA_SILVA)
    of_peter = an_appointment(number=7, patient=peter)

    def insert_peter(connection: Any) -> None:
        connection.execute(insert(patients).values(id=peter.id, last_name=peter.last_name))
        seed(connection, of_maria, of_peter)

    await api.database.write(insert_peter)
    await check_in(api, JOHN_CARDIOLOGY.id, MARIA_CARDIOLOGY.id, of_peter.id, of_maria.id)
    in_consultation = await other.post("/api/consultations", json=start_body(of_maria))
    calls: list[int] = []
    for _ in range(3):
        calls.append(called(await doctor.post(CALL)))
        await doctor.post(f"/api/appointments/{calls[-1]}/no-answer")

    assert in_consultation.status_code == 201
    assert calls == [JOHN_CARDIOLOGY.id, of_peter.id, JOHN_CARDIOLOGY.id]


async def test_no_answer_is_only_about_the_last_call(api: ApiDriver) -> None:
    doctor, other = await api.doctor(), await api.doctor(DR_OKAFOR.id)
    await check_in(api, JOHN_CARDIOLOGY.id, MARIA_CARDIOLOGY.id)
    path = f"/api/appointments/{JOHN_CARDIOLOGY.id}/no-answer"
    never_called = await doctor.post(path)
    await doctor.post(CALL)

    not_mine = await other.post(path)
    not_reserved = await doctor.post(f"/api/appointments/{MARIA_CARDIOLOGY.id}/no-answer")
    await doctor.post("/api/consultations", json=start_body(JOHN_CARDIOLOGY))
    came = await doctor.post(path)

    assert [never_called.json()["code"], not_reserved.json()["code"]] == ["not_called"] * 2
    assert (not_mine.status_code, came.json()["code"]) == (403, "appointment_in_progress")

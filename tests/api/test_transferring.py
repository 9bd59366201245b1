"""Transfers of consultations: the receiver has the patient next, and no third doctor comes between."""

import asyncio
import json

from sqlalchemy import select

from patient_visit_engine.storage.tables import events
from patient_visit_engine.storage.upkeep.audit import audit
from tests.support.api import JOHN_CARDIOLOGY, JOHN_DERMATOLOGY, ApiDriver, start_body
from tests.support.builders import DR_OKAFOR, DR_SMITH

TO_OKAFOR = {"doctor_id": DR_OKAFOR.id}


async def test_receiver_has_the_patient_next(api: ApiDriver) -> None:
    doctor, supervisor, receiver = await api.doctor(), await api.staff("supervisor"), await api.doctor(DR_OKAFOR.id)
    arrived = (await (await api.staff("reception")).post(f"/api/appointments/{JOHN_CARDIOLOGY.id}/check-in")).json()
    started = (await doctor.post("/api/consultations", json=start_body())).json()
    transfer = f"/api/consultations/{started['id']}/transfer"
    api.clock.advance(minutes=5)

    unknown = await doctor.post(transfer, json={"doctor_id": 99})
    own = await doctor.post(transfer, json={"doctor_id": JOHN_CARDIOLOGY.doctor_id})
    not_mine = await receiver.post(transfer, json={"doctor_id": DR_SMITH.id})
    given = await doctor.post(transfer, json=TO_OKAFOR)
    again = await supervisor.post(transfer, json=TO_OKAFOR)
    other = await supervisor.post(transfer, json={"doctor_id": DR_SMITH.id})
    items = (await api.read_worklist())["items"]
    [item] = [item for item in items if item["appointment_id"] == JOHN_CARDIOLOGY.id]
    names = await api.database.read(lambda connection: list(connection.scalars(select(events.c.name))))
    data = await api.database.read(
        lambda connection: connection.scalar(select(events.c.data).where(events.c.name == "consultation.transferred"))
    )
    body = start_body(JOHN_CARDIOLOGY, doctor_id=DR_OKAFOR.id)
    goes_on = await receiver.post("/api/consultations", json=body)

    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_doctor")
    assert (own.status_code, own.json()["code"]) == (422, "same_doctor")
    assert (not_mine.status_code, not_mine.json()["code"]) == (403, "not_yours")
    assert (given.status_code, given.json()["outcome"]) == (200, "transferred"), given.text
    assert again.json() == given.json()
    assert (other.status_code, other.json()["code"]) == (409, "consultation_ended")
    assert (item["doctor_id"], item["checked_in_at"]) == (DR_OKAFOR.id, arrived["check_in_time"])
    assert names[-5:] == [
        "consultation.completed",
        "consultation.transferred",
        "appointment.updated",
        "appointment.updated",
        "patient.updated",
    ]
    assert json.loads(data or "")["to_doctor_name"] == DR_OKAFOR.name
    assert goes_on.status_code == 201, goes_on.text
    assert (await api.database.read(audit)).passed


async def test_third_doctor_at_the_same_moment_never_gets_in(api: ApiDriver) -> None:
    doctor, third, receiver = await api.doctor(), await api.doctor(DR_OKAFOR.id), await api.doctor(DR_SMITH.id)
    started = (await doctor.post("/api/consultations", json=start_body())).json()

    given, *starts = await asyncio.gather(
        doctor.post(f"/api/consultations/{started['id']}/transfer", json={"doctor_id": DR_SMITH.id}),
        *(third.post("/api/consultations", json=start_body(JOHN_DERMATOLOGY)) for _ in range(3)),
    )
    starts.append(await third.post("/api/consultations", json=start_body(JOHN_DERMATOLOGY)))
    goes_on = await receiver.post("/api/consultations", json=start_body(JOHN_CARDIOLOGY, doctor_id=DR_SMITH.id))

    assert given.status_code == 200, given.text
    assert {answer.json()["code"] for answer in starts} <= {"patient_in_consultation", "patient_reserved"}
    assert goes_on.status_code == 201, goes_on.text
    assert (await api.database.read(audit)).passed

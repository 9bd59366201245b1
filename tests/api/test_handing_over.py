"""Changes of a day's order: priority, and another doctor for one appointment or for all of a doctor's day."""

import json
from typing import Any

from sqlalchemy import Connection, select

from patient_visit_engine.storage.tables import events
from patient_visit_engine.storage.upkeep.audit import audit
from tests.support.api import JOHN_CARDIOLOGY, ApiDriver, start_body
from tests.support.builders import DR_OKAFOR

CARDIOLOGY = f"/api/appointments/{JOHN_CARDIOLOGY.id}"
PRIORITY, REASSIGN = f"{CARDIOLOGY}/priority", f"{CARDIOLOGY}/reassign"


async def item_of(api: ApiDriver, appointment_id: int = JOHN_CARDIOLOGY.id) -> dict[str, object]:
    """The appointment as the worklist shows it."""
    items = (await api.read_worklist())["items"]
    return next(item for item in items if item["appointment_id"] == appointment_id)


def read_updates(connection: Connection) -> list[dict[str, Any]]:
    """The data of each `appointment.updated`, in order."""
    query = select(events.c.data).where(events.c.name == "appointment.updated").order_by(events.c.seq)
    return [json.loads(data) for data in connection.scalars(query)]


async def test_reception_sets_and_removes_a_priority(api: ApiDriver) -> None:
    reception, supervisor = await api.staff("reception"), await api.staff("supervisor")

    first = await reception.patch(PRIORITY, json={"priority": 1, "reason": "fever"}, headers={"Idempotency-Key": "k"})
    shown = (await item_of(api))["priority"]
    day = (await supervisor.get(f"/api/patients/{JOHN_CARDIOLOGY.patient_id}/visit")).json()
    removed = await reception.patch(PRIORITY, json={"priority": None})
    repeated = await reception.patch(
        PRIORITY, json={"priority": 1, "reason": "fever"}, headers={"Idempotency-Key": "k"}
    )

    assert (first.status_code, first.json()) == (200, {"appointment_id": JOHN_CARDIOLOGY.id, "priority": 1})
    assert shown == 1
    entry = day["timeline"][-1]
    assert (entry["event"], entry["priority"], entry["reason"]) == ("priority", 1, "fever")
    assert removed.json()["priority"] is None
    assert (repeated.json(), (await item_of(api))["priority"]) == (first.json(), None)
    assert [update["priority"] for update in await api.database.read(read_updates)] == [1, None]
    assert (await api.database.read(audit)).passed


async def test_priority_is_for_the_own_doctor_and_stays_after_the_start(api: ApiDriver) -> None:
    doctor = await api.doctor()
    version = (await doctor.get(f"/api/appointments/{JOHN_CARDIOLOGY.id}")).json()["version"]

    other = await (await api.doctor(DR_OKAFOR.id)).patch(PRIORITY, json={"priority": 2})
    own = await doctor.patch(PRIORITY, json={"priority": 2})
    read = (await doctor.get(f"/api/appointments/{JOHN_CARDIOLOGY.id}")).json()
    started = await doctor.post("/api/consultations", json=start_body())
    await doctor.post(f"/api/consultations/{started.json()['id']}/complete")
    late = await doctor.patch(PRIORITY, json={"priority": 3})

    assert (other.status_code, other.json()["code"]) == (403, "not_yours")
    assert (own.status_code, read["version"]) == (200, version)
    assert (late.status_code, late.json()["code"]) == (409, "appointment_closed")
    assert (await item_of(api))["priority"] == 2


async def test_reassigned_patient_keeps_the_arrival_time(api: ApiDriver) -> None:
    reception, body = await api.staff("reception"), {"doctor_id": DR_OKAFOR.id, "reason": "ill"}
    arrived = (await reception.post(f"{CARDIOLOGY}/check-in")).json()
    api.clock.advance(minutes=10)

    given = await reception.post(REASSIGN, json=body, headers={"Idempotency-Key": "k"})
    again = await reception.post(REASSIGN, json=body)
    repeated = await reception.post(REASSIGN, json=body, headers={"Idempotency-Key": "k"})

    assert (given.status_code, given.json()["doctor_id"]) == (200, DR_OKAFOR.id), given.text
    assert (again.json(), repeated.json()) == (given.json(), given.json())
    item = await item_of(api)
    assert (item["doctor_id"], item["checked_in_at"]) == (DR_OKAFOR.id, arrived["check_in_time"])
    tracking = (await reception.get(f"/api/patients/{JOHN_CARDIOLOGY.patient_id}/trackings")).json()["items"][-1]
    assert tracking == arrived | {"doctor_id": DR_OKAFOR.id}
    updates = await api.database.read(read_updates)
    assert [update["doctor_id"] for update in updates[-2:]] == [JOHN_CARDIOLOGY.doctor_id, DR_OKAFOR.id]
    day = (await (await api.staff("supervisor")).get(f"/api/patients/{JOHN_CARDIOLOGY.patient_id}/visit")).json()
    entry = day["timeline"][-1]
    assert (entry["event"], entry["to_doctor"], entry["reason"]) == ("reassigned", DR_OKAFOR.name, "ill")
    started = await (await api.doctor(DR_OKAFOR.id)).post(
        "/api/consultations", json=start_body(JOHN_CARDIOLOGY, doctor_id=DR_OKAFOR.id)
    )
    assert started.status_code == 201, started.text
    assert (await api.database.read(audit)).passed


async def test_reassign_is_refused_once_the_consultation_has_begun(api: ApiDriver) -> None:
    doctor, body = await api.doctor(), {"doctor_id": DR_OKAFOR.id}
    unknown = await doctor.post(REASSIGN, json={"doctor_id": 99})
    other = await (await api.doctor(DR_OKAFOR.id)).post(REASSIGN, json=body)
    started = await doctor.post("/api/consultations", json=start_body())

    running = await doctor.post(REASSIGN, json=body)
    await doctor.post(f"/api/consultations/{started.json()['id']}/complete")
    done = await doctor.post(REASSIGN, json=body)

    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_doctor")
    assert (other.status_code, other.json()["code"]) == (403, "not_yours")
    assert (running.status_code, running.json()["code"]) == (409, "tracking_open")
    assert (done.status_code, done.json()["code"]) == (409, "appointment_closed")
    assert (await item_of(api))["doctor_id"] == JOHN_CARDIOLOGY.doctor_id


async def test_inactive_doctor_gets_no_appointment(api: ApiDriver) -> None:
    inactive = {"name": DR_OKAFOR.name, "active": False}
    await (await api.staff("service")).put(f"/api/doctors/{DR_OKAFOR.id}", json=inactive)

    answer = await (await api.doctor()).post(REASSIGN, json={"doctor_id": DR_OKAFOR.id})

    assert (answer.status_code, answer.json()["code"]) == (409, "doctor_inactive")

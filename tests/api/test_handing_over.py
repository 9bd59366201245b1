"""Changes of a day's order: priority, and another doctor for one appointment or for all of a doctor's day."""

import json
from typing import Any

from sqlalchemy import Connection, select

from patient_visit_engine.storage.tables import events
from patient_visit_engine.storage.upkeep.audit import audit
from tests.support.api import JOHN_CARDIOLOGY, ApiDriver, start_body
from tests.support.builders import DR_OKAFOR

PRIORITY = f"/api/appointments/{JOHN_CARDIOLOGY.id}/priority"


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

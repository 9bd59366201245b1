"""`PUT` of appointments with the id of a retired record: it stands for the survivor."""

import json
from typing import Any

import pytest
from sqlalchemy import Connection, select

from patient_visit_engine.storage.tables import appointments, events, waiting_line
from patient_visit_engine.visit.calendar import to_rfc3339
from tests.support.api import JOHN_CARDIOLOGY, JOHN_DERMATOLOGY, MARIA_CARDIOLOGY, ApiDriver, start_body
from tests.support.builders import DR_OKAFOR, JOHN_DOE, MARIA_SILVA, NOON
from tests.support.merged_records import make_one_person

RETIRED, SURVIVOR = MARIA_SILVA.id, JOHN_DOE.id
#: Two other records of one person.
OTHER_RETIRED, OTHER_SURVIVOR = 125, 126


@pytest.fixture
async def merged(api: ApiDriver) -> ApiDriver:
    """John Doe and Maria Silva are one person, and so are two other records."""
    service = await api.staff("service")
    for number in (OTHER_RETIRED, OTHER_SURVIVOR):
        await service.put(f"/api/patients/{number}", json={"first_name": "Ada", "last_name": f"Byron {number}"})
    await api.database.write(make_one_person, SURVIVOR, RETIRED)
    await api.database.write(make_one_person, OTHER_SURVIVOR, OTHER_RETIRED)
    return api


def body_of(appointment: Any, patient_id: int) -> dict[str, Any]:
    return {
        "patient_id": patient_id,
        "doctor_id": appointment.doctor_id,
        "prestation_id": appointment.prestation_id,
        "scheduled_at": to_rfc3339(NOON),
    }


def read_record(connection: Connection, appointment_id: int) -> int | None:
    return connection.scalar(select(appointments.c.patient_id).where(appointments.c.id == appointment_id))


def read_events(connection: Connection) -> list[tuple[int, int, str]]:
    """The patient of each event, in its row and in its data, with the name."""
    rows = connection.execute(select(events.c.patient_id, events.c.data).order_by(events.c.seq))
    return [(row.patient_id, (data := json.loads(row.data))["patient_id"], data["patient_name"]) for row in rows]


async def test_new_appointment_is_the_survivors(merged: ApiDriver) -> None:
    service = await merged.staff("service")

    created = await service.put("/api/appointments/77", json=body_of(JOHN_CARDIOLOGY, RETIRED))

    assert (created.status_code, created.json()["patient_id"]) == (201, SURVIVOR)
    # So a separation gives it back.
    assert await merged.database.read(read_record, 77) == RETIRED
    assert await merged.database.read(read_events) == [(SURVIVOR, SURVIVOR, JOHN_DOE.name)]


@pytest.mark.parametrize("patient_id", [SURVIVOR, RETIRED])
@pytest.mark.parametrize("appointment", [JOHN_CARDIOLOGY, MARIA_CARDIOLOGY], ids=["survivor's", "retired record's"])
@pytest.mark.parametrize("is_open", [False, True], ids=["nothing open", "checked in"])
async def test_put_with_either_id_changes_nothing(
    merged: ApiDriver, appointment: Any, patient_id: int, is_open: bool
) -> None:
    service = await merged.staff("service")
    if is_open:
        assert (await service.post(f"/api/appointments/{appointment.id}/check-in")).status_code == 201
    merged.visits.sent.clear()
    before = await merged.all_rows()
    # What was sent is noted, in this table only.
    before.pop("sent_records")

    answer = await service.put(f"/api/appointments/{appointment.id}", json=body_of(appointment, patient_id))

    assert (answer.status_code, answer.json()["patient_id"]) == (200, SURVIVOR)
    after = await merged.all_rows()
    after.pop("sent_records")
    assert after == before
    assert merged.visits.sent == []


@pytest.mark.parametrize("in_line", [False, True], ids=["nothing open", "in line"])
async def test_appointment_moves_to_the_other_survivor(merged: ApiDriver, in_line: bool) -> None:
    service = await merged.staff("service")
    if in_line:
        await (await merged.doctor()).post("/api/consultations", json=start_body(MARIA_CARDIOLOGY))
        await (await merged.doctor(DR_OKAFOR.id)).post(f"/api/appointments/{JOHN_DERMATOLOGY.id}/wait")

    moved = await service.put(f"/api/appointments/{JOHN_DERMATOLOGY.id}", json=body_of(JOHN_DERMATOLOGY, OTHER_RETIRED))

    assert (moved.status_code, moved.json()["patient_id"]) == (200, OTHER_SURVIVOR)
    assert await merged.database.read(read_record, JOHN_DERMATOLOGY.id) == OTHER_RETIRED
    assert await merged.count(waiting_line) == 0
    name = f"Ada Byron {OTHER_SURVIVOR}"
    assert (OTHER_SURVIVOR, OTHER_SURVIVOR, name) in await merged.database.read(read_events)


@pytest.mark.parametrize("decided", [False, True], ids=["before the decision", "after the decision"])
async def test_appointment_moves_to_the_record_that_is_separated_on_the_way(
    api: ApiDriver, monkeypatch: pytest.MonkeyPatch, decided: bool
) -> None:
    service, supervisor = await api.staff("service"), await api.staff("supervisor")
    for number in (OTHER_RETIRED, OTHER_SURVIVOR):
        await service.put(f"/api/patients/{number}", json={"first_name": "Ada", "last_name": f"Byron {number}"})
    merge = f"/api/patients/{OTHER_SURVIVOR}/merge"
    await supervisor.post(merge, json={"patient_id": OTHER_RETIRED, "reason": "Same birth date"})
    await (await api.doctor()).post("/api/consultations", json=start_body(JOHN_CARDIOLOGY))
    await (await api.doctor(DR_OKAFOR.id)).post(f"/api/appointments/{JOHN_DERMATOLOGY.id}/wait")
    send, path = api.visits.send, f"/api/appointments/{JOHN_DERMATOLOGY.id}"
    etag = (await service.get(path)).headers["etag"]

    async def separate_on_the_way(*arguments: Any) -> None:
        monkeypatch.setattr(api.visits, "send", send)
        if decided:
            await send(*arguments)
        assert (await supervisor.delete(f"{merge}/{OTHER_RETIRED}")).status_code == 200
        if not decided:
            await send(*arguments)

    monkeypatch.setattr(api.visits, "send", separate_on_the_way)
    moved = await service.put(path, json=body_of(JOHN_DERMATOLOGY, OTHER_RETIRED), headers={"If-Match": etag})

    # Never the former survivor: this record is another patient again.
    assert (moved.status_code, moved.json().get("patient_id")) == (200, OTHER_RETIRED)
    assert await api.database.read(read_record, JOHN_DERMATOLOGY.id) == OTHER_RETIRED


async def test_put_of_unknown_patient_is_refused(merged: ApiDriver) -> None:
    service = await merged.staff("service")

    unknown = await service.put("/api/appointments/77", json=body_of(JOHN_CARDIOLOGY, 999))

    assert (unknown.status_code, unknown.json()["code"]) == (422, "unknown_reference")
    assert unknown.json()["field"] == "patient_id"

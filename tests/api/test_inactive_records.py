"""An inactive doctor or prestation takes no new appointment and no start. What runs goes on."""

from typing import Any

import pytest

from tests.support.api import JOHN_CARDIOLOGY, JOHN_DERMATOLOGY, ApiDriver, start_body
from tests.support.builders import CARDIOLOGY, DERMATOLOGY, DR_AMRANI, DR_OKAFOR, NOON, minutes

CARDIOLOGY_PATH = f"/api/appointments/{JOHN_CARDIOLOGY.id}"
DR_BODY: dict[str, Any] = {"name": DR_AMRANI.name}
CARDIOLOGY_BODY: dict[str, Any] = {"name": CARDIOLOGY.name, "exclusive": True, "expected_minutes": 20}
KINDS = [
    pytest.param(f"/api/doctors/{DR_AMRANI.id}", DR_BODY, "doctor", id="doctor"),
    pytest.param(f"/api/prestations/{CARDIOLOGY.id}", CARDIOLOGY_BODY, "prestation", id="prestation"),
]
OTHERS = {"doctor_id": DR_OKAFOR.id, "prestation_id": DERMATOLOGY.id}


def body_of(**fields: Any) -> dict[str, Any]:
    """The body that feeds John's cardiology, with these fields changed."""
    body = {"patient_id": JOHN_CARDIOLOGY.patient_id, "doctor_id": DR_AMRANI.id, "prestation_id": CARDIOLOGY.id}
    return {**body, "scheduled_at": NOON.isoformat(), **fields}


async def test_stores_room_and_activity(api: ApiDriver) -> None:
    service = await api.staff("service")

    away = await service.put("/api/doctors/7", json=DR_BODY | {"room": " 4B ", "active": False})
    back = await service.put("/api/doctors/7", json=DR_BODY)
    gone = await service.put("/api/prestations/11", json=CARDIOLOGY_BODY | {"active": False})

    assert (away.json()["room"], away.json()["active"]) == ("4B", False)
    assert (back.json()["room"], back.json()["active"]) == (None, True)
    assert gone.json()["active"] is False


@pytest.mark.parametrize(("path", "body", "kind"), KINDS)
async def test_inactive_record_takes_no_new_appointment(
    api: ApiDriver, path: str, body: dict[str, Any], kind: str
) -> None:
    service = await api.staff("service")
    field = f"{kind}_id"
    moved = await service.put(CARDIOLOGY_PATH, json=body_of(**{field: OTHERS[field]}))
    await service.put(path, json=body | {"active": False})
    before = await api.all_rows()

    answers = [await service.put(to, json=body_of()) for to in ("/api/appointments/77", CARDIOLOGY_PATH)]

    assert moved.status_code == 200
    for answer in answers:
        assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (422, "inactive_reference", field)
    assert await api.all_rows() == before


@pytest.mark.parametrize(("path", "body", "kind"), KINDS)
async def test_appointment_stays_changeable_and_unstarted(
    api: ApiDriver, path: str, body: dict[str, Any], kind: str
) -> None:
    service, reception, doctor = await api.staff("service"), await api.staff("reception"), await api.doctor()
    await service.put(path, json=body | {"active": False})

    rescheduled = await service.put(CARDIOLOGY_PATH, json=body_of(scheduled_at=(NOON + minutes(5)).isoformat()))
    arrived = await reception.post(f"{CARDIOLOGY_PATH}/check-in")
    refused = await doctor.post("/api/consultations", json=start_body())
    await service.put(path, json=body)
    started = await doctor.post("/api/consultations", json=start_body())

    assert (rescheduled.status_code, arrived.status_code) == (200, 201)
    assert (refused.status_code, refused.json()["code"]) == (409, f"{kind}_inactive")
    assert started.status_code == 201


@pytest.mark.parametrize(("path", "body", "kind"), KINDS)
async def test_running_consultation_goes_on(api: ApiDriver, path: str, body: dict[str, Any], kind: str) -> None:
    service, doctor = await api.staff("service"), await api.doctor()
    started = await doctor.post("/api/consultations", json=start_body())
    consultation = f"/api/consultations/{started.json()['id']}"
    await service.put(path, json=body | {"active": False})

    again = await doctor.post("/api/consultations", json=start_body())
    extended = await doctor.post(f"{consultation}/extend", json={"minutes": 5})
    completed = await doctor.post(f"{consultation}/complete")

    assert (again.status_code, again.json()["id"]) == (200, started.json()["id"])
    assert (extended.status_code, completed.status_code) == (200, 200)


async def test_inactive_doctor_cannot_join_line(api: ApiDriver) -> None:
    okafor = await api.doctor(DR_OKAFOR.id)
    await (await api.doctor()).post("/api/consultations", json=start_body())
    await (await api.staff("service")).put("/api/doctors/8", json={"name": DR_OKAFOR.name, "active": False})

    start = await okafor.post("/api/consultations", json=start_body(JOHN_DERMATOLOGY, wait=True))
    wait = await okafor.post(f"/api/appointments/{JOHN_DERMATOLOGY.id}/wait")

    assert [answer.json()["code"] for answer in (start, wait)] == ["doctor_inactive"] * 2

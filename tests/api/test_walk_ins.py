"""Walk-ins: a new or a known patient gets an appointment for now, checked in, in one decision."""

from typing import Any

import pytest
from sqlalchemy import Connection, select, update

from patient_visit_engine.storage.tables import appointments, doctors, patients, requests
from patient_visit_engine.storage.upkeep.audit import audit
from tests.support.api import ApiDriver, start_body
from tests.support.builders import CARDIOLOGY, DR_AMRANI, DR_OKAFOR, DR_SMITH, JOHN_DOE, MARIA_SILVA, X_RAY

WALK_INS = "/api/walk-ins"
NEW: dict[str, Any] = {
    "patient": {"first_name": "Nora", "last_name": "Field", "birth_date": "1980-02"},
    "doctor_id": DR_AMRANI.id,
    "prestation_id": CARDIOLOGY.id,
}
BY_IDENTIFIER: dict[str, Any] = NEW | {"patient": {"identifier": "m|7"}}
MARIA = {"last_name": "Silva", "identifiers": [{"system": "m", "value": "7"}]}
KNOWN: dict[str, Any] = {"patient_id": JOHN_DOE.id, "doctor_id": DR_SMITH.id, "prestation_id": X_RAY.id}


def read_walk_ins(connection: Connection) -> list[Any]:
    columns = appointments.c.id, appointments.c.patient_id, appointments.c.priority
    return [tuple(row) for row in connection.execute(select(*columns).where(appointments.c.origin == "walk_in"))]


def read_materials(connection: Connection) -> list[str | None]:
    return list(connection.scalars(select(requests.c.material)))


async def test_new_patient_walks_in(api: ApiDriver) -> None:
    reception = await api.staff("reception")

    answer = await reception.post(WALK_INS, json=NEW | {"priority": 2})

    body = answer.json()
    assert (answer.status_code, body["ticket"], body["tracking"]["status"]) == (201, "A01", "pending")
    assert body["tracking"]["appointment_id"] == body["appointment_id"] >= 2**40
    assert await api.database.read(read_walk_ins) == [(body["appointment_id"], body["patient_id"], 2)]
    [item] = (await reception.get("/api/board")).json()["items"]
    assert (item["patient_name"], item["birth_date"], item["ticket"]) == ("Nora Field", "1980-02", "A01")
    assert (await reception.get("/api/patients", params={"q": "nora"})).json()["total"] == 1
    started = await (await api.doctor()).post(
        "/api/consultations",
        json={name: body[name] for name in ("appointment_id", "patient_id")} | {"doctor_id": DR_AMRANI.id},
    )
    assert started.status_code == 201
    assert (await api.database.read(audit)).passed


async def test_names_wait_in_the_database_only(api: ApiDriver) -> None:
    reception = await api.staff("reception")
    headers = {"Idempotency-Key": "walk-in"}
    api.visits.away = True
    assert (await reception.post(WALK_INS, json=NEW, headers=headers)).status_code == 503
    [material] = await api.database.read(read_materials)
    assert material is not None
    assert "Nora" in material
    [command] = api.visits.unanswered
    assert "Nora" not in command.model_dump_json()
    api.visits.away = False

    first = await reception.post(WALK_INS, json=NEW, headers=headers)
    again = await reception.post(WALK_INS, json=NEW, headers=headers)

    assert first.status_code == again.status_code == 201
    assert again.json() == first.json()
    assert len(await api.database.read(read_walk_ins)) == 1
    # The repeat has the ids of the first command, which can still be on its way.
    assert command.walk_in.id == first.json()["appointment_id"]  # type: ignore[union-attr]
    assert await api.database.read(read_materials) == [None]


async def test_known_patient_gets_the_ticket_of_the_day(api: ApiDriver) -> None:
    reception = await api.staff("reception")
    await reception.post(f"/api/patients/{JOHN_DOE.id}/check-in")

    answer = await reception.post(WALK_INS, json=KNOWN)

    assert (answer.status_code, answer.json()["patient_id"], answer.json()["ticket"]) == (201, JOHN_DOE.id, "A01")
    # The check-in was a mistake: the appointment has a status from before an arrival.
    undone = await reception.delete(f"/api/appointments/{answer.json()['appointment_id']}/check-in")
    assert undone.json()["status"] == "confirmed"
    assert (await api.database.read(audit)).passed


async def test_patient_is_named_by_an_identifier(api: ApiDriver) -> None:
    reception, service = await api.staff("reception"), await api.staff("service")
    await service.put(f"/api/patients/{MARIA_SILVA.id}", json=MARIA)
    merge = {"patient_id": MARIA_SILVA.id, "reason": "one person"}
    assert (await service.post(f"/api/patients/{JOHN_DOE.id}/merge", json=merge)).status_code == 200

    answer = await reception.post(WALK_INS, json=BY_IDENTIFIER)

    # The retired record has the identifier. Its survivor is the patient, and a separation gives the appointment back to it.
    assert (answer.status_code, answer.json()["patient_id"]) == (201, JOHN_DOE.id)
    assert [row[1] for row in await api.database.read(read_walk_ins)] == [MARIA_SILVA.id]
    assert (await api.database.read(audit)).passed


async def test_one_name_is_enough_for_a_new_patient(api: ApiDriver) -> None:
    reception = await api.staff("reception")
    body = NEW | {"patient": {"first_name": " ", "last_name": "Suharto"}}

    answer = await reception.post(WALK_INS, json=body)

    assert answer.status_code == 201
    stored = (await reception.get(f"/api/patients/{answer.json()['patient_id']}")).json()
    assert (stored["first_name"], stored["last_name"]) == (None, "Suharto")


async def test_doctor_adds_to_the_own_list_or_sends_a_patient_on(api: ApiDriver) -> None:
    amrani, okafor = await api.doctor(), await api.doctor(DR_OKAFOR.id)

    own = await amrani.post(WALK_INS, json=NEW)
    new_for_another = await okafor.post(WALK_INS, json=NEW)
    before = await amrani.post(WALK_INS, json=KNOWN)
    await amrani.post("/api/consultations", json=start_body())
    sent_on = await amrani.post(WALK_INS, json=KNOWN)
    by_a_third = await okafor.post(WALK_INS, json=KNOWN)

    assert own.status_code == sent_on.status_code == 201
    for refused in (new_for_another, before, by_a_third):
        assert (refused.status_code, refused.json()["code"]) == (403, "not_yours")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (NEW | {"doctor_id": 999}, 404, "unknown_doctor_or_prestation"),
        (KNOWN | {"patient_id": 999}, 404, "unknown_patient"),
        (NEW | {"patient_id": 123}, 422, "invalid"),
        ({"doctor_id": DR_AMRANI.id, "prestation_id": CARDIOLOGY.id}, 422, "invalid"),
        (NEW | {"patient": {}}, 422, "invalid"),
        (NEW | {"patient": {"first_name": "", "last_name": " "}}, 422, "invalid"),
        (BY_IDENTIFIER, 404, "unknown_patient"),
        (BY_IDENTIFIER | {"patient": {"identifier": "m"}}, 422, "invalid"),
        (BY_IDENTIFIER | {"patient": {"identifier": "m|7", "last_name": "Field"}}, 422, "invalid"),
        (BY_IDENTIFIER | {"patient_id": 123}, 422, "invalid"),
        (NEW | {"priority": 6}, 422, "invalid"),
        (NEW | {"doctor_id": DR_OKAFOR.id}, 422, "inactive_reference"),
    ],
)
async def test_refuses_wrong_walk_in(api: ApiDriver, body: dict[str, Any], status: int, code: str) -> None:
    is_okafor = doctors.c.id == DR_OKAFOR.id
    await api.database.write(lambda c: c.execute(update(doctors).where(is_okafor).values(active=False)))

    answer = await (await api.staff("reception")).post(WALK_INS, json=body)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert len(await api.database.read(lambda c: c.scalars(select(patients.c.id)).all())) == 2
    assert await api.database.read(read_materials) == []

"""Master data from the hospital's own system, and what that system must not change."""

import json
from typing import Any

import pytest
from sqlalchemy import select

from patient_visit_engine.storage.tables import events
from patient_visit_engine.storage.upkeep.audit import audit
from tests.support.api import JOHN_CARDIOLOGY, ApiDriver, start_body
from tests.support.databases import ON_SQLITE

APPOINTMENT: dict[str, Any] = {
    "patient_id": 123,
    "doctor_id": 7,
    "prestation_id": 11,
    "scheduled_at": "2026-03-02T10:00:00+01:00",
}
CARDIOLOGY = f"/api/appointments/{JOHN_CARDIOLOGY.id}"


async def read_events(api: ApiDriver) -> list[tuple[str, dict[str, Any]]]:
    """Name and data of each event of the log, in order."""
    rows = await api.database.read(
        lambda c: list(c.execute(select(events.c.name, events.c.data).order_by(events.c.seq)))
    )
    return [(name, json.loads(data)) for name, data in rows]


@pytest.mark.parametrize(
    ("path", "body", "stored"),
    [
        ("/api/patients/5", {"first_name": " Ada ", "last_name": "Byron"}, {"first_name": "Ada", "birth_date": None}),
        (
            "/api/patients/5",
            {"first_name": "A", "last_name": "B", "birth_date": "1815-12-10"},
            {"birth_date": "1815-12-10"},
        ),
        ("/api/doctors/5", {"name": "Dr. Who", "specialization": "Time"}, {"specialization": "Time"}),
        ("/api/prestations/5", {"name": "Scan", "exclusive": False, "expected_minutes": 1440}, {"exclusive": False}),
        (
            "/api/appointments/9007199254740991",
            APPOINTMENT,
            {"status": "scheduled", "scheduled_at": "2026-03-02T09:00:00.000Z"},
        ),
    ],
)
async def test_creates_record_once_then_replaces_it(
    api: ApiDriver, path: str, body: dict[str, Any], stored: dict[str, Any]
) -> None:
    service = await api.staff("service")

    created, replaced = await service.put(path, json=body), await service.put(path, json=body)

    assert (created.status_code, replaced.status_code) == (201, 200), created.text
    assert created.headers["location"] == path
    assert created.json() == replaced.json()
    assert created.json().items() >= stored.items()


async def test_publishes_changed_appointment_once(api: ApiDriver) -> None:
    service = await api.staff("service")

    for _ in range(2):
        answer = await service.put(CARDIOLOGY, json=APPOINTMENT | {"status": "canceled"})
        assert (answer.status_code, answer.json()["status"]) == (200, "canceled")

    ((name, data),) = await read_events(api)
    assert name == "appointment.updated"
    assert (data["appointment_id"], data["status"], data["patient_id"]) == (1, "canceled", 123)


async def test_appointment_without_status_keeps_status(api: ApiDriver) -> None:
    answer = await (await api.staff("service")).put(CARDIOLOGY, json=APPOINTMENT)

    assert answer.json()["status"] == "confirmed"


async def test_publishes_move_to_both_patients(api: ApiDriver) -> None:
    await (await api.staff("supervisor")).put(CARDIOLOGY, json=APPOINTMENT | {"patient_id": 124})

    assert [data["patient_name"] for _, data in await read_events(api)] == ["John Doe", "Maria Silva"]


BORN = {"birth_date": "1980-01-01"}


async def test_publishes_new_name_and_birth_date(api: ApiDriver) -> None:
    service = await api.staff("service")
    john = BORN | {"first_name": "John", "last_name": "Doe"}

    for body in (john, john, john | {"sex": "male"}, john | {"last_name": "Roe"}, BORN | {"last_name": "John Roe"}):
        await service.put("/api/patients/123", json=body)

    renewed = await read_events(api)
    assert [(name, data["patient_id"], data["message"]) for name, data in renewed] == [
        ("patient.updated", 123, "Patient John Doe has a new birth date"),
        ("patient.updated", 123, "Patient John Roe has a new name"),
        ("patient.updated", 123, "Patient John Roe has a new name"),
    ]
    assert [data["family_name"] for _, data in renewed] == ["Doe", "Roe", "John Roe"]
    assert {(data["birth_date"], data["record_number"]) for _, data in renewed} == {("1980-01-01", "P-017")}


@pytest.mark.parametrize(
    ("path", "body", "changes", "shown"),
    [
        (
            "/api/doctors/7",
            {"name": "Dr. Amrani"},
            [{"name": "Dr. Haddad"}, {"room": "B 12"}, {"specialization": "Heart"}, {"active": False}],
            {"doctor_id": 7, "doctor_name": "Dr. Amrani", "specialization": None, "room": None, "active": True},
        ),
        (
            "/api/prestations/11",
            {"name": "Cardiology", "exclusive": True, "expected_minutes": 20},
            [{"name": "Heart"}, {"exclusive": False}, {"expected_minutes": 25}, {"active": False}],
            {
                "prestation_id": 11,
                "prestation": "Cardiology",
                "exclusive": True,
                "expected_minutes": 20,
                "active": True,
            },
        ),
    ],
    ids=["doctor", "prestation"],
)
async def test_publishes_each_shown_change_once(
    api: ApiDriver, path: str, body: dict[str, Any], changes: list[dict[str, Any]], shown: dict[str, Any]
) -> None:
    service, kind = await api.staff("service"), path.split("/")[2].removesuffix("s")
    shown_as = {"name": "doctor_name" if kind == "doctor" else "prestation"}

    await service.put(f"/api/{kind}s/555", json=body)
    for change in ({}, *changes):
        for _ in range(2):
            assert (await service.put(path, json=body | change)).status_code == 200

    published = await read_events(api)
    assert [(name, data.keys() & {"patient_id", "patient_name"}) for name, data in published] == [
        (f"{kind}.updated", set()) for _ in changes
    ]
    for (_, data), change in zip(published, changes, strict=True):
        assert data.items() >= (shown | {shown_as.get(name, name): value for name, value in change.items()}).items()
    assert (await api.database.read(audit)).passed


async def test_running_prestation_keeps_exclusive(api: ApiDriver) -> None:
    service, path = await api.staff("service"), "/api/prestations/11"
    cardiology = {"name": "Heart", "exclusive": True, "expected_minutes": 25}
    await (await api.doctor()).post("/api/consultations", json=start_body())

    renamed = await service.put(path, json=cardiology)
    before = await api.all_rows()
    refused = await service.put(path, json=cardiology | {"exclusive": False, "name": "Other"})

    assert renamed.status_code == 200
    assert (refused.status_code, refused.json()["code"]) == (409, "prestation_in_use")
    assert await api.all_rows() == before


@pytest.mark.parametrize("field", ["patient_id", "doctor_id", "prestation_id"])
@pytest.mark.parametrize("number", [1, 77])
async def test_refuses_unknown_reference(api: ApiDriver, field: str, number: int) -> None:
    before = await api.all_rows()

    answer = await (await api.staff("service")).put(f"/api/appointments/{number}", json=APPOINTMENT | {field: 999})

    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_reference")
    assert answer.json()["field"] == field
    assert await api.all_rows() == before


@ON_SQLITE
@pytest.mark.parametrize("status", [3, 4, 5, "pending", "done", "in_progress"])
async def test_refuses_status_that_only_visits_set(api: ApiDriver, status: int | str) -> None:
    answer = await (await api.staff("service")).put(CARDIOLOGY, json=APPOINTMENT | {"status": status})

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


@ON_SQLITE
@pytest.mark.parametrize(
    "at",
    ["2026-03-02", "2026-03-02T10:00:00", "1799-12-31T23:00:00Z", "2026-03-02T24:00:00Z", "2026-03-02T10:00:00+25:00"],
)
async def test_refuses_time_without_valid_offset(api: ApiDriver, at: str) -> None:
    answer = await (await api.staff("service")).put(CARDIOLOGY, json=APPOINTMENT | {"scheduled_at": at})

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")

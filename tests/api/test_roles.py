"""Every call accepts exactly the roles that `docs/api.md` names, and an admin reads nothing about patients."""

from uuid import UUID

import pytest

from patient_visit_engine.visit.codes import Role
from tests.support.api import ApiDriver
from tests.support.builders import DR_AMRANI
from tests.support.documented_calls import documented_calls

#: Everything that an admin may call, except what needs no sign-in.
CALLS_OF_ADMIN = {
    "GET /api/session",
    "DELETE /api/session",
    "PUT /api/session/password",
    "GET /api/accounts",
    "GET /api/accounts/{account_id}",
    "POST /api/accounts",
    "PATCH /api/accounts/{account_id}",
    "GET /api/doctors",
    "GET /api/doctors/{record_id}",
    "PUT /api/doctors",
    "PUT /api/doctors/{record_id}",
    "GET /api/prestations",
    "GET /api/prestations/{record_id}",
    "PUT /api/prestations",
    "PUT /api/prestations/{record_id}",
}
#: The parts of paths, and ids that no record has.
IDS = {
    "{consultation_id}": str(UUID(int=1)),
    "{key}": "a-key",
    **dict.fromkeys(
        ("{patient_id}", "{doctor_id}", "{retired_id}", "{record_id}", "{appointment_id}", "{account_id}"), "999999"
    ),
}


def with_ids(path: str) -> str:
    """The path with ids of no record."""
    for name, text in IDS.items():
        path = path.replace(name, text)
    return path


# One database is enough, because a wrong role is refused before any statement.
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("role", list(Role))
async def test_each_call_accepts_exactly_the_documented_roles(api: ApiDriver, role: Role) -> None:
    client = await api.staff(role.value, DR_AMRANI.id if role is Role.doctor else None)
    # `tests/api/test_stream.py` opens streams. Here no hub serves them.
    calls = {call: roles for call, roles in documented_calls().items() if call != "GET /api/events"}

    refused = set()
    for call in calls:
        method, path = call.split()
        answer = await client.request(method, with_ids(path))
        if answer.status_code == 403 and answer.json()["code"] == "wrong_role":
            refused.add(call)

    assert refused == {call for call, roles in calls.items() if roles and role not in roles}


def test_admin_has_only_calls_without_patients() -> None:
    assert {call for call, roles in documented_calls().items() if Role.admin in roles} == CALLS_OF_ADMIN


async def test_admin_changes_doctors_and_prestations(api: ApiDriver) -> None:
    admin = await api.staff("admin")

    doctor = await admin.put("/api/doctors/70", json={"name": "Dr. New", "room": "4"})
    prestation = await admin.put(
        "/api/prestations/70", json={"name": "Scan", "exclusive": False, "expected_minutes": 5}
    )

    assert (doctor.status_code, prestation.status_code) == (201, 201)
    assert (await admin.get("/api/doctors/70")).json()["room"] == "4"
    assert (await admin.get("/api/prestations/70")).json()["name"] == "Scan"
    refused = await admin.put("/api/patients/70", json={"first_name": "Ada"})
    assert (refused.status_code, refused.json()["code"]) == (403, "wrong_role")

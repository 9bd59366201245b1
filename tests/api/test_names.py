"""Names of real people, as the hospital's own system sends them: one name, composed letters, and refused tricks."""

from typing import Any

import pytest

from tests.support.api import ApiDriver
from tests.support.builders import MARIA_SILVA
from tests.support.databases import LATER_ON_POSTGRES, ON_SQLITE, database_on

database = database_on("sqlite", LATER_ON_POSTGRES)

PATIENT = f"/api/patients/{MARIA_SILVA.id}"


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ({"first_name": "Suharto"}, ("Suharto", None)),
        ({"first_name": "", "last_name": " Suharto "}, (None, "Suharto")),
        ({"first_name": "\u3000", "last_name": "Ze\u0301"}, (None, "Z\u00e9")),
        (
            {"first_name": None, "last_name": "\u0646\u0627\u0635\u0631\u200c\u06cc"},
            (None, "\u0646\u0627\u0635\u0631\u200c\u06cc"),
        ),
    ],
)
async def test_one_name_is_enough_everywhere(
    api: ApiDriver, sent: dict[str, Any], stored: tuple[str | None, str | None]
) -> None:
    service, reception = await api.staff("service"), await api.staff("reception")
    name = str(stored[0] or stored[1])

    answer = await service.put(PATIENT, json=sent)
    await reception.post("/api/appointments/4/check-in")

    assert answer.status_code == 200, answer.text
    assert (answer.json()["first_name"], answer.json()["last_name"]) == stored
    worklist = await api.read_worklist()
    assert [item["patient_name"] for item in worklist["items"] if item["appointment_id"] == 4] == [name]
    board = (await reception.get("/api/board")).json()
    assert [item["patient_name"] for item in board["items"]] == [name]
    assert name in (await reception.get(f"{PATIENT}/visit")).text


@ON_SQLITE
@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"first_name": "\u200b", "last_name": "\u200b"}, "first_name"),
        ({"first_name": "Ann\u202e", "last_name": "htimS"}, "first_name"),
        ({"first_name": "Ann", "last_name": "\u2066Smith"}, "last_name"),
        ({"first_name": " ", "last_name": ""}, "body"),
        ({}, "body"),
        ({"last_name": "\u0958" * 200}, "last_name"),
        ({"last_name": "Smith", "birth_date": "1980-02-30"}, "birth_date"),
        ({"last_name": "Smith", "birth_date": "80"}, "birth_date"),
        ({"last_name": "Smith", "sex": "m"}, "sex"),
    ],
)
async def test_refuses_names_that_no_one_has(api: ApiDriver, fields: dict[str, Any], wrong: str) -> None:
    before = await api.all_rows()

    answer = await (await api.staff("service")).put(PATIENT, json=fields)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert answer.json()["errors"][0]["field"] == wrong
    assert await api.all_rows() == before


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/api/doctors/7", {"name": "\ufeff"}, "name"),
        ("/api/doctors/7", {"name": "Dr. X", "specialization": "\u3164"}, "specialization"),
        ("/api/prestations/11", {"name": "X\u202dray", "exclusive": True, "expected_minutes": 5}, "name"),
    ],
)
async def test_every_shown_name_follows_the_rules(api: ApiDriver, path: str, body: dict[str, Any], field: str) -> None:
    answer = await (await api.staff("service")).put(path, json=body)

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)


@pytest.mark.parametrize("birth_date", ["1980", "1980-02", "1980-02-29"])
async def test_returns_birth_date_as_far_as_known(api: ApiDriver, birth_date: str) -> None:
    body = {"last_name": "Smith", "birth_date": birth_date, "sex": "unknown"}

    answer = await (await api.staff("service")).put(PATIENT, json=body)

    record: dict[str, Any] = {"record_number": None, "identifiers": [], "version": 2, "applied": True}
    assert answer.json() == {"id": MARIA_SILVA.id, "first_name": None} | body | record

"""Reading master data: one record by its id, and lists by identifier, words and page."""

from typing import Any

import httpx
import pytest

from patient_visit_engine.storage.screens.record_pages import RECORDS_PER_PAGE
from patient_visit_engine.storage.tables import doctors
from patient_visit_engine.visit.calendar import to_rfc3339
from tests.support.api import ApiDriver, appointment_ids
from tests.support.builders import JOHN_DOE, MARIA_SILVA, NOON, minutes
from tests.support.databases import ON_SQLITE
from tests.support.merged_records import make_one_person
from tests.support.statements import recorded_statements

IDENTIFIERS = [{"system": "urn:hospital", "value": "007"}, {"system": "urn:other", "value": "7|a"}]
BODIES: dict[str, dict[str, Any]] = {
    "patients": {"first_name": "Ada", "last_name": "Byron", "birth_date": "1815-12", "sex": "female"},
    "doctors": {"name": "Dr. B\u00e9n\u00e9dicte Weber", "specialization": "Heart", "room": "4B", "active": False},
    "prestations": {"name": "Scan", "exclusive": False, "expected_minutes": 5, "active": False},
    "appointments": {
        "patient_id": 123,
        "doctor_id": 7,
        "prestation_id": 11,
        "scheduled_at": to_rfc3339(NOON),
        "status": "confirmed",
        "expected_minutes": 25,
    },
}
LISTED = ["patients", "doctors", "prestations"]


async def feed(api: ApiDriver, kind: str, number: int = 501) -> dict[str, Any]:
    """Put the record, and return the answer without what only a PUT says."""
    body = BODIES[kind] | {"identifiers": IDENTIFIERS}
    answer = await (await api.staff("service")).put(f"/api/{kind}/{number}", json=body)
    assert answer.status_code == 201, answer.text
    record: dict[str, Any] = answer.json()
    del record["applied"]
    return record


async def get(api: ApiDriver, path: str, role: str = "reception", **query: Any) -> httpx.Response:
    return await (await api.staff(role, 7 if role == "doctor" else None)).get(path, params=query)


async def listed(api: ApiDriver, kind: str, **query: Any) -> list[int]:
    answer = await get(api, f"/api/{kind}", **query)
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


@pytest.mark.parametrize(
    ("kind", "role"), list(zip(BODIES, ["doctor", "reception", "supervisor", "service"], strict=True)), ids=BODIES
)
async def test_shows_what_was_fed(api: ApiDriver, kind: str, role: str) -> None:
    fed = await feed(api, kind)

    answer = await get(api, f"/api/{kind}/501", role)

    record = answer.json()
    assert (answer.status_code, record) == (200, fed)
    assert record.items() >= BODIES[kind].items()
    assert (record["id"], record["version"], record["identifiers"]) == (501, 1, IDENTIFIERS)
    assert answer.headers["etag"] == '"1"'
    assert record.get("record_number", "007") == "007"


@ON_SQLITE
@pytest.mark.parametrize(
    ("known", "status"), [('"1"', 304), ('W/"1"', 304), ('"2", "1"', 304), ("*", 304), ('"2"', 200), ("1", 200)]
)
async def test_known_version_is_not_sent_again(api: ApiDriver, known: str, status: int) -> None:
    await feed(api, "doctors")

    answer = await (await api.doctor()).get("/api/doctors/501", headers={"If-None-Match": known})

    assert (answer.status_code, answer.headers["etag"], bool(answer.content)) == (status, '"1"', status == 200)


@pytest.mark.parametrize("kind", LISTED)
async def test_lists_the_record_of_an_identifier(api: ApiDriver, kind: str) -> None:
    fed = await feed(api, kind)

    answer = await get(api, f"/api/{kind}", identifier="urn:other|7|a")

    assert answer.json() == {"items": [fed], "page": 1, "page_size": 50, "total": 1, "more": False}
    assert await listed(api, kind, identifier="urn:hospital|7") == []
    assert await listed(api, kind, identifier="urn:other|7|a", page=2) == []


@pytest.mark.parametrize(
    ("kind", "query", "is_listed"),
    [
        ("patients", {"q": "byr", "birth_date": "1815"}, True),
        ("patients", {"q": "smith"}, False),
        ("patients", {"q": "!"}, False),
        ("patients", {"birth_date": "1816"}, False),
        ("doctors", {"q": "weber BENEDICTE"}, True),
        ("doctors", {"q": "amrani"}, False),
        ("prestations", {"q": "sca"}, True),
        ("prestations", {"q": "..."}, False),
    ],
)
async def test_identifier_and_words_must_both_match(
    api: ApiDriver, kind: str, query: dict[str, str], is_listed: bool
) -> None:
    await feed(api, kind)

    assert await listed(api, kind, identifier="urn:hospital|007", **query) == ([501] if is_listed else [])


async def test_doctors_come_in_order_of_their_names(api: ApiDriver) -> None:
    await feed(api, "doctors")

    assert await listed(api, "doctors") == [7, 501, 9, 8, 456]
    assert await listed(api, "doctors", q="dr ben") == [501]
    assert await listed(api, "prestations", q="x-ray") == [13]


async def test_pages_follow_each_other(api: ApiDriver) -> None:
    rows = [{"id": number, "name": f"Dr. Z{number}"} for number in range(1_000, 1_070)]
    await api.database.write(lambda connection: connection.execute(doctors.insert(), rows))

    answers = [(await get(api, "/api/doctors", q="z1", page=page)).json() for page in (1, 2, 3)]

    found_ids = [[item["id"] for item in answer["items"]] for answer in answers]
    assert [len(numbers) for numbers in found_ids] == [RECORDS_PER_PAGE, 20, 0]
    assert [number for numbers in found_ids for number in numbers] == list(range(1_000, 1_070))
    assert {(answer["total"], answer["page_size"], answer["more"]) for answer in answers} == {(70, 50, False)}


async def test_list_of_records_takes_few_statements(api: ApiDriver) -> None:
    with recorded_statements() as statements:
        await listed(api, "doctors", q="dr")

    assert len([statement for statement in statements if "doctors" in statement or "identifiers" in statement]) == 3


async def test_retired_id_shows_its_survivor(api: ApiDriver) -> None:
    await api.database.write(make_one_person, JOHN_DOE.id, MARIA_SILVA.id)
    reception = await api.staff("reception")

    answer = await reception.get(f"/api/patients/{MARIA_SILVA.id}", headers={"If-None-Match": '"1"'})

    assert (answer.status_code, answer.json()["id"]) == (200, JOHN_DOE.id)


@pytest.mark.parametrize("days", [0, 3])
async def test_worklist_lists_appointment_of_identifier(api: ApiDriver, days: int) -> None:
    scheduled_at = NOON + minutes(days * 1_440)
    body = BODIES["appointments"] | {"scheduled_at": to_rfc3339(scheduled_at), "identifiers": IDENTIFIERS}
    await (await api.staff("service")).put("/api/appointments/501", json=body)

    worklist = await api.read_worklist("?identifier=urn:hospital|007")

    assert (appointment_ids(worklist), worklist["total"]) == ([501], 1)
    assert worklist["date"] == scheduled_at.date().isoformat()
    assert appointment_ids(await api.read_worklist("?identifier=urn:hospital|7")) == []
    other_day = await api.read_worklist("?identifier=urn:hospital|007&date=2026-04-01")
    assert appointment_ids(other_day) == []


@ON_SQLITE
@pytest.mark.parametrize("query", ["identifier=007", "identifier=|007", "name=x", "birth_date=1980", "page=0"])
async def test_refuses_wrong_query(api: ApiDriver, query: str) -> None:
    answer = await (await api.staff("reception")).get(f"/api/doctors?{query}")

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")

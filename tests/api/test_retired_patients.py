"""Records of patients after a merge: what a feed sends for the retired one, and the identifiers of both."""

from typing import Any

import pytest

from patient_visit_engine.wire.field_types import MAX_IDENTIFIERS
from tests.support.api import ApiDriver
from tests.support.merged_records import make_one_person

RETIRED, SURVIVOR, STRANGER = 601, 602, 603
SYSTEM = "urn:hospital:mrn"


def body_of(number: int, *values: str) -> dict[str, Any]:
    """The content of this record, with identifiers of these values."""
    identifiers = [{"system": SYSTEM, "value": value} for value in values or [f"P{number}"]]
    return {"first_name": "Ada", "last_name": f"Byron {number}", "identifiers": identifiers}


def values_of(record: dict[str, Any]) -> list[str]:
    return [identifier["value"] for identifier in record["identifiers"]]


@pytest.fixture
async def merged(api: ApiDriver) -> ApiDriver:
    """Two of three fed records are one person."""
    service = await api.staff("service")
    for number in (RETIRED, SURVIVOR, STRANGER):
        assert (await service.put(f"/api/patients/{number}", json=body_of(number))).status_code == 201
    await api.database.write(make_one_person, SURVIVOR, RETIRED)
    return api


@pytest.mark.parametrize("path", [f"/api/patients/{RETIRED}", f"/api/patients?identifier={SYSTEM}|P{RETIRED}"])
async def test_put_under_retired_record_changes_nothing(merged: ApiDriver, path: str) -> None:
    service = await merged.staff("service")
    before = await merged.all_rows()

    answer = await service.put(path, json=body_of(RETIRED) | {"last_name": "Lovelace"}, headers={"If-Match": '"9"'})

    record = answer.json()
    assert (answer.status_code, record["applied"]) == (200, False)
    assert (record["id"], record["last_name"]) == (SURVIVOR, f"Byron {SURVIVOR}")
    assert await merged.all_rows() == before


async def test_survivor_has_identifiers_of_both(merged: ApiDriver) -> None:
    reception = await merged.staff("reception")

    shown = (await reception.get(f"/api/patients/{RETIRED}")).json()
    listed = (await reception.get(f"/api/patients?identifier={SYSTEM}|P{RETIRED}")).json()

    assert values_of(shown) == [f"P{SURVIVOR}", f"P{RETIRED}"]
    assert listed["items"] == [shown]
    assert shown["record_number"] == f"P{SURVIVOR}"


async def test_survivor_may_name_identifier_of_its_retired_record(merged: ApiDriver) -> None:
    service = await merged.staff("service")

    answer = await service.put(f"/api/patients/{SURVIVOR}", json=body_of(SURVIVOR, f"P{RETIRED}", f"N{SURVIVOR}"))

    assert answer.status_code == 200, answer.text
    assert values_of(answer.json()) == [f"N{SURVIVOR}", f"P{RETIRED}"]


async def test_survivor_with_all_identifiers_of_both_can_be_sent_back(api: ApiDriver) -> None:
    service = await api.staff("service")
    for number in (RETIRED, SURVIVOR):
        values = [f"{number}-{n}" for n in range(MAX_IDENTIFIERS)]
        assert (await service.put(f"/api/patients/{number}", json=body_of(number, *values))).status_code == 201
    await api.database.write(make_one_person, SURVIVOR, RETIRED)
    read = (await service.get(f"/api/patients/{SURVIVOR}")).json()
    body = {name: read[name] for name in ("first_name", "last_name", "identifiers")}

    answer = await service.put(f"/api/patients/{SURVIVOR}", json=body)

    assert (answer.status_code, len(read["identifiers"])) == (200, 2 * MAX_IDENTIFIERS), answer.text
    assert answer.json() == read | {"applied": True}


async def test_no_other_patient_gets_identifier_of_retired_record(merged: ApiDriver) -> None:
    service = await merged.staff("service")
    before = await merged.all_rows()

    answer = await service.put(f"/api/patients/{STRANGER}", json=body_of(STRANGER, f"P{RETIRED}"))

    assert (answer.status_code, answer.json()["code"]) == (409, "identifier_conflict")
    assert await merged.all_rows() == before

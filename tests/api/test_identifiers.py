"""Identifiers of other systems: how a record is found, created and renamed by them, and what is refused."""

import asyncio
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from patient_visit_engine.runtime.settings import Settings
from patient_visit_engine.storage.master_data.identifiers import Identifier, RecordKind
from patient_visit_engine.storage.master_data.identifying import minted_id
from patient_visit_engine.storage.tables import identifiers, patients
from patient_visit_engine.visit.calendar import to_rfc3339
from patient_visit_engine.wire.field_types import LOWEST_MINTED_ID, MAX_ID, MAX_IDENTIFIERS, MAX_SENT_IDENTIFIERS
from tests.support.api import ApiDriver, ApiOpener
from tests.support.builders import NOON
from tests.support.databases import ON_SQLITE

MRN, SSN = "urn:mrn", "urn:ssn"
BODIES: dict[str, dict[str, Any]] = {
    "patients": {"last_name": "Byron"},
    "doctors": {"name": "Dr. Byron"},
    "prestations": {"name": "Scan", "exclusive": False, "expected_minutes": 5},
    "appointments": {"patient_id": 123, "doctor_id": 7, "prestation_id": 11, "scheduled_at": to_rfc3339(NOON)},
}


def named(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    """The identifiers of a body."""
    return [{"system": system, "value": value} for system, value in pairs]


async def put(api: ApiDriver, path: str, body: dict[str, Any] = BODIES["patients"], **more: Any) -> httpx.Response:
    return await (await api.staff("service")).put(path, json=body | more)


async def put_by(api: ApiDriver, identifier: str, kind: str = "patients", **more: Any) -> httpx.Response:
    return await put(api, f"/api/{kind}?identifier={quote(identifier)}", BODIES[kind], **more)


@pytest.mark.parametrize("kind", BODIES)
async def test_creates_record_of_identifier_once(api: ApiDriver, kind: str) -> None:
    created, again = await put_by(api, "urn:mrn|0017", kind), await put_by(api, "urn:mrn|0017", kind)

    record = created.json()
    assert (created.status_code, again.status_code) == (201, 200), created.text
    assert record == again.json()
    assert LOWEST_MINTED_ID <= record["id"] <= MAX_ID
    assert record["identifiers"] == named((MRN, "0017"))
    assert (record["version"], created.headers["etag"], record["applied"]) == (1, '"1"', True)
    assert created.headers["location"] == f"/api/{kind}/{record['id']}"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("urn:mrn|0017", "urn:mrn|17"),
        ("urn:mrn|a", "urn:mrn|A"),
        ("urn:mrn|a|b", "urn:mrn|a"),
        ("urn:mrn|a  b", "urn:mrn|a b"),
        ("urn:mrn|7F9C0A5E-0000-4000-8000-000000000001", "urn:mrn|7f9c0a5e-0000-4000-8000-000000000001"),
        ("urn:mrn|\u00e9", "urn:mrn|e\u0301"),
        ("urn:mrn|7", "urn:MRN|7"),
    ],
)
async def test_identifiers_that_differ_are_two_records(api: ApiDriver, first: str, second: str) -> None:
    records = [(await put_by(api, text)).json() for text in (first, second, first)]

    assert records[0]["id"] != records[1]["id"]
    assert records[2] == records[0]
    system, _, value = first.partition("|")
    assert records[0]["identifiers"] == named((system, value))


async def test_put_replaces_identifiers_of_the_systems_it_names(api: ApiDriver) -> None:
    def shown(answer: httpx.Response) -> tuple[list[str], int]:
        assert answer.status_code in (200, 201), answer.text
        return [identifier["value"] for identifier in answer.json()["identifiers"]], answer.json()["version"]

    first = await put(api, "/api/patients/5", identifiers=named((MRN, "1"), (SSN, "s"), (MRN, "2")))
    without = await put(api, "/api/patients/5")
    other_system = await put(api, "/api/patients/5", identifiers=named(("urn:card", "c")))
    replaced = await put(api, "/api/patients/5", identifiers=named((MRN, "3")))
    by_identifier = await put_by(api, "urn:ssn|s", identifiers=named((MRN, "4")))

    assert [shown(answer) for answer in (first, without, other_system, replaced, by_identifier)] == [
        (["1", "s", "2"], 1),
        (["1", "s", "2"], 1),
        (["1", "s", "2", "c"], 2),
        (["3", "s", "c"], 3),
        (["4", "s", "c"], 4),
    ]
    assert (await put_by(api, "urn:mrn|1")).status_code == 201


async def test_record_number_follows_the_identifiers(open_api: ApiOpener) -> None:
    api = await open_api(record_number_system=SSN)

    numbers = [
        (await put(api, "/api/patients/5", identifiers=sent)).json()["record_number"]
        for sent in (named((MRN, "1")), named((SSN, "s"), (SSN, "t")), named((SSN, "u")), [])
    ]

    assert numbers == [None, "s", "u", "u"]
    matches = await (await api.staff("reception")).get("/api/patients?q=u")
    assert [item["id"] for item in matches.json()["items"]] == [5]


async def test_first_identifier_is_the_record_number_by_default(api: ApiDriver) -> None:
    assert Settings.model_fields["record_number_system"].default == ""

    assert (await put(api, "/api/patients/5")).json()["record_number"] is None
    answer = await put_by(api, "urn:mrn|7", identifiers=named((SSN, "s")))

    assert answer.json()["record_number"] == "s"


async def test_name_and_record_number_are_one_event(api: ApiDriver) -> None:
    await put(api, "/api/patients/5", identifiers=named((MRN, "1")))
    await put(api, "/api/patients/5", {"last_name": "King"}, identifiers=named((MRN, "2")))

    rows = await api.all_rows()
    (event,) = rows["events"]
    assert "patient.updated" in event
    assert '"record_number":"2"' in event
    assert (await put(api, "/api/patients/5", {"last_name": "King"})).json()["version"] == 2


@pytest.mark.parametrize(
    "path",
    ["/api/patients/6", "/api/patients/77", "/api/patients?identifier=urn:mrn|6", "/api/patients?identifier=x|y"],
)
async def test_identifier_of_another_record_writes_nothing(api: ApiDriver, path: str) -> None:
    await put(api, "/api/patients/5", identifiers=named((MRN, "5"), (SSN, "5")))
    await put(api, "/api/patients/6", identifiers=named((MRN, "6")))
    before = await api.all_rows()

    answer = await put(api, path, {"last_name": "King"}, identifiers=named(("urn:a", "new"), (SSN, "5")))

    assert (answer.status_code, answer.json()["code"]) == (409, "identifier_conflict")
    assert await api.all_rows() == before


async def test_same_identifier_of_two_kinds_is_no_conflict(api: ApiDriver) -> None:
    answers = [await put_by(api, "urn:mrn|1", kind) for kind in BODIES]

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == len(BODIES)


async def test_record_has_a_limited_number_of_identifiers(api: ApiDriver) -> None:
    full = named(*((MRN, str(number)) for number in range(MAX_IDENTIFIERS)))

    assert (await put(api, "/api/patients/5", identifiers=full)).status_code == 201
    before = await api.all_rows()
    one_more = named(("urn:other", "1"))
    answers = [
        await put(api, "/api/patients/5", identifiers=one_more),
        await put_by(api, "urn:mrn|0", identifiers=one_more + full[1:]),
        await put(api, "/api/patients/5", identifiers=one_more + full),
        await put(api, "/api/patients/5", identifiers=named(*((MRN, str(n)) for n in range(MAX_SENT_IDENTIFIERS + 1)))),
        await put(api, "/api/doctors/7", BODIES["doctors"], identifiers=one_more + full),
    ]

    codes = [(answer.status_code, answer.json()["code"]) for answer in answers]
    assert codes == [(422, "too_many_identifiers")] * 3 + [(422, "invalid")] * 2
    assert await api.all_rows() == before


@ON_SQLITE
@pytest.mark.parametrize(
    "query",
    [
        "",
        "?identifier=",
        "?identifier=urn:mrn",
        "?identifier=|7",
        "?identifier=urn:mrn|",
        "?identifier=urn:mrn|M%E9",
        "?id=5",
    ],
)
async def test_refuses_query_without_an_identifier(api: ApiDriver, query: str) -> None:
    before = await api.all_rows()

    answer = await put(api, f"/api/patients{query}")

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert await api.all_rows() == before


async def test_minted_id_of_another_record_is_not_used(api: ApiDriver) -> None:
    taken = minted_id(RecordKind.patient, Identifier(MRN, "7"))
    assert (await put(api, f"/api/patients/{taken}")).status_code == 201

    answer = await put_by(api, "urn:mrn|7")

    assert (answer.status_code, answer.json()["id"]) == (201, minted_id(RecordKind.patient, Identifier(MRN, "7"), 1))


async def test_simultaneous_feeds_of_a_new_identifier_make_one_record(api: ApiDriver) -> None:
    patients_before = await api.count(patients)

    answers = await asyncio.gather(*(put_by(api, "urn:mrn|0017", birth_date=str(1980 + n)) for n in range(8)))

    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert (await api.count(patients) - patients_before, await api.count(identifiers)) == (1, 1)


async def test_simultaneous_swaps_of_identifiers_end_without_a_fault(api: ApiDriver) -> None:
    for number in (5, 6):
        await put(api, f"/api/patients/{number}", identifiers=named((MRN, str(number)), (SSN, str(number))))

    def swap(number: int, turn: int) -> Any:
        other = str(11 - number)
        return put(api, f"/api/patients/{number}", identifiers=named((SSN, other), (MRN, other), ("urn:t", str(turn))))

    answers = await asyncio.gather(*(swap(number, turn) for turn in range(6) for number in (5, 6)))

    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(409, "identifier_conflict")}
    free = await asyncio.gather(
        *(
            put(api, f"/api/patients/{number}", identifiers=named((MRN, f"free{n}")))
            for n in range(4)
            for number in (5, 6)
        )
    )
    assert {answer.status_code for answer in free} <= {200, 409}


async def test_appointment_refers_to_records_by_identifiers(api: ApiDriver) -> None:
    for kind in ("patients", "doctors", "prestations"):
        assert (await put_by(api, "urn:own|1|x", kind)).status_code == 201
    reference = {"identifier": "urn:own|1|x"}
    body = {"patient": reference, "doctor": reference, "prestation": reference, "scheduled_at": to_rfc3339(NOON)}

    answer = await put(api, "/api/appointments?identifier=urn:booking|0001", body)

    assert answer.status_code == 201, answer.text
    ids = [answer.json()[field] for field in ("patient_id", "doctor_id", "prestation_id")]
    assert ids == [
        minted_id(kind, Identifier("urn:own", "1|x"))
        for kind in (RecordKind.patient, RecordKind.doctor, RecordKind.prestation)
    ]


@pytest.mark.parametrize("field", ["patient", "doctor", "prestation"])
async def test_refuses_reference_to_no_record(api: ApiDriver, field: str) -> None:
    before = await api.all_rows()
    known = {name: value for name, value in BODIES["appointments"].items() if name != f"{field}_id"}

    unknown = await put(api, "/api/appointments/1", known | {field: {"identifier": "urn:own|9"}})
    both = await put(api, "/api/appointments/1", BODIES["appointments"] | {field: {"identifier": "urn:own|9"}})
    neither = await put(api, "/api/appointments/1", known)

    assert (unknown.status_code, unknown.json()["code"]) == (422, "unknown_reference")
    assert unknown.json()["field"] == field
    assert [(answer.status_code, answer.json()["code"]) for answer in (both, neither)] == [(422, "invalid")] * 2
    assert await api.all_rows() == before

"""`GET /api/patients`: a person is found by name, birth date, record number and ticket, through an index."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, text, update

from patient_visit_engine.storage.bulk_master_data import PatientRow, add_missing
from patient_visit_engine.storage.screens import patient_search
from patient_visit_engine.storage.screens.patient_search import matching_words
from patient_visit_engine.storage.screens.record_pages import RECORDS_PER_PAGE
from patient_visit_engine.storage.tables import patient_trackings, patients
from patient_visit_engine.storage.tickets import holders_of
from tests.support.api import MARIA_CARDIOLOGY, ApiDriver, appointment_ids
from tests.support.builders import DAY, JOHN_DOE, MARIA_SILVA
from tests.support.databases import ON_SQLITE

SIMON = {"first_name": "Simon", "last_name": "O'Grady", "birth_date": "1980-02-03", "sex": "male"}
PATIENTS: dict[int, dict[str, Any]] = {
    201: SIMON,
    202: {"first_name": "B\u00c9N\u00c9DICTE", "last_name": "Lev\u00eaque", "birth_date": "1980"},
    203: {"last_name": "Suharto"},
    204: {
        "first_name": "Maria",
        "last_name": "Santos",
        "birth_date": "1988-11-23",
        "identifiers": [{"system": "urn:mrn", "value": "MRN-00/17"}],
    },
    205: {"first_name": "Maria", "last_name": "Santos", "birth_date": "1988-11"},
}


async def feed(api: ApiDriver) -> None:
    service = await api.staff("service")
    for number, body in PATIENTS.items():
        assert (await service.put(f"/api/patients/{number}", json=body)).status_code == 201


async def search(api: ApiDriver, **query: str | int) -> dict[str, Any]:
    answer = await (await api.staff("reception")).get("/api/patients", params=query)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def ids(body: dict[str, Any]) -> list[int]:
    return [item["id"] for item in body["items"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"q": "o\u2019grady"}, [201]),
        ({"q": "OGRADY, simon"}, [201]),
        ({"q": "grady 1980-02-03"}, [201]),
        ({"q": "benedicte"}, [202]),
        ({"q": "b\u00e9n\u00e9dicte lev"}, [202]),
        ({"q": "suh"}, [203]),
        ({"q": "1980"}, [202, 201]),
        ({"q": "mrn-00/17"}, [204]),
        ({"q": "MRN0017"}, [204]),
        ({"q": "santos maria"}, [204, 205]),
        ({"q": "s maria"}, [204, 205]),
        ({"q": "m s"}, [204, 205]),
        ({"q": "x maria"}, []),
        ({"q": "maria", "birth_date": "1988-11-23"}, [204]),
        ({"birth_date": "1988-11"}, [205, 204]),
        ({"birth_date": "1980-02"}, [201]),
        ({"q": "santo simon"}, []),
        ({"q": "%"}, []),
        ({"q": "_"}, []),
        ({"q": "' OR 1=1--"}, []),
        ({"q": "maria", "page": 2}, []),
        ({}, [123, 124, 201, 202, 203, 204, 205]),
    ],
)
async def test_finds_patient_by_what_people_type(api: ApiDriver, query: dict[str, Any], expected: list[int]) -> None:
    await feed(api)

    body = await search(api, **query)

    assert (ids(body), body["more"]) == (expected, False)


async def test_item_tells_patients_apart(api: ApiDriver) -> None:
    await feed(api)

    (item,) = (await search(api, q="mrn"))["items"]

    assert item == {
        "id": 204,
        "first_name": "Maria",
        "last_name": "Santos",
        "birth_date": "1988-11-23",
        "sex": None,
        "record_number": "MRN-00/17",
        "version": 1,
        "identifiers": PATIENTS[204]["identifiers"],
    }


async def test_search_follows_changes(api: ApiDriver) -> None:
    await feed(api)
    service = await api.staff("service")

    await service.put("/api/patients/201", json={"first_name": "Simon", "last_name": "Byrne", "birth_date": "1981"})
    await service.put("/api/patients/204", json=PATIENTS[204] | {"identifiers": [{"system": "urn:mrn", "value": "X9"}]})

    assert [ids(await search(api, q=words)) for words in ("grady", "1980-02", "byrne 1981", "mrn", "x9")] == [
        [],
        [],
        [201],
        [],
        [204],
    ]


async def test_search_finds_imported_patients(api: ApiDriver) -> None:
    await feed(api)
    rows: list[PatientRow] = [
        {"id": 201, "first_name": "Other", "last_name": "Person"},
        {"id": 300, "first_name": "Ana", "last_name": None},
        {"id": 301, "first_name": "Zo\u00eb", "last_name": None, "birth_date": "1990"},
    ]

    await api.database.write(add_missing, patients, rows, ("first_name",))

    (zoe,) = (await search(api, q="zoe 1990"))["items"]
    assert (zoe["id"], zoe["birth_date"]) == (301, "1990")
    # An existing patient keeps the words.
    assert ids(await search(api, q="other")) == []


async def test_finds_patient_by_ticket_of_today(api: ApiDriver) -> None:
    await feed(api)
    reception, service = await api.staff("reception"), await api.staff("service")
    await service.put(
        "/api/patients/206", json={"last_name": "Byrne", "identifiers": [{"system": "m", "value": "A02"}]}
    )
    for patient in (JOHN_DOE, MARIA_SILVA):
        await reception.post(f"/api/patients/{patient.id}/check-in")

    searches = [{"q": words} for words in ("A01", "a02", "doe a01", "silva a01", "a0", "A03")]
    listed = [ids(await search(api, **query)) for query in searches]

    # A record number that reads like a ticket comes after the ticket.
    assert listed == [[JOHN_DOE.id], [MARIA_SILVA.id, 206], [JOHN_DOE.id], [], [206], []]
    assert ids(await search(api, q="a01", birth_date="1901")) == []
    assert ids(await search(api, q="byrne a02", identifier="m|A02")) == [206]
    assert ids(await search(api, q="a01", identifier="m|A02")) == []


async def test_both_tickets_of_merged_records_find_survivor(api: ApiDriver) -> None:
    reception, supervisor = await api.staff("reception"), await api.staff("supervisor")
    for patient in (JOHN_DOE, MARIA_SILVA):
        await reception.post(f"/api/patients/{patient.id}/check-in")
    body = {"patient_id": MARIA_SILVA.id, "reason": "one person"}

    merged = await supervisor.post(f"/api/patients/{JOHN_DOE.id}/merge", json=body)

    assert merged.status_code == 200
    for ticket in ("a01", "a02", "a01 a02 silva"):
        assert ids(await search(api, q=ticket)) == [JOHN_DOE.id]
        assert MARIA_CARDIOLOGY.id in appointment_ids(await api.read_worklist(f"?q={ticket}"))


async def test_ticket_of_yesterday_finds_no_one(api: ApiDriver) -> None:
    await (await api.staff("reception")).post(f"/api/patients/{JOHN_DOE.id}/check-in")
    yesterday = update(patient_trackings).values(ticket_day=DAY - timedelta(days=1))

    await api.database.write(lambda connection: connection.execute(yesterday))

    assert ids(await search(api, q="a01")) == appointment_ids(await api.read_worklist("?q=a01")) == []


async def test_search_for_ticket_reads_index(api: ApiDriver) -> None:
    def explain(connection: Connection) -> str:
        sql = str(holders_of(DAY, ["A01"]).compile(connection, compile_kwargs={"literal_binds": True}))
        if connection.dialect.name == "sqlite":
            return "\n".join(row.detail for row in connection.execute(text(f"EXPLAIN QUERY PLAN {sql}")))
        # The table is too small for an index otherwise.
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        return "\n".join(connection.scalars(text(f"EXPLAIN {sql}")))

    assert "tickets_by_day" in await api.database.write(explain)


async def test_pages_end_at_limit(api: ApiDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[PatientRow] = [
        {"id": number, "first_name": "Maria", "last_name": f"Silva{number}"} for number in range(1_000, 1_070)
    ]
    await api.database.write(add_missing, patients, rows, ("first_name",))
    monkeypatch.setattr(patient_search, "MAX_MATCHES", 60)

    first, second, third = [await search(api, q="maria", page=page) for page in (1, 2, 3)]

    assert ids(first) == list(range(1_000, 1_000 + RECORDS_PER_PAGE))
    assert ids(second) == list(range(1_050, 1_060))
    assert ids(third) == []
    assert {(body["total"], body["more"], body["page_size"]) for body in (first, second, third)} == {(60, True, 50)}


@ON_SQLITE
@pytest.mark.parametrize(
    "query",
    [
        {"q": "x" * 201},
        {"q": " ".join("abcdefghijk")},
        {"birth_date": "1980-13"},
        {"birth_date": "03/02/1980"},
        {"page": "0"},
        {"page": "1000001"},
        {"name": "maria"},
    ],
)
async def test_refuses_wrong_query(api: ApiDriver, query: dict[str, str]) -> None:
    answer = await (await api.staff("reception")).get("/api/patients", params=query)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


def test_birth_date_does_not_depend_on_the_order_of_a_language() -> None:
    sql = str(matching_words(["1980"], "1980"))

    # Only words have the order of the bytes. In PostgreSQL's en_US.UTF-8, "1980-02" comes after "1980\U0010ffff".
    assert "patients.birth_date LIKE" in sql
    assert "patients.birth_date <" not in sql


def test_single_letter_only_filters_patients_of_longer_words() -> None:
    sql = str(matching_words(["maria", "s"], None))

    # PostgreSQL turns EXISTS into a join, which reads every word that begins with the letter.
    assert "EXISTS" not in sql
    assert "EXISTS" in str(matching_words(["m", "s"], None))


async def test_search_reads_index_only(api: ApiDriver) -> None:
    rows: list[PatientRow] = [
        {"id": number, "first_name": f"Name{number}", "last_name": "Santos"} for number in range(1_000, 3_000)
    ]
    await api.database.write(add_missing, patients, rows, ("first_name",))

    def explain(connection: Connection) -> str:
        statement = matching_words(["name1500", "santos"], None)
        sql = str(statement.compile(connection, compile_kwargs={"literal_binds": True}))
        if connection.dialect.name == "sqlite":
            return "\n".join(row.detail for row in connection.execute(text(f"EXPLAIN QUERY PLAN {sql}")))
        connection.execute(text("ANALYZE patient_search_words"))
        return "\n".join(connection.scalars(text(f"EXPLAIN {sql}")))

    plan = await api.database.write(explain)

    if "SEARCH" in plan:
        assert "SEARCH matched USING PRIMARY KEY (word>? AND word<?)" in plan
        assert "patient_search_words_by_patient (patient_id=? AND word>? AND word<?)" in plan
        assert "SCAN" not in plan
        assert "TEMP B-TREE" not in plan
    else:
        assert "using patient_search_words_pkey" in plan
        assert "using patient_search_words_by_patient" in plan
        assert "Seq Scan" not in plan

"""One patient's day: state, holder, waiting line and timeline."""

from typing import Any

import pytest
from sqlalchemy import Connection, insert, update

from patient_visit_engine.storage.accounts import add_account
from patient_visit_engine.storage.callers import register_caller
from patient_visit_engine.storage.screens.timeline_pages import TIMELINE_PAGE
from patient_visit_engine.storage.tables import timeline
from patient_visit_engine.visit.codes import Role
from tests.support.api import JOHN_DERMATOLOGY, ApiDriver, ApiOpener, start_body
from tests.support.builders import DAY, DR_OKAFOR, JOHN_DOE, MARIA_SILVA, NOON
from tests.support.databases import LATER_ON_POSTGRES, ON_SQLITE, database_on

database = database_on("sqlite", LATER_ON_POSTGRES)


async def test_patient_without_visit_is_free(api: ApiDriver) -> None:
    supervisor = await api.staff("supervisor")

    today = await supervisor.get("/api/patients/124/visit")
    another = await supervisor.get("/api/patients/124/visit?date=2020-02-29")

    maria = {"id": 124, "name": "Maria Silva", "family_name": "Silva", "birth_date": None, "record_number": None}
    empty = {"patient_id": 124, "patient": maria}
    empty |= {
        "state": "free",
        "holder": None,
        "paused": [],
        "waiting": [],
        "timeline": [],
        "next": None,
        "temporal_url": None,
    }
    assert today.json() == empty | {"date": "2026-03-02"}
    assert another.json() == empty | {"date": "2020-02-29"}
    assert (await supervisor.get("/api/patients/124/trackings")).json() == {"items": []}


async def test_shows_holder_waiting_line_and_timeline(api: ApiDriver) -> None:
    started = await (await api.doctor()).post("/api/consultations", json=start_body())
    await (await api.doctor(DR_OKAFOR.id)).post("/api/consultations", json=start_body(JOHN_DERMATOLOGY, wait=True))

    visit = (await (await api.doctor()).get("/api/patients/123/visit?date=2026-03-02")).json()

    assert visit["state"] == "in_consultation"
    assert visit["holder"] == {
        "doctor_id": 7,
        "name": "Dr. Amrani",
        "prestation_id": 11,
        "prestation": "Cardiology",
        "appointment_id": 1,
        "consultation_id": started.json()["id"],
        "started_at": "2026-03-02T11:00:00.000Z",
        "overdue_at": "2026-03-02T11:20:00.000Z",
        "expected_minutes": 20,
        "paused_seconds": 0,
    }
    assert visit["waiting"] == [
        {"doctor_id": 8, "name": "Dr. Okafor", "since": "2026-03-02T11:00:00.000Z", "position": 1}
    ]
    first = visit["timeline"][0]
    assert (first["at"], first["doctor_id"], first["doctor"]) == ("2026-03-02T11:00:00.000Z", 7, "Dr. Amrani")
    assert "by" not in first
    assert visit["temporal_url"] is None


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({}, "http://127.0.0.1:8233/namespaces/default/workflows/visit%2F123%2F2026-03-02"),
        (
            {"temporal_ui_url": "https://ui.example/"},
            "https://ui.example/namespaces/default/workflows/visit%2F123%2F2026-03-02",
        ),
    ],
)
async def test_supervisor_gets_link_to_temporal_ui(open_api: ApiOpener, settings: dict[str, str], url: str) -> None:
    api: ApiDriver = await open_api(**settings)
    await (await api.doctor()).post("/api/consultations", json=start_body())

    visit = await (await api.staff("supervisor")).get("/api/patients/123/visit")

    assert visit.json()["temporal_url"] == url


async def test_link_names_visit_of_earlier_day(api: ApiDriver) -> None:
    await (await api.doctor()).post("/api/consultations", json=start_body())
    api.clock.advance(hours=17)

    visit = await (await api.staff("supervisor", exp=4_000_000_000)).get("/api/patients/123/visit")

    assert (visit.json()["date"], visit.json()["timeline"]) == ("2026-03-03", [])
    assert visit.json()["temporal_url"].endswith("/workflows/visit%2F123%2F2026-03-02")


async def test_shows_consultation_on_both_days(api: ApiDriver) -> None:
    await (await api.doctor()).post("/api/consultations", json=start_body())
    api.clock.advance(hours=17)
    reception = await api.staff("reception", exp=4_000_000_000)

    today, yesterday = [await reception.get(f"/api/patients/123/visit{day}") for day in ("", "?date=2026-03-02")]
    day_before = await reception.get("/api/patients/123/visit?date=2026-03-01")
    open_rows = await reception.get("/api/patients/123/trackings")

    assert [answer.json()["state"] for answer in (today, yesterday, day_before)] == [
        "in_consultation",
        "in_consultation",
        "free",
    ]
    assert today.json()["date"] == "2026-03-03"
    assert [row["status"] for row in open_rows.json()["items"]] == ["in_progress"]


@ON_SQLITE
@pytest.mark.parametrize("resource", ["visit", "trackings"])
@pytest.mark.parametrize(
    "query", ["date=x", "date=2026-13-01", "date=2026-1-1", "day=2026-01-01", "date=2026-01-01&date=x"]
)
async def test_refuses_invalid_date(api: ApiDriver, resource: str, query: str) -> None:
    answer = await (await api.doctor()).get(f"/api/patients/123/{resource}?{query}")

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


async def test_only_supervisor_sees_callers_in_timeline(api: ApiDriver) -> None:
    await (await api.doctor()).post("/api/consultations", json=start_body())
    await (await api.doctor(DR_OKAFOR.id)).post("/api/consultations", json=start_body(JOHN_DERMATOLOGY))

    visit = (await (await api.doctor()).get("/api/patients/123/visit")).json()
    audited_visit = (await (await api.staff("supervisor")).get("/api/patients/123/visit")).json()

    started, refused = visit["timeline"]
    shown = {"name": "John Doe", "family_name": "Doe", "birth_date": "1974-05", "record_number": "P-017"}
    assert visit["patient"] == {"id": 123} | shown
    assert (started["event"], started["prestation"]) == ("started", "Cardiology")
    assert (refused["event"], refused["prestation"], refused["active_doctor"]) == (
        "refused",
        "Dermatology",
        "Dr. Amrani",
    )
    assert "by_name" not in refused
    # A program with a token has no account here, so only its subject is known.
    assert [(entry["by"], entry["by_name"]) for entry in audited_visit["timeline"]] == [
        ("doctor-7", None),
        ("doctor-8", None),
    ]


async def test_supervisor_sees_name_of_callers_account(api: ApiDriver) -> None:
    await api.database.write(add_account, "amrani", "x", "Dr. L. Amrani", Role.doctor, 7)
    amrani = await api.database.write(register_caller, "account:1", "1")
    await (await api.doctor()).post("/api/consultations", json=start_body())
    await api.database.write(lambda c: c.execute(update(timeline).values(caller_id=amrani)))

    audited_visit = (await (await api.staff("supervisor")).get("/api/patients/123/visit")).json()

    assert [(entry["by"], entry["by_name"]) for entry in audited_visit["timeline"]] == [("1", "Dr. L. Amrani")]


def add_entries(connection: Connection, numbers: range) -> None:
    """John Doe's entries of the day with these numbers, and as many of another patient and of another day."""
    row = {"visit_day": DAY, "at": NOON, "event": "extended", "particulars": "{}", "patient_id": JOHN_DOE.id}
    others: tuple[dict[str, Any], ...] = ({"patient_id": MARIA_SILVA.id}, {"visit_day": DAY.replace(day=1)}, {})
    rows = [row | {"appointment_id": number} | other for number in numbers for other in others]
    connection.execute(insert(timeline), rows)


async def test_timeline_pages_neither_lose_nor_repeat_entries(api: ApiDriver) -> None:
    doctor, count = await api.doctor(), 2 * TIMELINE_PAGE + 1
    await api.database.write(add_entries, range(count))
    path: str | None = "/api/patients/123/visit"
    pages: list[list[int]] = []

    while path is not None:
        page = (await doctor.get(path)).json()
        pages.append([entry["appointment_id"] for entry in page["timeline"]])
        # Entries that are written while a client turns the pages.
        await api.database.write(add_entries, range(1_000 * len(pages), 1_000 * len(pages) + 3))
        path = page["next"]

    assert [len(page) for page in pages] == [TIMELINE_PAGE, TIMELINE_PAGE, 1]
    assert [number for page in reversed(pages) for number in page] == list(range(count))


async def test_full_timeline_page_can_be_the_last(api: ApiDriver) -> None:
    await api.database.write(add_entries, range(TIMELINE_PAGE))

    page = (await (await api.doctor()).get("/api/patients/123/visit")).json()

    assert (len(page["timeline"]), page["next"]) == (TIMELINE_PAGE, None)


@pytest.mark.parametrize("before", ["0", "-1", "x", "9007199254740992", "1&before=2"])
async def test_refuses_invalid_page_of_timeline(api: ApiDriver, before: str) -> None:
    answer = await (await api.doctor()).get(f"/api/patients/123/visit?before={before}")

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")

"""One patient's day as a screen shows it."""

import pytest
from sqlalchemy import update

from patient_visit_engine.storage.accounts import add_account
from patient_visit_engine.storage.callers import register_caller
from patient_visit_engine.storage.tables import timeline
from patient_visit_engine.visit.codes import Role
from tests.support.api import JOHN_DERMATOLOGY, ApiDriver, ApiOpener, start_body
from tests.support.builders import DR_OKAFOR


async def test_a_patient_without_a_visit_is_free(api: ApiDriver) -> None:
    supervisor = await api.staff("supervisor")

    today = await supervisor.get("/api/patients/124/visit")
    another = await supervisor.get("/api/patients/124/visit?date=2020-02-29")

    empty = {"patient_id": 124, "patient_name": "Maria Silva"}
    empty |= {"state": "free", "holder": None, "waiting": [], "timeline": [], "temporal_url": None}
    assert today.json() == empty | {"date": "2026-03-02"}
    assert another.json() == empty | {"date": "2020-02-29"}
    assert (await supervisor.get("/api/patients/124/trackings")).json() == {"items": []}


async def test_the_day_shows_holder_line_and_what_happened(api: ApiDriver) -> None:
    begun = await (await api.doctor()).post("/api/consultations", json=start_body())
    await (await api.doctor(DR_OKAFOR.id)).post("/api/consultations", json=start_body(JOHN_DERMATOLOGY, wait=True))

    shown = (await (await api.doctor()).get("/api/patients/123/visit?date=2026-03-02")).json()

    assert shown["state"] == "in_consultation"
    assert shown["holder"] == {
        "doctor_id": 7,
        "name": "Dr. Amrani",
        "prestation_id": 11,
        "prestation": "Cardiology",
        "appointment_id": 1,
        "consultation_id": begun.json()["id"],
        "started_at": "2026-03-02T11:00:00.000Z",
        "overdue_at": "2026-03-02T11:20:00.000Z",
    }
    assert shown["waiting"] == [
        {"doctor_id": 8, "name": "Dr. Okafor", "since": "2026-03-02T11:00:00.000Z", "position": 1}
    ]
    first = shown["timeline"][0]
    assert (first["at"], first["doctor_id"], first["doctor"]) == ("2026-03-02T11:00:00.000Z", 7, "Dr. Amrani")
    assert "by" not in first
    assert shown["temporal_url"] is None


@pytest.mark.parametrize(
    ("named", "address"),
    [
        ({}, "http://127.0.0.1:8233/namespaces/default/workflows/visit%2F123%2F2026-03-02"),
        (
            {"temporal_ui_url": "https://ui.example/"},
            "https://ui.example/namespaces/default/workflows/visit%2F123%2F2026-03-02",
        ),
    ],
)
async def test_supervisors_find_the_visit_in_temporals_ui(
    open_api: ApiOpener, named: dict[str, str], address: str
) -> None:
    api: ApiDriver = await open_api(**named)  # type: ignore[operator]
    await (await api.doctor()).post("/api/consultations", json=start_body())

    shown = await (await api.staff("supervisor")).get("/api/patients/123/visit")

    assert shown.json()["temporal_url"] == address


async def test_a_consultation_across_midnight_is_seen_on_both_days(api: ApiDriver) -> None:
    await (await api.doctor()).post("/api/consultations", json=start_body())
    api.clock.pass_by(hours=13)
    desk = await api.staff("reception", exp=4_000_000_000)

    today, before = [await desk.get(f"/api/patients/123/visit{day}") for day in ("", "?date=2026-03-02")]
    other_day = await desk.get("/api/patients/123/visit?date=2026-03-01")
    open_rows = await desk.get("/api/patients/123/trackings")

    assert [one.json()["state"] for one in (today, before, other_day)] == ["in_consultation", "in_consultation", "free"]
    assert today.json()["date"] == "2026-03-03"
    assert [row["status"] for row in open_rows.json()["items"]] == ["in_progress"]


@pytest.mark.parametrize("what", ["visit", "trackings"])
@pytest.mark.parametrize(
    "query", ["date=x", "date=2026-13-01", "date=2026-1-1", "day=2026-01-01", "date=2026-01-01&date=x"]
)
async def test_a_day_is_a_day(api: ApiDriver, what: str, query: str) -> None:
    answer = await (await api.doctor()).get(f"/api/patients/123/{what}?{query}")

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


async def test_the_story_says_for_what_and_with_whom_and_a_supervisor_sees_by_whom(api: ApiDriver) -> None:
    await (await api.doctor()).post("/api/consultations", json=start_body())
    await (await api.doctor(DR_OKAFOR.id)).post("/api/consultations", json=start_body(JOHN_DERMATOLOGY))

    told = (await (await api.doctor()).get("/api/patients/123/visit")).json()
    audited = (await (await api.staff("supervisor")).get("/api/patients/123/visit")).json()

    started, refused = told["timeline"]
    assert told["patient_name"] == "John Doe"
    assert (started["event"], started["prestation"]) == ("started", "Cardiology")
    assert (refused["event"], refused["prestation"], refused["active_doctor"]) == (
        "refused",
        "Dermatology",
        "Dr. Amrani",
    )
    assert "by_name" not in refused
    # Who has a token has no account here, and is known by its subject alone.
    assert [(entry["by"], entry["by_name"]) for entry in audited["timeline"]] == [
        ("doctor-7", None),
        ("doctor-8", None),
    ]


async def test_a_supervisor_sees_the_name_of_the_account_that_asked(api: ApiDriver) -> None:
    await api.database.write(add_account, "amrani", "x", "Dr. L. Amrani", Role.doctor, 7)
    amrani = await api.database.write(register_caller, "account:1", "1")
    await (await api.doctor()).post("/api/consultations", json=start_body())
    await api.database.write(lambda at: at.execute(update(timeline).values(caller_id=amrani)))

    audited = (await (await api.staff("supervisor")).get("/api/patients/123/visit")).json()

    assert [(entry["by"], entry["by_name"]) for entry in audited["timeline"]] == [("1", "Dr. L. Amrani")]

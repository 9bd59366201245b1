"""The worklist: the day's appointments, the state of each patient, filters, order and the cursor of the snapshot."""

import asyncio
import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select, update

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.screens.worklist import WorklistFilter, read_worklist
from patient_visit_engine.storage.tables import appointments, events, log_head, patients, waiting_line
from tests.support.api import JOHN_CARDIOLOGY, JOHN_DERMATOLOGY, JOHN_X_RAY, MARIA_CARDIOLOGY, ApiDriver, start_body
from tests.support.builders import DAY, DR_AMRANI, DR_OKAFOR, DR_SMITH, NOON
from tests.support.touched_rows import touched_rows


async def read_list(api: ApiDriver, query: str = "", doctor_id: int = DR_AMRANI.id) -> dict[str, Any]:
    answer = await (await api.doctor(doctor_id)).get(f"/api/appointments{query}")
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def ids(body: dict[str, Any]) -> list[int]:
    return [item["appointment_id"] for item in body["items"]]


async def test_shows_item_of_free_patient(api: ApiDriver) -> None:
    body = await read_list(api)

    assert (body["page"], body["page_size"], body["total"]) == (1, 50, 4)
    assert body["items"][0] == {
        "appointment_id": 1,
        "scheduled_at": "2026-03-02T11:00:00.000Z",
        "status": "confirmed",
        "status_code": 1,
        "patient_id": 123,
        "patient_name": "John Doe",
        "doctor_id": 7,
        "doctor_name": "Dr. Amrani",
        "prestation_id": 11,
        "prestation": "Cardiology",
        "exclusive": True,
        "checked_in_at": None,
        "consultation_id": None,
        "started_at": None,
        "overdue_at": None,
        "ended_as": None,
        "patient": {
            "state": "free",
            "doctor": None,
            "doctor_id": None,
            "prestation": None,
            "since": None,
            "position": None,
            "until": None,
        },
    }
    assert body["date"] == "2026-03-02"


async def test_shows_busy_patient_on_all_items(api: ApiDriver) -> None:
    started = await (await api.doctor()).post("/api/consultations", json=start_body())
    other = await api.doctor(DR_OKAFOR.id)
    await other.post("/api/consultations", json=start_body(JOHN_DERMATOLOGY, wait=True))

    holders_list, waiting_list = await read_list(api), await read_list(api, doctor_id=DR_OKAFOR.id)

    busy = {
        "state": "in_consultation",
        "doctor": "Dr. Amrani",
        "doctor_id": 7,
        "prestation": "Cardiology",
        "since": "2026-03-02T11:00:00.000Z",
        "until": None,
    }
    assert [item["patient"] for item in holders_list["items"][:3]] == [busy | {"position": None}] * 3
    assert [item["patient"] for item in waiting_list["items"][:3]] == [busy | {"position": 1}] * 3
    assert holders_list["items"][3]["patient"]["state"] == "free"
    assert [item["consultation_id"] for item in holders_list["items"]] == [started.json()["id"], None, None, None]
    assert holders_list["items"][0]["status"] == "in_progress"
    assert holders_list["items"][0]["started_at"] == "2026-03-02T11:00:00.000Z"
    assert holders_list["items"][0]["overdue_at"] == "2026-03-02T11:20:00.000Z"
    assert holders_list["items"][1]["started_at"] is None


async def test_patient_in_x_ray_stays_free(api: ApiDriver) -> None:
    await (await api.doctor(DR_SMITH.id)).post("/api/consultations", json=start_body(JOHN_X_RAY))

    assert [item["patient"]["state"] for item in (await read_list(api))["items"]] == ["free"] * 4


async def test_shows_reservation_until_offer_ends(api: ApiDriver) -> None:
    doctor = await api.doctor()
    started = await doctor.post("/api/consultations", json=start_body())
    await (await api.doctor(DR_OKAFOR.id)).post("/api/consultations", json=start_body(JOHN_DERMATOLOGY, wait=True))
    await doctor.post(f"/api/consultations/{started.json()['id']}/complete")

    during_offer = await read_list(api)
    api.clock.pass_by(seconds=61)
    after_offer = await read_list(api)

    reserved = during_offer["items"][0]["patient"]
    assert (reserved["state"], reserved["doctor_id"], reserved["prestation"]) == ("reserved", 8, "Dermatology")
    assert reserved["until"] == "2026-03-02T11:01:00.000Z"
    assert after_offer["items"][0]["patient"]["until"] is None
    assert after_offer["items"][0]["patient"]["state"] == "free"


async def test_shows_how_released_consultation_ended(api: ApiDriver) -> None:
    started = await (await api.doctor()).post("/api/consultations", json=start_body())
    supervisor = await api.staff("supervisor")
    await supervisor.post(f"/api/consultations/{started.json()['id']}/release", json={"reason": "forgotten"})

    first = (await read_list(api))["items"][0]

    assert (first["status"], first["consultation_id"], first["checked_in_at"]) == ("confirmed", None, None)
    assert (first["started_at"], first["ended_as"]) == (None, "released")


async def test_start_after_release_hides_release(api: ApiDriver) -> None:
    doctor = await api.doctor()
    started = await doctor.post("/api/consultations", json=start_body())
    supervisor = await api.staff("supervisor")
    await supervisor.post(f"/api/consultations/{started.json()['id']}/release", json={"reason": "forgotten"})
    restarted = await doctor.post("/api/consultations", json=start_body())

    running = (await read_list(api))["items"][0]
    await doctor.post(f"/api/consultations/{restarted.json()['id']}/complete")
    done = (await read_list(api))["items"][0]

    assert (running["consultation_id"], running["ended_as"]) == (restarted.json()["id"], None)
    assert (done["status"], done["consultation_id"], done["ended_as"]) == ("done", restarted.json()["id"], None)


async def test_cancellation_hides_release(api: ApiDriver) -> None:
    started = await (await api.doctor()).post("/api/consultations", json=start_body())
    supervisor = await api.staff("supervisor")
    await supervisor.post(f"/api/consultations/{started.json()['id']}/release", json={"reason": "forgotten"})
    await supervisor.patch("/api/appointments/1/status", json={"status": "canceled"})

    assert (await read_list(api))["items"][0]["ended_as"] is None


async def test_check_out_removes_check_in_time(api: ApiDriver) -> None:
    reception = await api.staff("reception")
    await reception.post("/api/appointments/1/check-in")
    await reception.post("/api/appointments/1/check-out")

    first = (await read_list(api))["items"][0]

    assert (first["checked_in_at"], first["ended_as"]) == (None, None)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?doctor_id=7", [1, 4]),
        ("?doctor_id=999", []),
        ("?status=confirmed", [1, 2, 3]),
        ("?status=2", [4]),
        ("?status=1,canceled", [1, 2, 3, 4]),
        ("?status=1&status=2", [1, 2, 3, 4]),
        ("?status=done", []),
        ("?q=DOE", [1, 2, 3]),
        ("?q=doe%20john", [1, 2, 3]),
        ("?q=lind", []),
        ("?q=okafor", [2]),
        ("?q=x-RAY", [3]),
        ("?q=silva%20cardio", [4]),
        ("?q=%25", []),
        ("?q=_", []),
        ("?q=%5C", []),
        ("?q=%27%20OR%201=1--", []),
        ("?q=%00", None),
        ("?date=2026-03-03", []),
        ("?date=&doctor_id=&status=&q=&page=&page_size=", [1, 2, 3, 4]),
        ("?page_size=3", [1, 2, 3]),
        ("?page_size=3&page=2", [4]),
        ("?page=1000000", []),
        ("?date=1800-01-01", []),
        ("?date=2200-12-31", []),
    ],
)
async def test_filters_items_by_query(api: ApiDriver, query: str, expected: list[int] | None) -> None:
    await api.database.write(lambda c: c.execute(update(appointments).where(appointments.c.id == 4).values(status=2)))

    if expected is None:
        answer = await (await api.doctor()).get(f"/api/appointments{query}")
        assert answer.status_code == 422
    else:
        assert ids(await read_list(api, query)) == expected


async def test_search_ignores_case_and_accents(api: ApiDriver) -> None:
    rename = (
        update(patients)
        .where(patients.c.id == MARIA_CARDIOLOGY.patient_id)
        .values(first_name="Élodie", last_name="Straße")
    )
    await api.database.write(lambda c: c.execute(rename))

    assert ids(await read_list(api, "?q=éLODIE")) == [4]
    assert ids(await read_list(api, "?q=STRASSE")) == [4]


@pytest.mark.parametrize("name", ["Γιώργος", "İbrahim", "ﬁona", "Nguyễn", "O'Brien 100%", "a_b"])
async def test_finds_name_as_it_is_stored(api: ApiDriver, name: str) -> None:
    rename = update(patients).where(patients.c.id == MARIA_CARDIOLOGY.patient_id).values(first_name=name)
    await api.database.write(lambda c: c.execute(rename))

    answer = await (await api.doctor()).get("/api/appointments", params={"q": name})

    assert ids(answer.json()) == [4]


async def test_finds_greek_name_by_capital_letters(api: ApiDriver) -> None:
    rename = update(patients).where(patients.c.id == MARIA_CARDIOLOGY.patient_id).values(last_name="Παπαδόπουλος")
    await api.database.write(lambda c: c.execute(rename))

    assert ids(await read_list(api, "?q=ΠΑΠΑΔΌΠΟΥΛΟΣ")) == [4]


async def test_reads_today_without_scanning_past_years(database: Database, api: ApiDriver) -> None:
    def fill_past_days(connection: Connection) -> None:
        row = {"patient_id": 123, "doctor_id": 8, "prestation_id": 11, "status": 4}
        rows = [row | {"id": 1_000 + n, "scheduled_at": NOON - timedelta(days=1, minutes=n)} for n in range(20_000)]
        connection.execute(insert(appointments), rows)
        connection.exec_driver_sql("ANALYZE")

    # With a consultation in progress, the query for consultations of other days runs too.
    await (await api.doctor()).post("/api/consultations", json=start_body())
    await database.write(fill_past_days)
    worklist_filter = WorklistFilter(
        DAY, NOON - timedelta(hours=12), NOON + timedelta(hours=12), DAY, NOON, 1, 50, doctor_id=8
    )

    def read(connection: Connection) -> tuple[dict[str, Any], int]:
        with touched_rows(connection, "appointments") as count_touched:
            page = read_worklist(connection, worklist_filter)
            return page, count_touched()

    page, touched = await database.read(read)

    assert page["total"] > 0
    assert touched < 5_000


@pytest.mark.parametrize(
    "query",
    [
        "date=yesterday",
        "date=2026-02-30",
        "date=1799-12-31",
        "date=9999-12-31",
        "date=0001-01-01",
        "date=2026-03-02T00:00",
        "doctor_id=0",
        "doctor_id=x",
        f"doctor_id={2**53}",
        "status=6",
        "status=-1",
        "status=busy",
        "status=1.0",
        "&".join(["status=1"] * 21),
        "page=0",
        "page=1000001",
        "page=1.5",
        "page_size=0",
        "page_size=501",
        "q=" + "x" * 201,
        "doctr_id=7",
    ],
)
async def test_refuses_invalid_query(api: ApiDriver, query: str) -> None:
    answer = await (await api.doctor()).get(f"/api/appointments?{query}")

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


async def test_day_follows_time_zone_of_hospital(api: ApiDriver) -> None:
    def add_appointments(connection: Connection) -> None:
        for number, at in enumerate(
            ["2026-03-28T22:59:59.999Z", "2026-03-28T23:00:00Z", "2026-03-29T21:59:59.999Z", "2026-03-29T22:00:00Z"]
        ):
            row = {"id": 100 + number, "patient_id": 124, "doctor_id": 9, "prestation_id": 11, "status": 0}
            connection.execute(insert(appointments).values(scheduled_at=datetime.fromisoformat(at), **row))

    await api.database.write(add_appointments)

    # The clocks go forward in that night, so the day has 23 hours.
    assert ids(await read_list(api, "?date=2026-03-29")) == [101, 102]


async def test_sorts_by_time_then_by_id(api: ApiDriver) -> None:
    move = update(appointments).where(appointments.c.id == 3).values(scheduled_at=NOON - timedelta(hours=1))
    await api.database.write(lambda c: c.execute(move))

    assert ids(await read_list(api)) == [3, 1, 2, 4]


async def test_cursor_matches_rows_of_answer(api: ApiDriver) -> None:
    database = api.database
    stop = asyncio.Event()

    async def check_in_and_out() -> None:
        reception = await api.staff("reception")
        while not stop.is_set():
            await reception.post(f"/api/appointments/{JOHN_CARDIOLOGY.id}/check-in")
            await reception.post(f"/api/appointments/{JOHN_CARDIOLOGY.id}/check-out")

    working = asyncio.create_task(check_in_and_out())
    cursors = set[str]()
    try:
        while len(cursors) < 12:
            body = await read_list(api)
            cursors.add(body["cursor"])
            epoch, seq = body["cursor"].rsplit("-", 1)
            status = await database.read(_last_status, int(seq))
            assert body["items"][0]["status"] == (status or "confirmed")
            assert epoch == await database.read(lambda c: c.scalar(select(log_head.c.epoch)))
            assert not working.done()
    finally:
        stop.set()
        await working


def _last_status(connection: Connection, seq: int) -> str | None:
    query = select(events.c.data).where(events.c.seq <= seq, events.c.name == "appointment.updated")
    data = connection.scalar(query.order_by(events.c.seq.desc()).limit(1))
    return None if data is None else str(json.loads(data)["status"])


async def test_shows_position_in_line_of_today(database: Database, api: ApiDriver) -> None:
    def add_waiting_doctors(connection: Connection) -> None:
        for day, doctor in ((DAY - timedelta(days=1), 9), (DAY, 456), (DAY, 8)):
            row = {"patient_id": 123, "doctor_id": doctor, "appointment_id": 2, "visit_day": day, "since": NOON}
            connection.execute(insert(waiting_line).values(**row))

    await database.write(add_waiting_doctors)
    worklist_filter = WorklistFilter(
        DAY, NOON - timedelta(hours=1), NOON + timedelta(hours=1), DAY, NOON, 1, 50, asking_doctor=8
    )

    body = await database.read(read_worklist, worklist_filter)

    assert body["items"][0]["patient"]["position"] == 2


async def test_lists_consultation_that_crossed_midnight(api: ApiDriver) -> None:
    started = await (await api.doctor()).post("/api/consultations", json=start_body())
    move_to_yesterday = update(appointments).where(appointments.c.id == 1).values(scheduled_at=NOON - timedelta(days=1))
    await api.database.write(lambda c: c.execute(move_to_yesterday))

    today = await read_list(api, "?doctor_id=7&status=in_progress")
    tomorrow = await read_list(api, "?doctor_id=7&date=2026-03-03")
    others = await read_list(api, "?doctor_id=8&status=in_progress")

    assert [item["consultation_id"] for item in today["items"]] == [started.json()["id"]]
    assert (tomorrow["items"], others["items"]) == ([], [])

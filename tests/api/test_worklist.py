"""The worklist: the day's appointments, the state of each patient, and the cursor of the snapshot."""

import asyncio
import json
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import Connection, insert, select, update

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.screens.worklist import read_worklist
from patient_visit_engine.storage.screens.worklist_filter import WorklistFilter
from patient_visit_engine.storage.tables import (
    accounts,
    appointments,
    callers,
    events,
    log_head,
    reservations,
    waiting_line,
)
from patient_visit_engine.wire import worklist_bodies
from tests.support.api import JOHN_CARDIOLOGY, JOHN_DERMATOLOGY, JOHN_X_RAY, ApiDriver, start_body
from tests.support.builders import CALENDAR, DAY, DR_OKAFOR, DR_SMITH, NOON
from tests.support.touched_rows import touched_rows


async def test_shows_item_of_free_patient(api: ApiDriver) -> None:
    body = await api.read_worklist()

    assert (body["page"], body["page_size"], body["total"]) == (1, 50, 4)
    assert body["items"][0] == {
        "appointment_id": 1,
        "scheduled_at": "2026-03-02T11:00:00.000Z",
        "status": "confirmed",
        "status_code": 1,
        "patient_id": 123,
        "patient_name": "John Doe",
        "family_name": "Doe",
        "birth_date": "1974-05",
        "record_number": "P-017",
        "doctor_id": 7,
        "doctor_name": "Dr. Amrani",
        "room": None,
        "prestation_id": 11,
        "prestation": "Cardiology",
        "exclusive": True,
        "checked_in_at": None,
        "consultation_id": None,
        "started_at": None,
        "completed_at": None,
        "overdue_at": None,
        "paused_at": None,
        "expected_minutes": 20,
        "paused_seconds": 0,
        "priority": None,
        "no_answers": 0,
        "left_at": None,
        "canceled_at": None,
        "ended_as": None,
        "ticket": None,
        "patient": {
            "state": "free",
            "doctor": None,
            "doctor_id": None,
            "prestation": None,
            "since": None,
            "paused_seconds": 0,
            "position": None,
            "until": None,
            "kind": None,
        },
        "ended_by": None,
        "ended_reason": None,
        "present": False,
        "why": "not_present",
        "late_minutes": 0,
        "called_until": None,
        "called_elsewhere": None,
        "waiting_for_me": [],
    }
    assert body["date"] == "2026-03-02"


async def test_shows_busy_patient_on_all_items(api: ApiDriver) -> None:
    started = await (await api.doctor()).post("/api/consultations", json=start_body())
    other = await api.doctor(DR_OKAFOR.id)
    await other.post("/api/consultations", json=start_body(JOHN_DERMATOLOGY, wait=True))

    holders_list, waiting_list = await api.read_worklist(), await api.read_worklist(doctor_id=DR_OKAFOR.id)

    busy = {
        "state": "in_consultation",
        "doctor": "Dr. Amrani",
        "doctor_id": 7,
        "prestation": "Cardiology",
        "since": "2026-03-02T11:00:00.000Z",
        "paused_seconds": 0,
        "until": "2026-03-02T11:20:00.000Z",
        "kind": None,
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

    assert [item["patient"]["state"] for item in (await api.read_worklist())["items"]] == ["free"] * 4


async def test_shows_reservation_until_its_end_is_recorded(api: ApiDriver) -> None:
    doctor = await api.doctor()
    started = await doctor.post("/api/consultations", json=start_body())
    await (await api.doctor(DR_OKAFOR.id)).post("/api/consultations", json=start_body(JOHN_DERMATOLOGY, wait=True))
    await doctor.post(f"/api/consultations/{started.json()['id']}/complete")

    during_offer = await api.read_worklist()
    api.clock.advance(seconds=61)
    after_offer = await api.read_worklist()

    reserved = during_offer["items"][0]["patient"]
    assert (reserved["state"], reserved["doctor_id"], reserved["prestation"]) == ("reserved", 8, "Dermatology")
    assert reserved["until"] == "2026-03-02T11:01:00.000Z"
    assert after_offer["items"][0]["patient"] == reserved


async def test_offer_of_yesterday_still_reserves(api: ApiDriver) -> None:
    doctor = await api.doctor()
    started = await doctor.post("/api/consultations", json=start_body())
    await (await api.doctor(DR_OKAFOR.id)).post("/api/consultations", json=start_body(JOHN_DERMATOLOGY, wait=True))
    await doctor.post(f"/api/consultations/{started.json()['id']}/complete")
    yesterday = {"visit_day": DAY - timedelta(days=1)}
    await api.database.write(lambda connection: connection.execute(update(waiting_line).values(yesterday)))
    await api.database.write(lambda connection: connection.execute(update(reservations).values(yesterday)))

    patient = (await api.read_worklist())["items"][0]["patient"]

    assert (patient["state"], patient["until"]) == ("reserved", "2026-03-02T11:01:00.000Z")


async def test_shows_how_released_consultation_ended(api: ApiDriver) -> None:
    started = await (await api.doctor()).post("/api/consultations", json=start_body())
    supervisor = await api.staff("supervisor")
    await supervisor.post(f"/api/consultations/{started.json()['id']}/release", json={"reason": "forgotten"})

    first = (await api.read_worklist())["items"][0]

    assert (first["status"], first["consultation_id"], first["checked_in_at"]) == ("confirmed", None, None)
    assert (first["started_at"], first["ended_as"]) == (None, "released")


async def test_start_after_release_hides_release(api: ApiDriver) -> None:
    doctor = await api.doctor()
    started = await doctor.post("/api/consultations", json=start_body())
    supervisor = await api.staff("supervisor")
    await supervisor.post(f"/api/consultations/{started.json()['id']}/release", json={"reason": "forgotten"})
    restarted = await doctor.post("/api/consultations", json=start_body())

    running = (await api.read_worklist())["items"][0]
    await doctor.post(f"/api/consultations/{restarted.json()['id']}/complete")
    done = (await api.read_worklist())["items"][0]

    assert (running["consultation_id"], running["ended_as"]) == (restarted.json()["id"], None)
    assert (done["status"], done["consultation_id"], done["ended_as"]) == ("done", restarted.json()["id"], None)
    assert (running["completed_at"], done["completed_at"]) == (None, "2026-03-02T11:00:00.000Z")


@pytest.mark.parametrize("is_checked_in", [True, False])
async def test_its_doctor_and_supervisors_see_who_released(api: ApiDriver, is_checked_in: bool) -> None:
    def add_account(connection: Connection) -> None:
        connection.execute(
            insert(accounts).values(id=90, username="lena", name="Lena Moreau", role="supervisor", password_hash="-")
        )
        subject = update(callers).where(callers.c.subject.like("%supervisor%")).values(subject="account:90")
        connection.execute(subject)

    doctor, supervisor = await api.doctor(), await api.staff("supervisor")
    if is_checked_in:
        await supervisor.post("/api/appointments/1/check-in")
    started = await doctor.post("/api/consultations", json=start_body())
    await supervisor.post(f"{started.headers['location']}/release", json={"reason": "at lunch"})
    await api.database.write(add_account)

    async def read_end(client: httpx.AsyncClient) -> tuple[str | None, str | None]:
        first = (await client.get("/api/appointments")).json()["items"][0]
        return first["ended_by"], first["ended_reason"]

    for client in (doctor, supervisor):
        assert await read_end(client) == ("Lena Moreau", "at lunch")
    for client in (await api.doctor(DR_OKAFOR.id), await api.staff("reception"), await api.staff("service")):
        assert await read_end(client) == (None, None)
    await doctor.post("/api/consultations", json=start_body())
    assert await read_end(doctor) == (None, None)


async def test_cancellation_hides_release(api: ApiDriver) -> None:
    started = await (await api.doctor()).post("/api/consultations", json=start_body())
    supervisor = await api.staff("supervisor")
    await supervisor.post(f"/api/consultations/{started.json()['id']}/release", json={"reason": "forgotten"})
    await supervisor.patch("/api/appointments/1/status", json={"status": "canceled"})

    assert (await api.read_worklist())["items"][0]["ended_as"] is None


async def test_check_out_removes_check_in_time(api: ApiDriver) -> None:
    reception = await api.staff("reception")
    await reception.post("/api/appointments/1/check-in")
    await reception.post("/api/appointments/1/check-out")

    first = (await api.read_worklist())["items"][0]

    assert (first["checked_in_at"], first["ended_as"]) == (None, None)


async def test_shows_when_patient_left_until_next_check_in(api: ApiDriver) -> None:
    reception = await api.staff("reception")
    await reception.post("/api/appointments/1/check-in")
    left = (await reception.post("/api/appointments/1/check-out")).json()

    after_departure = (await api.read_worklist())["items"][0]
    await reception.post("/api/appointments/1/check-in")
    after_return = (await api.read_worklist())["items"][0]

    assert after_departure["left_at"] == left["check_out_time"]
    assert after_return["left_at"] is None


async def test_shows_when_appointment_was_canceled(api: ApiDriver) -> None:
    reception = await api.staff("reception")
    await reception.post("/api/appointments/1/cancel", json={"reason": "patient"})
    after_cancellation = (await api.read_worklist())["items"][0]
    await reception.delete("/api/appointments/1/cancel")

    after_return = (await api.read_worklist())["items"][0]

    assert after_cancellation["status"] == "canceled"
    assert after_cancellation["canceled_at"] is not None
    assert after_return["canceled_at"] is None


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
        DAY,
        NOON - timedelta(hours=12),
        NOON + timedelta(hours=12),
        CALENDAR.hospital_day(DAY),
        NOON,
        1,
        50,
        doctor_id=8,
    )

    def read(connection: Connection) -> tuple[worklist_bodies.Worklist, int]:
        with touched_rows(connection, "appointments") as count_touched:
            page = read_worklist(connection, worklist_filter)
            return page, count_touched()

    page, touched = await database.read(read)

    assert page["total"] > 0
    assert touched < 5_000


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
            body = await api.read_worklist()
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


async def test_shows_position_in_line(database: Database, api: ApiDriver) -> None:
    def add_waiting_doctors(connection: Connection) -> None:
        for day, doctor in ((DAY - timedelta(days=1), 7), (DAY, 8)):
            row = {"patient_id": 123, "doctor_id": doctor, "appointment_id": 2, "visit_day": day, "since": NOON}
            row |= {"person_id": 123, "turn": doctor, "unused_offers": 0}
            connection.execute(insert(waiting_line).values(**row))

    await database.write(add_waiting_doctors)
    worklist_filter = WorklistFilter(
        DAY,
        NOON - timedelta(hours=1),
        NOON + timedelta(hours=1),
        CALENDAR.hospital_day(DAY),
        NOON,
        1,
        50,
        asking_doctor_id=8,
    )

    body = await database.read(read_worklist, worklist_filter)

    assert body["items"][0]["patient"]["position"] == 2


async def test_lists_consultation_of_an_earlier_day(api: ApiDriver) -> None:
    started = await (await api.doctor()).post("/api/consultations", json=start_body())
    move_to_yesterday = update(appointments).where(appointments.c.id == 1).values(scheduled_at=NOON - timedelta(days=1))
    await api.database.write(lambda c: c.execute(move_to_yesterday))

    today = await api.read_worklist("?doctor_id=7&status=in_progress")
    tomorrow = await api.read_worklist("?doctor_id=7&date=2026-03-03")
    others = await api.read_worklist("?doctor_id=8&status=in_progress")

    assert [item["consultation_id"] for item in today["items"]] == [started.json()["id"]]
    assert (tomorrow["items"], others["items"]) == ([], [])


async def test_lists_check_in_of_another_day(api: ApiDriver) -> None:
    reception = await api.staff("reception")
    await reception.post("/api/appointments/1/check-in")
    move_to_tomorrow = update(appointments).where(appointments.c.id == 1).values(scheduled_at=NOON + timedelta(days=1))
    await api.database.write(lambda c: c.execute(move_to_tomorrow))

    today = await api.read_worklist("?doctor_id=7&status=pending")

    assert [item["appointment_id"] for item in today["items"]] == [1]

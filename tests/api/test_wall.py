"""The screen in the waiting room: called tickets and waiting patients, without a name or an id, and a session that does not end."""

import json
from http.cookies import SimpleCookie

import pytest
from sqlalchemy import select

from patient_visit_engine.storage import accounts
from patient_visit_engine.storage.tables import events
from patient_visit_engine.visit.codes import Role
from tests.support.api import JOHN_CARDIOLOGY, JOHN_X_RAY, MARIA_CARDIOLOGY, ApiDriver, start_body
from tests.support.builders import DR_SMITH, an_appointment, seed
from tests.support.passwords import WEAK_HASH

WALL = {"username": "wall", "password": "correct horse"}


async def check_in(api: ApiDriver, *appointment_ids: int) -> None:
    reception = await api.staff("reception")
    for appointment_id in appointment_ids:
        await reception.post(f"/api/appointments/{appointment_id}/check-in")
        api.clock.advance(seconds=1)


async def test_wall_shows_tickets_rooms_and_counts_only(api: ApiDriver) -> None:
    wall, doctor, smith = await api.staff("wall"), await api.doctor(), await api.doctor(DR_SMITH.id)
    await (await api.staff("supervisor")).put("/api/doctors/7/room", json={"room": "4"})
    await (await api.staff("reception")).post(
        f"/api/appointments/{JOHN_CARDIOLOGY.id}/cancel", json={"reason": "other"}
    )
    await check_in(api, JOHN_X_RAY.id, MARIA_CARDIOLOGY.id)
    before = (await wall.get("/api/wall")).json()
    await smith.post(f"/api/doctors/{DR_SMITH.id}/call-next")
    api.clock.advance(seconds=1)
    await doctor.post("/api/doctors/7/call-next")

    answer = await wall.get("/api/wall")
    await doctor.post("/api/consultations", json=start_body(MARIA_CARDIOLOGY))
    api.clock.advance(minutes=4)
    after = (await wall.get("/api/wall")).json()

    waiting = [{"doctor": "Dr. Amrani", "room": "4", "count": 1}, {"doctor": "Dr. Smith", "room": None, "count": 1}]
    assert (before["called"], before["waiting"]) == ([], waiting)
    assert answer.json() == {
        "date": "2026-03-02",
        "called": [
            {
                "ticket": "A02",
                "room": "4",
                "since": "2026-03-02T11:00:03.000Z",
                "until": "2026-03-02T11:03:03.000Z",
            },
            {
                "ticket": "A01",
                "room": None,
                "since": "2026-03-02T11:00:02.000Z",
                "until": "2026-03-02T11:03:02.000Z",
            },
        ],
        "waiting": waiting,
        "cursor": answer.json()["cursor"],
    }
    assert (after["called"], after["waiting"]) == ([], waiting[1:])


async def test_channel_of_the_wall_has_no_patient(api: ApiDriver) -> None:
    await check_in(api, JOHN_CARDIOLOGY.id)
    await (await api.doctor()).post("/api/doctors/7/call-next")

    rows = await api.database.read(
        lambda connection: connection.execute(select(events).where(events.c.channel == "wall")).all()
    )

    [row] = rows
    assert (row.name, row.patient_id, row.consultation_id) == ("patient.called", None, None)
    assert json.loads(row.data) == {
        "ticket": "A01",
        "room": None,
        "until": "2026-03-02T11:03:01.000Z",
        "message": "Ticket A01",
        "timestamp": "2026-03-02T11:00:01.000Z",
    }


async def test_patient_with_two_check_ins_counts_once(api: ApiDriver) -> None:
    await api.database.write(seed, an_appointment(number=77))
    await check_in(api, JOHN_CARDIOLOGY.id, 77, MARIA_CARDIOLOGY.id)

    waiting = (await (await api.staff("wall")).get("/api/wall")).json()["waiting"]

    assert waiting == [{"doctor": "Dr. Amrani", "room": None, "count": 2}]


async def test_patient_without_a_ticket_is_not_on_the_wall(api: ApiDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start without a check-in gives no ticket. John is called for the X-ray after it, later than Maria."""
    monkeypatch.setattr("patient_visit_engine.storage.screens.wall.MAX_CALLS", 1)
    await check_in(api, MARIA_CARDIOLOGY.id)
    doctor, smith = await api.doctor(), await api.doctor(DR_SMITH.id)
    started = await doctor.post("/api/consultations", json=start_body())
    await doctor.post(f"{started.headers['location']}/complete")
    await doctor.post("/api/doctors/7/call-next")
    api.clock.advance(seconds=1)

    called = await smith.post(f"/api/doctors/{DR_SMITH.id}/call-next")
    shown = (await (await api.staff("wall")).get("/api/wall")).json()["called"]

    assert (called.json()["appointment_id"], called.json()["ticket"]) == (JOHN_X_RAY.id, None)
    assert [call["ticket"] for call in shown] == ["A01"]


async def test_session_of_a_wall_lasts_while_it_is_used(api: ApiDriver) -> None:
    hashed = WEAK_HASH.hash(WALL["password"])
    await api.database.write(accounts.add_account, "wall", hashed, "Waiting room", Role.wall, None)
    wall = await api.anyone()
    assert (await wall.post("/api/session", json=WALL)).status_code == 204

    for _ in range(3):
        api.clock.advance(hours=7)
        answer = await wall.get("/api/wall")
        assert answer.status_code == 200
        cookie = SimpleCookie(answer.headers["set-cookie"])["visit_session"]
        assert (cookie["max-age"], cookie["httponly"]) == (str(12 * 3600), True)
    api.clock.advance(hours=12)
    unused = await wall.get("/api/wall")
    refused = await wall.put("/api/session/password", json={"old": "correct horse", "new": "another horse"})

    assert (unused.status_code, refused.status_code) == (401, 401)


async def test_only_a_wall_reads_the_wall_and_it_changes_no_password(api: ApiDriver) -> None:
    for role in ("reception", "supervisor", "service", "admin"):
        assert (await (await api.staff(role)).get("/api/wall")).status_code == 403
    body = {"old": "correct horse", "new": "another horse"}
    refused = await (await api.staff("wall")).put("/api/session/password", json=body)
    assert (refused.status_code, refused.json()["code"]) == (403, "wrong_role")

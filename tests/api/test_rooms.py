"""The room in which a doctor sits today: who may set it, where it is shown, and when it ends."""

import json
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, select

from patient_visit_engine.storage.tables import events
from tests.support.api import ApiDriver, start_body
from tests.support.builders import DR_AMRANI, DR_OKAFOR

PATH = f"/api/doctors/{DR_AMRANI.id}/room"


async def read_doctor(api: ApiDriver, **headers: str) -> Any:
    """The answer to a read of the doctor. The caller's token outlives the day."""
    reception = await api.staff("reception", exp=api.clock.at + timedelta(hours=1))
    return await reception.get(f"/api/doctors/{DR_AMRANI.id}", headers=headers)


async def rooms_of(api: ApiDriver) -> tuple[str | None, str | None]:
    """The usual room, and that of today."""
    doctor = (await read_doctor(api)).json()
    return doctor["room"], doctor["room_today"]


async def published_rooms(api: ApiDriver) -> list[str | None]:
    """The room in each event, oldest first."""

    def read(connection: Connection) -> list[str | None]:
        data = select(events.c.data).where(events.c.name == "doctor.updated").order_by(events.c.seq)
        return [json.loads(text)["room"] for text in connection.scalars(data)]

    return await api.database.read(read)


async def test_room_of_today_wins_over_the_usual_room(api: ApiDriver) -> None:
    supervisor, doctor = await api.staff("supervisor"), await api.doctor()
    await supervisor.put(f"/api/doctors/{DR_AMRANI.id}", json={"name": "Dr. Amrani", "room": "B 12"})
    await doctor.post("/api/consultations", json=start_body())

    set_room = await doctor.put(PATH, json={"room": " 4 "})

    assert set_room.status_code == 200, set_room.text
    assert set_room.json() == {"doctor_id": DR_AMRANI.id, "date": "2026-03-02", "room": "4"}
    assert await rooms_of(api) == ("B 12", "4")
    listed = (await doctor.get("/api/doctors", params={"q": "amrani"})).json()["items"]
    assert [(item["room"], item["room_today"]) for item in listed] == [("B 12", "4")]
    items = (await api.read_worklist())["items"]
    assert {item["doctor_name"]: item["room"] for item in items} == {
        "Dr. Amrani": "4",
        "Dr. Okafor": None,
        "Dr. Smith": None,
    }
    [john] = (await doctor.get("/api/board")).json()["items"]
    assert john["consultations"][0]["room"] == "4"


async def test_each_change_of_the_shown_room_is_published_once(api: ApiDriver) -> None:
    supervisor = await api.staff("supervisor")
    for room in ("4", "4", "5", None, None):
        await supervisor.put(PATH, json={"room": room})
    await supervisor.put(PATH, json={"room": "6"})
    # A change of the record shows where the doctor sits, and not the usual room.
    await supervisor.put(f"/api/doctors/{DR_AMRANI.id}", json={"name": "Dr. Amrani", "room": "B 12"})

    assert await published_rooms(api) == ["4", "5", None, "6", "6"]
    assert await rooms_of(api) == ("B 12", "6")


async def test_room_ends_with_the_day(api: ApiDriver) -> None:
    supervisor = await api.staff("supervisor")
    await supervisor.put(f"/api/doctors/{DR_AMRANI.id}", json={"name": "Dr. Amrani", "room": "B 12"})
    await supervisor.put(PATH, json={"room": "4"})
    etag = (await read_doctor(api)).headers["etag"]

    # 03:59 and 04:00 in Paris.
    api.clock.advance(hours=15, minutes=59)
    before = await rooms_of(api)
    api.clock.advance(minutes=1)
    after = await read_doctor(api, **{"If-None-Match": etag})
    again = await api.staff("supervisor", exp=api.clock.at + timedelta(hours=1))
    answer = await again.put(PATH, json={"room": None})

    assert before == ("B 12", "4")
    # The version is the same, but the shown room is not.
    assert (after.status_code, after.headers["etag"], after.json()["room_today"]) == (200, etag, "B 12")
    assert answer.json() == {"doctor_id": DR_AMRANI.id, "date": "2026-03-03", "room": "B 12"}


async def test_only_the_doctor_and_supervisors_set_the_room(api: ApiDriver) -> None:
    before = await api.all_rows()
    other = await (await api.doctor(DR_OKAFOR.id)).put(PATH, json={"room": "4"})
    unknown = await (await api.staff("supervisor")).put("/api/doctors/999/room", json={"room": "4"})
    bodies = [{}, {"room": ""}, {"room": "x" * 201}, {"room": 4}, {"room": "a\u202eb"}, {"room": "4", "name": "Dr. X"}]
    wrong = [await (await api.doctor()).put(PATH, json=body) for body in bodies]

    assert (other.status_code, other.json()["code"]) == (403, "not_yours")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_doctor")
    assert [answer.status_code for answer in wrong] == [422] * len(bodies)
    assert await api.all_rows() == before

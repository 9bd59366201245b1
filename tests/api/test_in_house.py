"""Who is in the house: on the worklist and on the board, from the arrival until the check-out or the last service."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from patient_visit_engine.storage.tables import appointments
from tests.support.api import JOHN_DERMATOLOGY, MARIA_CARDIOLOGY, ApiDriver, start_body
from tests.support.builders import CALENDAR, DAY, DR_AMRANI, DR_OKAFOR, DR_SMITH, JOHN_DOE, MARIA_SILVA, NOON


async def read_items(api: ApiDriver, path: str) -> list[dict[str, Any]]:
    """The items of a list, as staff whose token is valid now."""
    doctor = await api.staff("doctor", DR_AMRANI.id, exp=api.clock.at + timedelta(hours=1))
    answer = await doctor.get(path)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def present_items(api: ApiDriver) -> list[int]:
    """The appointments of patients who are in the house."""
    return [item["appointment_id"] for item in await read_items(api, "/api/appointments") if item["present"]]


async def read_board(api: ApiDriver) -> list[dict[str, Any]]:
    return await read_items(api, "/api/board")


async def test_patient_is_in_the_house_between_two_services(api: ApiDriver) -> None:
    """John has appointments 1, 2 and 3. He arrives for the first one only."""
    doctor, reception = await api.doctor(), await api.staff("reception")
    before = await present_items(api)
    await reception.post("/api/appointments/1/check-in")
    started = await doctor.post("/api/consultations", json=start_body())
    during = await present_items(api)
    api.clock.advance(minutes=10)
    await doctor.post(f"{started.headers['location']}/complete")

    between, board = await present_items(api), await read_board(api)

    assert (before, during, between) == ([], [1, 2, 3], [1, 2, 3])
    assert board == [
        {
            "patient_id": 123,
            "patient_name": "John Doe",
            "family_name": "Doe",
            "birth_date": "1974-05",
            "record_number": "P-017",
            "ticket": "A01",
            "state": "free",
            "consultations": [],
            "paused": [],
            "checked_in": [],
            "waiting": [],
        }
    ]
    for appointment_id in (2, 3):
        await reception.post(f"/api/appointments/{appointment_id}/cancel", json={"reason": "patient"})
    assert (await present_items(api), await read_board(api)) == ([], [])


async def test_released_patient_who_was_not_checked_in_stays_on_the_board(api: ApiDriver) -> None:
    started = await (await api.doctor()).post("/api/consultations", json=start_body())
    supervisor = await api.staff("supervisor")

    await supervisor.post(f"{started.headers['location']}/release", json={"reason": "forgotten"})

    assert [item["patient_id"] for item in await read_board(api)] == [123]
    assert await present_items(api) == [1, 2, 3]


async def test_last_departure_counts_and_not_the_last_arrival(api: ApiDriver) -> None:
    """John is checked in for 1 and 2. The consultation of 2 ends, and then he leaves."""
    reception, okafor = await api.staff("reception"), await api.doctor(DR_OKAFOR.id)
    for appointment_id in (1, 2):
        await reception.post(f"/api/appointments/{appointment_id}/check-in")
    started = await okafor.post("/api/consultations", json=start_body(JOHN_DERMATOLOGY))
    await okafor.post(f"{started.headers['location']}/complete")
    api.clock.advance(minutes=20)

    assert (await reception.post("/api/patients/123/check-out")).status_code == 200

    assert (await present_items(api), await read_board(api)) == ([], [])


@pytest.mark.parametrize("leave", ["POST check-out", "DELETE check-in"])
async def test_patient_who_left_or_never_came_is_not_in_the_house(api: ApiDriver, leave: str) -> None:
    reception = await api.staff("reception")
    await reception.post("/api/appointments/1/check-in")
    method, call = leave.split()

    await reception.request(method, f"/api/appointments/1/{call}")

    assert (await present_items(api), await read_board(api)) == ([], [])
    # A second arrival counts again.
    await reception.post("/api/appointments/2/check-in")
    assert await present_items(api) == [1, 2, 3]


async def test_check_out_of_one_appointment_keeps_who_waits_for_another(api: ApiDriver) -> None:
    reception = await api.staff("reception")
    for appointment_id in (1, 2):
        await reception.post(f"/api/appointments/{appointment_id}/check-in")

    await reception.post("/api/appointments/1/check-out")

    assert await present_items(api) == [1, 2, 3]
    await reception.post("/api/appointments/2/check-out")
    assert await present_items(api) == []


@pytest.mark.parametrize(
    ("last_acts", "is_present"), [([], True), (["cancel"], False), (["check-in", "check-out"], False)]
)
async def test_end_of_day_changes_nothing_between_two_services(
    api: ApiDriver, last_acts: list[str], is_present: bool
) -> None:
    """John has been seen for 1 and is expected for 2. The appointment of 3 is after the end of the hospital day."""
    doctor, reception = await api.doctor(), await api.staff("reception")
    to_next_day = update(appointments).where(appointments.c.id == 3).values(scheduled_at=CALENDAR.ends_at(DAY))
    await api.database.write(lambda connection: connection.execute(to_next_day))
    started = await doctor.post("/api/consultations", json=start_body())
    await doctor.post(f"{started.headers['location']}/complete")
    for act in last_acts:
        api.clock.advance(minutes=1)
        body = {"reason": "clinic"} if act == "cancel" else None
        assert (await reception.post(f"/api/appointments/2/{act}", json=body)).is_success
    assert await present_items(api) == ([1, 2] if is_present else [])

    api.clock.advance(hours=17)

    assert (await present_items(api), len(await read_board(api))) == (([3], 1) if is_present else ([], 0))
    api.clock.advance(hours=24)
    assert (await present_items(api), await read_board(api)) == ([], [])


async def test_late_minutes_count_until_the_arrival(api: ApiDriver) -> None:
    async def read_delays(query: str = "") -> list[int | None]:
        return [item["late_minutes"] for item in (await api.read_worklist(query))["items"]]

    reception = await api.staff("reception")
    to_later = update(appointments).where(appointments.c.id == 2).values(scheduled_at=NOON + timedelta(hours=1))
    await api.database.write(lambda connection: connection.execute(to_later))
    api.clock.advance(minutes=9, seconds=59)
    await reception.post("/api/appointments/1/check-in")
    await reception.post("/api/appointments/4/cancel", json={"reason": "no_show"})
    api.clock.advance(minutes=20)

    # In the order of the list: John arrived for 1, is expected for 3, Maria does not come, and 2 is an hour later.
    assert await read_delays() == [9, 29, None, 0]
    api.clock.advance(hours=17)
    assert await read_delays_of_yesterday(api) == [9, None, None, None]


async def read_delays_of_yesterday(api: ApiDriver) -> list[int | None]:
    reception = await api.staff("reception", exp=api.clock.at + timedelta(hours=1))
    items = (await reception.get("/api/appointments?date=2026-03-02")).json()["items"]
    return [item["late_minutes"] for item in items]


async def test_all_staff_see_the_doctors_in_line(api: ApiDriver) -> None:
    waiting = await api.doctor(DR_OKAFOR.id)
    started = await (await api.doctor()).post("/api/consultations", json=start_body())
    await waiting.post("/api/consultations", json=start_body(JOHN_DERMATOLOGY, wait=True))

    lists = [await api.read_worklist(), await api.read_worklist(doctor_id=DR_OKAFOR.id)]
    others = [await api.staff(role) for role in ("reception", "supervisor", "service")]
    lists += [(await other.get(f"/api/appointments?doctor_id={DR_AMRANI.id}")).json() for other in others]
    await (await api.doctor()).post(f"{started.headers['location']}/complete")
    after = await api.read_worklist()

    okafor = {"doctor_id": 8, "name": "Dr. Okafor", "since": "2026-03-02T11:00:00.000Z", "position": 1}
    # Only Dr. Amrani's own row of John has the line, for every reader.
    awaited = [{item["appointment_id"]: item["waiting_for_me"] for item in body["items"]} for body in lists]
    assert awaited[:2] == [{1: [okafor], 2: [], 3: [], 4: []}] * 2
    assert awaited[2:] == [{1: [okafor], 4: []}] * 3
    assert [item["waiting_for_me"] for item in after["items"]] == [[]] * 4
    assert [item["patient"]["kind"] for item in after["items"]] == ["offered"] * 3 + [None]


async def test_both_holders_see_the_line_after_a_merge(api: ApiDriver) -> None:
    body = {"patient_id": JOHN_DOE.id, "doctor_id": DR_SMITH.id, "prestation_id": 11, "scheduled_at": NOON.isoformat()}
    await (await api.staff("service")).put("/api/appointments/9", json=body)
    smith, supervisor = await api.doctor(DR_SMITH.id), await api.staff("supervisor")
    await (await api.doctor(DR_OKAFOR.id)).post("/api/consultations", json=start_body(JOHN_DERMATOLOGY))
    await (await api.doctor()).post("/api/consultations", json=start_body(MARIA_CARDIOLOGY))
    assert (await smith.post("/api/appointments/9/wait")).status_code == 200

    merged = await supervisor.post(
        f"/api/patients/{JOHN_DOE.id}/merge", json={"patient_id": MARIA_SILVA.id, "reason": "one person"}
    )

    assert merged.json()["both_in_consultation"] is True
    for doctor_id, number in ((DR_OKAFOR.id, 1), (DR_AMRANI.id, 1), (DR_SMITH.id, 0)):
        items = (await api.read_worklist(doctor_id=doctor_id))["items"]
        own = [item for item in items if item["doctor_id"] == doctor_id]
        assert {len(item["waiting_for_me"]) for item in own} == {number}

"""A doctor's day is given to another doctor: what moves, what does not, crashes in between, and two calls at the same time."""

import asyncio
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, select

from patient_visit_engine.api.commands import day_reassignment
from patient_visit_engine.storage.tables import appointments, timeline
from patient_visit_engine.storage.upkeep.audit import audit
from patient_visit_engine.visit.codes import AppointmentStatus
from patient_visit_engine.visit.commands import Command
from tests.support.api import JOHN_CARDIOLOGY, MARIA_CARDIOLOGY, ApiDriver, start_body
from tests.support.builders import DR_AMRANI, DR_LINDQVIST, DR_OKAFOR, DR_SMITH, MARIA_SILVA, NOON, an_appointment, seed

ALL = f"/api/doctors/{DR_AMRANI.id}/reassign-all"
TO_OKAFOR = {"doctor_id": DR_OKAFOR.id, "reason": "ill"}
KEY = {"Idempotency-Key": "k"}
#: Dr. Amrani's third appointment of today, and those of tomorrow.
THIRD = an_appointment(DR_AMRANI, number=5, patient=MARIA_SILVA, status=AppointmentStatus.scheduled)
TOMORROW, ARRIVED_EARLY = (
    an_appointment(DR_AMRANI, number=number, patient=MARIA_SILVA, scheduled_at=NOON + timedelta(days=1))
    for number in (6, 7)
)
OF_AMRANI = [JOHN_CARDIOLOGY.id, MARIA_CARDIOLOGY.id, THIRD.id]


def read_doctors(connection: Connection) -> dict[int, int]:
    """The doctor of each appointment."""
    return dict(map(tuple, connection.execute(select(appointments.c.id, appointments.c.doctor_id))))


def ids_of(items: list[dict[str, Any]]) -> list[int]:
    return [item["appointment_id"] for item in items]


def fail_at(api: ApiDriver, patch: pytest.MonkeyPatch, number: int, *, once: bool = False) -> list[Command]:
    """Temporal is away from the command with this number on, or for it only. Returns the commands that were tried."""
    send, tried = api.visits.send, list[Command]()

    async def send_or_fail(patient_id: int, day: date, command: Command, update_id: str | None = None) -> None:
        tried.append(command)
        if len(tried) == number or (len(tried) > number and not once):
            raise TimeoutError
        await send(patient_id, day, command, update_id)

    patch.setattr(api.visits, "send", send_or_fail)
    return tried


async def test_moves_what_has_not_begun_and_says_what_did_not(api: ApiDriver) -> None:
    await api.database.write(seed_more)
    reception = await api.staff("reception")
    started = await (await api.doctor()).post("/api/consultations", json=start_body())
    arrived = await reception.post(f"/api/appointments/{ARRIVED_EARLY.id}/check-in")

    answer = await reception.post(ALL, json=TO_OKAFOR, headers=KEY)
    repeated = await reception.post(ALL, json=TO_OKAFOR, headers=KEY)
    again = await reception.post(ALL, json=TO_OKAFOR)

    assert (started.status_code, arrived.status_code, answer.status_code) == (201, 201, 200), answer.text
    body = answer.json()
    assert ids_of(body["moved"]) == [MARIA_CARDIOLOGY.id, THIRD.id, ARRIVED_EARLY.id]
    running = {"appointment_id": JOHN_CARDIOLOGY.id, "patient_id": JOHN_CARDIOLOGY.patient_id, "code": "tracking_open"}
    assert body["not_moved"] == [running]
    assert repeated.content == answer.content
    assert again.json() == {"moved": [], "not_moved": [running]}
    doctors = await api.database.read(read_doctors)
    assert (doctors[THIRD.id], doctors[TOMORROW.id]) == (DR_OKAFOR.id, DR_AMRANI.id)
    query = select(timeline.c.reason).where(timeline.c.event == "reassigned")
    assert await api.database.read(lambda connection: list(connection.scalars(query))) == ["ill"] * 3
    assert (await api.database.read(audit)).passed


def seed_more(connection: Connection) -> None:
    seed(connection, THIRD, TOMORROW, ARRIVED_EARLY)


async def test_same_key_goes_on_after_a_crash(api: ApiDriver) -> None:
    await api.database.write(seed_more)
    reception = await api.staff("reception")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(day_reassignment, "COMMANDS_AT_ONCE", 1)
        attempts = fail_at(api, patch, 2)
        undecided = await reception.post(ALL, json=TO_OKAFOR, headers=KEY)
    between = await api.database.read(read_doctors)
    # In between, another call has moved one of them.
    other = await reception.post(f"/api/appointments/{THIRD.id}/reassign", json={"doctor_id": DR_LINDQVIST.id})

    answer = await reception.post(ALL, json=TO_OKAFOR, headers=KEY)
    reused = await reception.post(ALL, json=TO_OKAFOR | {"reason": "away"}, headers=KEY)

    assert (undecided.status_code, undecided.json()["code"], other.status_code) == (503, "undecided", 200)
    assert [between[number] for number in OF_AMRANI] == [DR_OKAFOR.id, DR_AMRANI.id, DR_AMRANI.id]
    assert len(attempts) == 2, "nothing more is sent once a command has no answer"
    assert ids_of(answer.json()["moved"]) == [JOHN_CARDIOLOGY.id, MARIA_CARDIOLOGY.id]
    assert [(item["appointment_id"], item["code"]) for item in answer.json()["not_moved"]] == [
        (THIRD.id, "appointment_mismatch")
    ]
    assert (reused.status_code, reused.json()["code"]) == (422, "idempotency_key_reused")
    assert (await api.database.read(audit)).passed


async def test_one_visit_without_an_answer_does_not_keep_the_others(api: ApiDriver) -> None:
    await api.database.write(seed_more)
    reception = await api.staff("reception")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(day_reassignment, "COMMANDS_AT_ONCE", 2)
        attempts = fail_at(api, patch, 2, once=True)
        undecided = await reception.post(ALL, json=TO_OKAFOR, headers=KEY)
    between = await api.database.read(read_doctors)

    answer = await reception.post(ALL, json=TO_OKAFOR, headers=KEY)

    assert (undecided.status_code, len(attempts)) == (503, len(OF_AMRANI))
    assert sorted(between[number] for number in OF_AMRANI) == [DR_AMRANI.id, DR_OKAFOR.id, DR_OKAFOR.id]
    assert sorted(ids_of(answer.json()["moved"])) == OF_AMRANI


async def test_two_calls_at_the_same_time_move_each_appointment_once(api: ApiDriver) -> None:
    await api.database.write(seed_more)
    reception, supervisor = await api.staff("reception"), await api.staff("supervisor")

    answers = await asyncio.gather(
        reception.post(ALL, json=TO_OKAFOR, headers=KEY),
        reception.post(ALL, json=TO_OKAFOR, headers=KEY),
        supervisor.post(ALL, json=TO_OKAFOR | {"doctor_id": DR_SMITH.id}),
    )

    assert [answer.status_code for answer in answers] == [200, 200, 200], [answer.text for answer in answers]
    first, same, other = (answer.json() for answer in answers)
    assert same == first
    assert sorted(ids_of([*first["moved"], *other["moved"]])) == OF_AMRANI
    doctors = await api.database.read(read_doctors)
    assert {doctors[number] for number in ids_of(first["moved"])} <= {DR_OKAFOR.id}
    assert {doctors[number] for number in ids_of(other["moved"])} <= {DR_SMITH.id}
    assert (await api.database.read(audit)).passed


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"doctor_id": DR_AMRANI.id}, 422, "same_doctor"),
        ({"doctor_id": 99}, 404, "unknown_doctor"),
    ],
)
async def test_wrong_target_changes_nothing(api: ApiDriver, body: dict[str, Any], status: int, code: str) -> None:
    before = await api.all_rows()

    answer = await (await api.staff("reception")).post(ALL, json=body | {"reason": "ill"})

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert await api.all_rows() == before


async def test_refusal_for_an_inactive_doctor_is_kept(api: ApiDriver) -> None:
    reception, service = await api.staff("reception"), await api.staff("service")
    before = await api.database.read(read_doctors)
    inactive = {"name": DR_OKAFOR.name, "active": False}
    await service.put(f"/api/doctors/{DR_OKAFOR.id}", json=inactive)
    refused = await reception.post(ALL, json=TO_OKAFOR, headers=KEY)
    await service.put(f"/api/doctors/{DR_OKAFOR.id}", json=inactive | {"active": True})

    repeated = await reception.post(ALL, json=TO_OKAFOR, headers=KEY)
    after = await api.database.read(read_doctors)
    again = await reception.post(ALL, json=TO_OKAFOR)

    assert (refused.status_code, refused.json()["code"]) == (409, "doctor_inactive")
    assert (repeated.status_code, repeated.content) == (409, refused.content)
    assert after == before
    assert ids_of(again.json()["moved"]) == [JOHN_CARDIOLOGY.id, MARIA_CARDIOLOGY.id]

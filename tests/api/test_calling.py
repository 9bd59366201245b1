"""Calling the next patient of a doctor's list, and patients who do not come."""

import asyncio
import json
from datetime import date, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import insert, select

from patient_visit_engine.api.commands.next_call import MAX_SILENT
from patient_visit_engine.storage.tables import events, patients, requests, reservations
from patient_visit_engine.storage.upkeep.audit import audit
from patient_visit_engine.visit.appointment import Appointment
from patient_visit_engine.visit.call_commands import CallPatient
from patient_visit_engine.visit.visit_messages import Reply
from tests.support.api import JOHN_CARDIOLOGY, JOHN_DERMATOLOGY, JOHN_X_RAY, MARIA_CARDIOLOGY, ApiDriver, start_body
from tests.support.builders import DR_AMRANI, DR_OKAFOR, DR_SMITH, MARIA_SILVA, X_RAY, Patient, an_appointment, seed

CALL, CALL_OF_OKAFOR = "/api/doctors/7/call-next", f"/api/doctors/{DR_OKAFOR.id}/call-next"
CALL_OF_SMITH = f"/api/doctors/{DR_SMITH.id}/call-next"
MARIA_X_RAY = an_appointment(DR_SMITH, number=5, patient=MARIA_SILVA, prestation=X_RAY)
IN_CONSULTATION = [{"appointment_id": JOHN_CARDIOLOGY.id, "reason": "patient_in_consultation"}]


async def check_in(api: ApiDriver, *appointment_ids: int) -> None:
    reception = await api.staff("reception")
    for appointment_id in appointment_ids:
        assert (await reception.post(f"/api/appointments/{appointment_id}/check-in")).status_code == 201
        api.clock.advance(seconds=1)


async def read_events(api: ApiDriver, name: str) -> list[dict[str, Any]]:
    of_staff = events.c.name == name, events.c.channel == "consultations"
    query = select(events.c.data).where(*of_staff).order_by(events.c.seq)
    return [json.loads(data) for data in await api.database.read(lambda connection: list(connection.scalars(query)))]


def called(answer: httpx.Response) -> int:
    assert answer.status_code == 200, answer.text
    number: int = answer.json()["appointment_id"]
    return number


def calls_in(items: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """The rows with an open call that reserves nothing."""
    rows = ((item["appointment_id"], item["called_until"], item["called_elsewhere"]) for item in items)
    return [row for row in rows if any(row[1:])]


async def test_calls_the_first_patient_of_the_list_and_keeps_the_patient(api: ApiDriver) -> None:
    doctor, other, supervisor = await api.doctor(), await api.doctor(DR_OKAFOR.id), await api.staff("supervisor")
    await supervisor.put("/api/doctors/7/room", json={"room": "4"})
    refused_call = await doctor.post(CALL)
    await check_in(api, MARIA_CARDIOLOGY.id, JOHN_CARDIOLOGY.id, JOHN_DERMATOLOGY.id)

    first = await doctor.post(CALL, json={})
    again = await (await api.staff("reception")).post(CALL)
    others = await other.post("/api/consultations", json=start_body(JOHN_DERMATOLOGY))
    maria = (await api.read_worklist())["items"][3]["patient"]
    started = await doctor.post("/api/consultations", json=start_body(MARIA_CARDIOLOGY))

    assert (refused_call.status_code, refused_call.json()["code"]) == (409, "nobody_to_call")
    assert (refused_call.json()["next_at"], refused_call.json()["skipped"]) == (None, [])
    assert first.json() == {
        "appointment_id": MARIA_CARDIOLOGY.id,
        "patient_id": MARIA_CARDIOLOGY.patient_id,
        "patient_name": "Maria Silva",
        "family_name": "Silva",
        "birth_date": None,
        "record_number": None,
        "doctor_id": DR_AMRANI.id,
        "doctor_name": DR_AMRANI.name,
        "prestation_id": 11,
        "prestation": "Cardiology",
        "room": "4",
        "ticket": "A01",
        "until": "2026-03-02T11:03:03.000Z",
        "skipped": [],
    }
    assert again.json() == first.json()
    assert others.status_code == 201, "the other patient is free"
    assert (maria["state"], maria["kind"], maria["doctor_id"]) == ("reserved", "called", DR_AMRANI.id)
    assert started.status_code == 201
    [event] = await read_events(api, "patient.called")
    assert (event["ticket"], event["room"], event["appointment_id"]) == ("A01", "4", MARIA_CARDIOLOGY.id)
    assert await api.count(reservations) == 0
    assert (await api.database.read(audit)).passed


async def test_skips_who_is_not_free_and_keeps_no_refusal(api: ApiDriver) -> None:
    doctor, other = await api.doctor(), await api.doctor(DR_OKAFOR.id)
    await check_in(api, JOHN_CARDIOLOGY.id, JOHN_DERMATOLOGY.id)
    await other.post("/api/consultations", json=start_body(JOHN_DERMATOLOGY))
    key = {"Idempotency-Key": "same"}

    refused_call = await doctor.post(CALL, headers=key)
    await check_in(api, MARIA_CARDIOLOGY.id)
    same_key = await doctor.post(CALL, headers=key)
    repeated = await doctor.post(CALL, headers=key)

    assert (refused_call.status_code, refused_call.json()["code"]) == (409, "nobody_to_call")
    assert refused_call.json()["skipped"] == IN_CONSULTATION
    assert refused_call.json()["next_at"] == "2026-03-02T11:15:02.000Z", "the end that is expected"
    assert (called(same_key), same_key.json()["skipped"]) == (MARIA_CARDIOLOGY.id, IN_CONSULTATION)
    assert repeated.json() == same_key.json()


async def test_two_doctors_never_call_one_patient(api: ApiDriver) -> None:
    doctor, other = await api.doctor(), await api.doctor(DR_OKAFOR.id)
    await check_in(api, JOHN_CARDIOLOGY.id, JOHN_DERMATOLOGY.id)

    answers = await asyncio.gather(doctor.post(CALL), other.post(CALL_OF_OKAFOR), doctor.post(CALL))
    refused = next(answer for answer in answers if answer.status_code == 409)
    granted = {called(answer) for answer in answers if answer.status_code == 200}

    assert (len(granted), refused.json()["code"]) == (1, "nobody_to_call")
    [skipped] = refused.json()["skipped"]
    assert skipped["reason"] == "patient_reserved"
    assert await api.count(reservations) == 1


async def test_pressing_on_reserves_one_patient(api: ApiDriver) -> None:
    doctor, reception = await api.doctor(), await api.staff("reception")
    await check_in(api, JOHN_CARDIOLOGY.id, MARIA_CARDIOLOGY.id)

    answers = await asyncio.gather(*(client.post(CALL) for client in (doctor, reception) for _ in range(4)))

    assert {called(answer) for answer in answers} == {JOHN_CARDIOLOGY.id}
    assert await api.count(reservations) == 1
    assert len(await read_events(api, "patient.called")) == 1


async def test_patient_who_does_not_come_stands_behind_the_next_one(api: ApiDriver) -> None:
    doctor, reception = await api.doctor(), await api.staff("reception")
    await check_in(api, JOHN_CARDIOLOGY.id, MARIA_CARDIOLOGY.id)
    john, maria = JOHN_CARDIOLOGY.id, MARIA_CARDIOLOGY.id
    calls: list[int] = []
    for _ in range(6):
        calls.append(called(await doctor.post(CALL)))
        unanswered = await reception.post(f"/api/appointments/{calls[-1]}/no-answer")
        assert unanswered.status_code == 200, unanswered.text
        api.clock.advance(seconds=10)

    refused_call = await doctor.post(CALL)
    not_called = await doctor.post(f"/api/appointments/{john}/no-answer")
    items = (await api.read_worklist("?doctor_id=7"))["items"]
    second_check_in = await reception.post(f"/api/appointments/{maria}/check-in")

    assert calls == [john, maria, john, maria, john, maria]
    assert unanswered.json() == {"appointment_id": maria, "no_answers": 3}
    assert [each["reason"] for each in refused_call.json()["skipped"]] == ["no_answers"] * 2
    assert (not_called.status_code, not_called.json()["code"]) == (409, "not_called")
    assert {(item["why"], item["no_answers"]) for item in items} == {("for_desk", 3)}
    assert (second_check_in.status_code, called(await doctor.post(CALL))) == (200, maria)
    assert [
        event["no_answers"] for event in await read_events(api, "appointment.updated") if "no_answers" in event
    ] == [
        1,
        1,
        2,
        2,
        3,
        3,
        0,
    ]
    assert (await api.database.read(audit)).passed


async def test_patient_who_does_not_come_stands_behind_the_next_free_one(api: ApiDriver) -> None:
    """Maria, who is next in the list, is with another doctor."""
    doctor, other, peter = await api.doctor(), await api.doctor(DR_OKAFOR.id), Patient(300, "Peter", "Doe")
    of_maria = an_appointment(DR_OKAFOR, number=6, patient=MARIA_SILVA)
    of_peter = an_appointment(number=7, patient=peter)

    def insert_peter(connection: Any) -> None:
        connection.execute(insert(patients).values(id=peter.id, last_name=peter.last_name))
        seed(connection, of_maria, of_peter)

    await api.database.write(insert_peter)
    await check_in(api, JOHN_CARDIOLOGY.id, MARIA_CARDIOLOGY.id, of_peter.id, of_maria.id)
    in_consultation = await other.post("/api/consultations", json=start_body(of_maria))
    calls: list[int] = []
    for _ in range(3):
        calls.append(called(await doctor.post(CALL)))
        await doctor.post(f"/api/appointments/{calls[-1]}/no-answer")

    assert in_consultation.status_code == 201
    assert calls == [JOHN_CARDIOLOGY.id, of_peter.id, JOHN_CARDIOLOGY.id]


async def test_no_answer_is_only_about_the_last_call(api: ApiDriver) -> None:
    doctor, other = await api.doctor(), await api.doctor(DR_OKAFOR.id)
    await check_in(api, JOHN_CARDIOLOGY.id, MARIA_CARDIOLOGY.id)
    path = f"/api/appointments/{JOHN_CARDIOLOGY.id}/no-answer"
    never_called = await doctor.post(path)
    await doctor.post(CALL)

    not_mine = await other.post(path)
    not_reserved = await doctor.post(f"/api/appointments/{MARIA_CARDIOLOGY.id}/no-answer")
    await doctor.post("/api/consultations", json=start_body(JOHN_CARDIOLOGY))
    came = await doctor.post(path)

    assert [never_called.json()["code"], not_reserved.json()["code"]] == ["not_called"] * 2
    assert (not_mine.status_code, came.json()["code"]) == (403, "appointment_in_progress")


async def test_not_exclusive_prestation_is_called_without_reservation(api: ApiDriver) -> None:
    smith, doctor = await api.doctor(DR_SMITH.id), await api.doctor()
    await check_in(api, JOHN_X_RAY.id, JOHN_CARDIOLOGY.id)

    first, again = await smith.post(CALL_OF_SMITH), await smith.post(CALL_OF_SMITH)
    rows = await api.count(reservations)
    refused_other = await doctor.post(CALL)
    unanswered = await smith.post(f"/api/appointments/{JOHN_X_RAY.id}/no-answer")
    other = await doctor.post(CALL)
    refused_call = await smith.post(CALL_OF_SMITH)

    assert (called(first), rows) == (JOHN_X_RAY.id, 0)
    assert again.json() == first.json()
    reserved = [{"appointment_id": JOHN_CARDIOLOGY.id, "reason": "patient_reserved"}]
    assert (refused_other.json()["skipped"], refused_other.json()["next_at"]) == (reserved, first.json()["until"])
    assert called(other) == JOHN_CARDIOLOGY.id, "the first call is over"
    assert unanswered.json()["no_answers"] == 1
    assert refused_call.json()["skipped"] == [{"appointment_id": JOHN_X_RAY.id, "reason": "patient_reserved"}]


async def test_worklist_shows_calls_that_reserve_nothing(api: ApiDriver) -> None:
    smith = await api.doctor(DR_SMITH.id)
    await check_in(api, JOHN_X_RAY.id, JOHN_CARDIOLOGY.id, MARIA_CARDIOLOGY.id)
    until = (await smith.post(CALL_OF_SMITH)).json()["until"]

    of_smith = (await api.read_worklist(f"?doctor_id={DR_SMITH.id}"))["items"]
    of_amrani = (await api.read_worklist(f"?doctor_id={DR_AMRANI.id}"))["items"]
    skipped = await (await api.doctor()).post(CALL)
    another_day = (await api.read_worklist("?date=2026-03-03"))["items"]
    api.clock.advance(minutes=3)
    over = (await api.read_worklist())["items"]

    by_smith = {"doctor_id": DR_SMITH.id, "name": DR_SMITH.name, "until": until}
    assert calls_in(of_smith) == [(JOHN_X_RAY.id, until, None)]
    assert calls_in(of_amrani) == [(JOHN_CARDIOLOGY.id, None, by_smith)]
    assert skipped.json()["skipped"] == [{"appointment_id": JOHN_CARDIOLOGY.id, "reason": "patient_reserved"}]
    assert (calls_in(another_day), calls_in(over)) == ([], [])


async def test_doctor_with_an_offer_waits_for_the_end_of_a_call_that_reserves_nothing(api: ApiDriver) -> None:
    smith, okafor, doctor = await api.doctor(DR_SMITH.id), await api.doctor(DR_OKAFOR.id), await api.doctor()
    await check_in(api, JOHN_X_RAY.id, JOHN_CARDIOLOGY.id)
    until = (await smith.post(CALL_OF_SMITH)).json()["until"]
    started = await okafor.post("/api/consultations", json=start_body(JOHN_DERMATOLOGY))
    await doctor.post("/api/consultations", json=start_body(JOHN_CARDIOLOGY, wait=True))
    await okafor.post(f"/api/consultations/{started.json()['id']}/complete")

    refused_call = await doctor.post(CALL)
    [item] = (await api.read_worklist(f"?doctor_id={DR_AMRANI.id}&status=pending"))["items"]

    assert refused_call.json()["skipped"] == [{"appointment_id": JOHN_CARDIOLOGY.id, "reason": "patient_reserved"}]
    assert refused_call.json()["next_at"] == until
    assert (item["patient"]["kind"], item["called_elsewhere"]["until"]) == ("offered", until)


async def test_not_exclusive_call_blocks_no_start(api: ApiDriver) -> None:
    smith, doctor = await api.doctor(DR_SMITH.id), await api.doctor()
    await check_in(api, JOHN_X_RAY.id, JOHN_CARDIOLOGY.id)
    await smith.post(CALL_OF_SMITH)

    started = await doctor.post("/api/consultations", json=start_body(JOHN_CARDIOLOGY))

    assert started.status_code == 201


async def test_call_that_is_over_leaves_room_for_the_next_one(api: ApiDriver) -> None:
    smith = await api.doctor(DR_SMITH.id)
    await check_in(api, JOHN_X_RAY.id)
    first = await smith.post(CALL_OF_SMITH)
    api.clock.advance(minutes=4)

    second = await smith.post(CALL_OF_SMITH)
    await (await api.staff("reception")).post(f"/api/appointments/{JOHN_X_RAY.id}/check-out")
    left = await smith.post(CALL_OF_SMITH)

    assert (called(first), called(second)) == (JOHN_X_RAY.id, JOHN_X_RAY.id)
    assert second.json()["until"] > first.json()["until"]
    assert left.json()["code"] == "nobody_to_call"


async def test_call_ends_when_the_patient_leaves_after_another_service(api: ApiDriver) -> None:
    """John is called for the X-ray without a check-in for it, and leaves. He comes back, and another doctor calls him."""
    smith, doctor = await api.doctor(DR_SMITH.id), await api.doctor()
    reception = await api.staff("reception")
    await check_in(api, JOHN_CARDIOLOGY.id)
    first = await smith.post(CALL_OF_SMITH)
    await reception.post(f"/api/appointments/{JOHN_CARDIOLOGY.id}/check-out")

    left = await smith.post(CALL_OF_SMITH)
    api.clock.advance(seconds=1)
    await check_in(api, JOHN_CARDIOLOGY.id, JOHN_X_RAY.id)
    second = await doctor.post(CALL)

    assert called(first) == JOHN_X_RAY.id
    assert (left.json()["code"], left.json()["skipped"]) == ("nobody_to_call", [])
    assert called(second) == JOHN_CARDIOLOGY.id
    assert (await api.database.read(audit)).passed


async def test_call_goes_on_when_the_patient_stays_for_another_service(api: ApiDriver) -> None:
    """John is called for the X-ray without a check-in for it. He does not want to wait for the cardiologist."""
    smith, reception = await api.doctor(DR_SMITH.id), await api.staff("reception")
    await check_in(api, JOHN_CARDIOLOGY.id, JOHN_DERMATOLOGY.id)
    first = await smith.post(CALL_OF_SMITH)
    api.clock.advance(seconds=1)
    await reception.post(f"/api/appointments/{JOHN_CARDIOLOGY.id}/check-out")

    unanswered = await smith.post(f"/api/appointments/{JOHN_X_RAY.id}/no-answer")

    assert (called(first), unanswered.status_code) == (JOHN_X_RAY.id, 200)


@pytest.mark.parametrize(("ends", "is_open"), [("complete", True), ("check-out", False), ("undo", False)])
async def test_call_goes_on_while_the_patient_has_not_left(api: ApiDriver, ends: str, is_open: bool) -> None:
    """John, who is called for the X-ray without a check-in for it, stays for the dermatologist, and is seen, or leaves."""
    smith, okafor = await api.doctor(DR_SMITH.id), await api.doctor(DR_OKAFOR.id)
    reception, of_okafor = await api.staff("reception"), f"/api/appointments/{JOHN_DERMATOLOGY.id}"
    await check_in(api, JOHN_CARDIOLOGY.id, JOHN_DERMATOLOGY.id)
    first = await smith.post(CALL_OF_SMITH)
    api.clock.advance(seconds=1)
    await reception.post(f"/api/appointments/{JOHN_CARDIOLOGY.id}/check-out")
    api.clock.advance(seconds=1)
    if ends == "complete":
        started = await okafor.post("/api/consultations", json=start_body(JOHN_DERMATOLOGY))
        ended = await okafor.post(f"/api/consultations/{started.json()['id']}/complete")
    elif ends == "check-out":
        ended = await reception.post(f"{of_okafor}/check-out")
    else:
        ended = await reception.delete(f"{of_okafor}/check-in")

    again = await smith.post(CALL_OF_SMITH)

    assert ended.status_code == 200
    expected = (200, first.json()["until"]) if is_open else (409, None)
    assert (again.status_code, again.json().get("until")) == expected


async def test_call_is_over_after_a_check_out_that_is_taken_back(api: ApiDriver) -> None:
    """The patient was checked out of the appointment for which he was called."""
    smith, reception = await api.doctor(DR_SMITH.id), await api.staff("reception")
    await check_in(api, JOHN_X_RAY.id)
    first = await smith.post(CALL_OF_SMITH)
    api.clock.advance(seconds=1)
    check_out = f"/api/appointments/{JOHN_X_RAY.id}/check-out"
    await reception.post(check_out)
    taken_back = await reception.delete(check_out)

    unanswered = await smith.post(f"/api/appointments/{JOHN_X_RAY.id}/no-answer")
    again = await smith.post(CALL_OF_SMITH)

    assert (taken_back.status_code, unanswered.json()["code"]) == (200, "not_called")
    assert (called(again), again.json()["until"] > first.json()["until"]) == (JOHN_X_RAY.id, True)


async def test_call_goes_on_when_the_check_out_is_taken_back(api: ApiDriver) -> None:
    smith, reception = await api.doctor(DR_SMITH.id), await api.staff("reception")
    await check_in(api, JOHN_CARDIOLOGY.id)
    first = await smith.post(CALL_OF_SMITH)
    api.clock.advance(seconds=1)
    check_out = f"/api/patients/{JOHN_CARDIOLOGY.patient_id}/check-out"
    await reception.post(check_out)

    left = await smith.post(CALL_OF_SMITH)
    taken_back = await reception.delete(check_out)
    again = await smith.post(CALL_OF_SMITH)

    assert (left.json()["code"], taken_back.status_code) == ("nobody_to_call", 200)
    assert (called(first), again.json()["until"]) == (JOHN_X_RAY.id, first.json()["until"])


async def test_call_goes_on_when_the_patient_stays_for_it(api: ApiDriver) -> None:
    """John, who is checked in for the X-ray too, does not want to wait for the cardiologist."""
    smith, reception = await api.doctor(DR_SMITH.id), await api.staff("reception")
    await check_in(api, JOHN_CARDIOLOGY.id, JOHN_X_RAY.id)
    first = await smith.post(CALL_OF_SMITH)
    await reception.post(f"/api/appointments/{JOHN_CARDIOLOGY.id}/check-out")

    unanswered = await smith.post(f"/api/appointments/{JOHN_X_RAY.id}/no-answer")

    assert (called(first), unanswered.status_code) == (JOHN_X_RAY.id, 200)


@pytest.mark.parametrize(
    ("here_for", "path", "appointment", "leaves"),
    [
        ((JOHN_CARDIOLOGY, JOHN_DERMATOLOGY), CALL, JOHN_CARDIOLOGY, ("POST", "check-out")),
        # He is not checked in for the X-ray.
        ((JOHN_CARDIOLOGY,), CALL_OF_SMITH, JOHN_X_RAY, ("POST", "check-out")),
        # The check-in was a mistake.
        ((JOHN_CARDIOLOGY,), CALL_OF_SMITH, JOHN_X_RAY, ("DELETE", "check-in")),
    ],
)
async def test_patient_who_leaves_before_the_decision_is_not_called(
    api: ApiDriver,
    monkeypatch: pytest.MonkeyPatch,
    here_for: tuple[Appointment, ...],
    path: str,
    appointment: Appointment,
    leaves: tuple[str, str],
) -> None:
    doctor, reception = await api.doctor(appointment.doctor_id), await api.staff("reception")
    await check_in(api, *(each.id for each in here_for))
    method, change = leaves
    send = api.visits.send

    async def leave_and_send(patient_id: int, day: date, command: Any, update_id: str | None = None) -> Reply:
        if isinstance(command, CallPatient):
            left_or_undone = await reception.request(method, f"/api/appointments/{JOHN_CARDIOLOGY.id}/{change}")
            assert left_or_undone.status_code == 200
        return await send(patient_id, day, command, update_id)

    monkeypatch.setattr(api.visits, "send", leave_and_send)
    refused_call = await doctor.post(path)

    assert (refused_call.status_code, refused_call.json()["code"]) == (409, "nobody_to_call")
    left = [{"appointment_id": appointment.id, "reason": "appointment_mismatch"}]
    assert (refused_call.json()["skipped"], await api.count(reservations)) == (left, 0)


async def test_next_moment_is_known_when_the_visit_refuses(api: ApiDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    """John was free when the list was read."""
    doctor, other = await api.doctor(), await api.doctor(DR_OKAFOR.id)
    await check_in(api, JOHN_CARDIOLOGY.id, JOHN_DERMATOLOGY.id)
    send = api.visits.send

    async def start_and_send(patient_id: int, day: date, command: Any, update_id: str | None = None) -> Reply:
        if isinstance(command, CallPatient):
            await other.post("/api/consultations", json=start_body(JOHN_DERMATOLOGY))
        return await send(patient_id, day, command, update_id)

    monkeypatch.setattr(api.visits, "send", start_and_send)
    refused_call = await doctor.post(CALL)

    assert refused_call.json()["skipped"] == IN_CONSULTATION
    assert refused_call.json()["next_at"] == "2026-03-02T11:15:02.000Z"


@pytest.mark.parametrize("path", [f"appointments/{JOHN_CARDIOLOGY.id}", f"patients/{JOHN_CARDIOLOGY.patient_id}"])
async def test_check_out_ends_the_call(api: ApiDriver, path: str) -> None:
    doctor, reception = await api.doctor(), await api.staff("reception")
    await check_in(api, JOHN_CARDIOLOGY.id)
    await doctor.post(CALL)

    await reception.post(f"/api/{path}/check-out")
    await check_in(api, MARIA_CARDIOLOGY.id)
    second = await doctor.post(CALL)

    assert called(second) == MARIA_CARDIOLOGY.id
    assert await api.count(reservations) == 1


@pytest.mark.parametrize(("appointment", "path"), [(JOHN_CARDIOLOGY, CALL), (JOHN_X_RAY, CALL_OF_SMITH)])
async def test_call_is_open_until_its_visit_says_that_it_is_over(
    api: ApiDriver, monkeypatch: pytest.MonkeyPatch, appointment: Appointment, path: str
) -> None:
    """The clock of the API is ahead of the visit's."""
    doctor, reception = await api.doctor(appointment.doctor_id), await api.staff("reception")
    await api.database.write(seed, MARIA_X_RAY)
    await check_in(api, appointment.id, MARIA_CARDIOLOGY.id, MARIA_X_RAY.id)
    first = await doctor.post(path)
    for urgent in (MARIA_CARDIOLOGY, MARIA_X_RAY):
        await reception.patch(f"/api/appointments/{urgent.id}/priority", json={"priority": 1})
    monkeypatch.setattr(api.visits, "now", lambda: api.clock() - timedelta(seconds=5))
    api.clock.advance(minutes=3, seconds=1)

    same = await doctor.post(path)

    assert (called(same), same.json()["until"]) == (appointment.id, first.json()["until"])


async def test_call_is_over_when_its_visit_says_so(api: ApiDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of the API is behind the visit's."""
    smith, doctor = await api.doctor(DR_SMITH.id), await api.doctor()
    await api.database.write(seed, MARIA_X_RAY)
    await check_in(api, JOHN_X_RAY.id, JOHN_CARDIOLOGY.id, MARIA_X_RAY.id)
    await smith.post(CALL_OF_SMITH)
    await doctor.post("/api/consultations", json=start_body(JOHN_CARDIOLOGY))
    monkeypatch.setattr(api.visits, "now", lambda: api.clock() + timedelta(seconds=5))
    api.clock.advance(minutes=2, seconds=56)

    next_one = await smith.post(CALL_OF_SMITH)

    assert called(next_one) == MARIA_X_RAY.id


async def test_call_can_be_limited_to_prestations(api: ApiDriver) -> None:
    doctor = await api.doctor()
    await check_in(api, JOHN_CARDIOLOGY.id)

    other_prestation = await doctor.post(CALL, json={"prestation_ids": [12]})
    wrong = await doctor.post(CALL, json={"prestation_ids": list(range(1, 52))})
    empty = await doctor.post(CALL, json={"prestation_ids": []})
    same_prestation = await doctor.post(CALL, json={"prestation_ids": [12, 11]})

    assert (other_prestation.json()["code"], called(same_prestation)) == ("nobody_to_call", JOHN_CARDIOLOGY.id)
    assert [wrong.status_code, empty.status_code] == [422, 422]


@pytest.mark.parametrize(("role", "status"), [("supervisor", 403), ("service", 403), ("reception", 404)])
async def test_who_may_call(api: ApiDriver, role: str, status: int) -> None:
    assert (await (await api.staff(role)).post("/api/doctors/99/call-next")).status_code == status


async def test_doctor_calls_only_from_the_own_list(api: ApiDriver) -> None:
    answer = await (await api.doctor()).post(CALL_OF_OKAFOR)

    assert (answer.status_code, answer.json()["code"]) == (403, "not_yours")


async def test_late_call_has_no_effect_and_leaves_the_key_open(api: ApiDriver) -> None:
    doctor = await api.doctor()
    await check_in(api, JOHN_CARDIOLOGY.id)
    stored = await api.count(requests)
    api.visits.late = True
    late = await doctor.post(CALL, headers={"Idempotency-Key": "late"})
    api.visits.late = False

    assert (late.status_code, late.json()["code"]) == (503, "undecided")
    assert (await api.count(reservations), await api.count(requests)) == (0, stored)
    assert called(await doctor.post(CALL, headers={"Idempotency-Key": "late"})) == JOHN_CARDIOLOGY.id


class SilentVisit:
    """John's visit gives no answer. It decides the call `before` that of Maria, or after it."""

    def __init__(self, api: ApiDriver, *, before: bool) -> None:
        self._send, self._before = api.visits.send, before
        self.late: list[Any] = []

    async def send(self, patient_id: int, day: date, command: Any, update_id: str | None = None) -> Reply:
        if command.appointment.patient_id == JOHN_CARDIOLOGY.patient_id:
            self.late.append((patient_id, day, command, update_id))
            raise TimeoutError
        if self._before:
            await self.decide()
        return await self._send(patient_id, day, command, update_id)

    async def decide(self) -> Reply:
        return await self._send(*self.late.pop())


@pytest.mark.parametrize("before", [False, True], ids=["after", "before"])
async def test_silent_visit_does_not_keep_the_others(
    api: ApiDriver, monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    """A visit that decides late grants no second call: the ledger compares the doctor's call, and the key has one answer."""
    doctor = await api.doctor()
    await check_in(api, JOHN_CARDIOLOGY.id, MARIA_CARDIOLOGY.id)
    silent = SilentVisit(api, before=before)
    monkeypatch.setattr(api.visits, "send", silent.send)
    key = {"Idempotency-Key": "same"}

    answer = await doctor.post(CALL, headers=key)
    late = [await silent.decide() for _ in silent.late]
    repeated = await doctor.post(CALL, headers=key)
    open_calls = await api.database.read(
        lambda connection: list(connection.scalars(select(reservations.c.appointment_id)))
    )

    if before:
        assert (called(answer), answer.json()["skipped"]) == (JOHN_CARDIOLOGY.id, [])
    else:
        skipped = [{"appointment_id": JOHN_CARDIOLOGY.id, "reason": "undecided"}]
        assert (called(answer), answer.json()["skipped"]) == (MARIA_CARDIOLOGY.id, skipped)
        assert [reply.answer for reply in late] == ["granted"], "the answer that is stored"
    assert repeated.json() == answer.json()
    assert open_calls == [called(answer)]
    assert len(await read_events(api, "patient.called")) == 1
    assert (await api.database.read(audit)).passed


async def test_late_grant_of_another_key_is_refused(api: ApiDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    doctor, reception = await api.doctor(), await api.staff("reception")
    await check_in(api, JOHN_CARDIOLOGY.id)
    silent = SilentVisit(api, before=False)
    monkeypatch.setattr(api.visits, "send", silent.send)
    undecided = await doctor.post(CALL)
    monkeypatch.undo()
    await check_in(api, MARIA_CARDIOLOGY.id)
    await reception.patch(f"/api/appointments/{MARIA_CARDIOLOGY.id}/priority", json={"priority": 1})
    second = await doctor.post(CALL)

    late = await silent.decide()

    assert (undecided.status_code, called(second)) == (503, MARIA_CARDIOLOGY.id)
    assert (late.answer, late.code) == ("refused", "doctor_has_call")
    assert await api.count(reservations) == 1


async def test_call_next_ends_when_no_visit_answers(api: ApiDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each visit is tried once, also when the patient has two appointments."""
    people = [Patient(200 + n, "Patient", str(n)) for n in range(MAX_SILENT + 1)]
    booked = [an_appointment(number=10 * n + m, patient=people[n]) for n in range(MAX_SILENT + 1) for m in (100, 101)]

    def insert_people(connection: Any) -> None:
        for person in people:
            connection.execute(insert(patients).values(id=person.id, last_name=person.last_name))
        seed(connection, *booked)

    doctor, sent = await api.doctor(), []
    await api.database.write(insert_people)
    await check_in(api, *(appointment.id for appointment in booked))

    async def send(patient_id: int, *_: Any) -> Reply:
        sent.append(patient_id)
        raise TimeoutError

    monkeypatch.setattr(api.visits, "send", send)

    undecided = await doctor.post(CALL)

    assert (undecided.status_code, undecided.json()["code"]) == (503, "undecided")
    assert sent == [person.id for person in people[:MAX_SILENT]]

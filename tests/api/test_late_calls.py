"""Calls that come late, and changes between the reading of the list and the decision."""

from datetime import date
from typing import Any

import pytest
from sqlalchemy import insert, select

from patient_visit_engine.api.commands.next_call import MAX_SILENT
from patient_visit_engine.storage.tables import patients, requests, reservations
from patient_visit_engine.storage.upkeep.audit import audit
from patient_visit_engine.visit.appointment import Appointment
from patient_visit_engine.visit.call_commands import CallPatient
from patient_visit_engine.visit.visit_messages import Reply
from tests.support.api import JOHN_CARDIOLOGY, JOHN_DERMATOLOGY, JOHN_X_RAY, MARIA_CARDIOLOGY, ApiDriver, start_body
from tests.support.builders import DR_OKAFOR, Patient, an_appointment, seed
from tests.support.calls_of_patients import CALL, CALL_OF_SMITH, IN_CONSULTATION, called, check_in, read_events


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

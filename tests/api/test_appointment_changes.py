"""Changes of an appointment by PUT, while its patient has or has not arrived, with their events and the waiting line."""

import json
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import RowMapping, Table, select

from patient_visit_engine.storage.master_data.appointments import AppointmentPut, write_appointment
from patient_visit_engine.storage.master_data.records import PutContext
from patient_visit_engine.storage.tables import appointments, events, patient_trackings, reservations, waiting_line
from patient_visit_engine.visit.appointment_commands import ChangeAppointment
from patient_visit_engine.visit.calendar import to_rfc3339
from tests.support.api import JOHN_CARDIOLOGY, JOHN_DERMATOLOGY, ApiDriver, start_body
from tests.support.builders import DERMATOLOGY, DR_AMRANI, DR_OKAFOR, DR_SMITH, MARIA_SILVA, NOON, X_RAY, minutes
from tests.support.databases import LATER_ON_POSTGRES, ON_SQLITE, database_on

database = database_on("sqlite", LATER_ON_POSTGRES)

CARDIOLOGY = f"/api/appointments/{JOHN_CARDIOLOGY.id}"
DERMATOLOGY_PATH = f"/api/appointments/{JOHN_DERMATOLOGY.id}"
STATES = ["not arrived", "checked in", "in consultation", "done"]
OPEN, CLOSED = "tracking_open", "appointment_closed"
TABLE: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["", "", "", ""]),
    ({"scheduled_at": to_rfc3339(NOON + minutes(30))}, ["", "", "", CLOSED]),
    ({"doctor_id": DR_OKAFOR.id}, ["", "", OPEN, CLOSED]),
    ({"prestation_id": DERMATOLOGY.id}, ["", "", OPEN, CLOSED]),
    ({"patient_id": MARIA_SILVA.id}, ["", OPEN, OPEN, CLOSED]),
    ({"status": "canceled"}, ["", "", OPEN, CLOSED]),
]
CELLS = [
    pytest.param(fields, state, code, id=f"{next(iter(fields), 'none')}, {state}")
    for fields, codes in TABLE
    for state, code in zip(STATES, codes, strict=True)
]


def body_of(appointment: Any = JOHN_CARDIOLOGY, **fields: Any) -> dict[str, Any]:
    """The body that feeds the appointment, with these fields changed."""
    return {
        "patient_id": appointment.patient_id,
        "doctor_id": appointment.doctor_id,
        "prestation_id": appointment.prestation_id,
        "scheduled_at": to_rfc3339(appointment.scheduled_at),
        **fields,
    }


async def arrange(api: ApiDriver, state: str) -> None:
    """Bring John's cardiology into this state."""
    reception, doctor = await api.staff("reception"), await api.doctor()
    if state != "not arrived":
        assert (await reception.post(f"{CARDIOLOGY}/check-in")).status_code == 201
    if state in ("in consultation", "done"):
        started = await doctor.post("/api/consultations", json=start_body())
        assert started.status_code == 201
    if state == "done":
        assert (await doctor.post(f"/api/consultations/{started.json()['id']}/complete")).status_code == 200
    api.visits.sent.clear()


async def rows_of(api: ApiDriver, table: Table) -> list[RowMapping]:
    return await api.database.read(lambda c: list(c.execute(select(table).order_by(table.c[0])).mappings()))


async def appointment(api: ApiDriver, number: int = JOHN_CARDIOLOGY.id) -> RowMapping:
    return next(row for row in await rows_of(api, appointments) if row["id"] == number)


async def put(api: ApiDriver, path: str = CARDIOLOGY, **body: Any) -> httpx.Response:
    return await (await api.staff("service")).put(path, json=body)


@ON_SQLITE
@pytest.mark.parametrize(("fields", "state", "code"), CELLS)
async def test_answers_each_cell_of_the_table(api: ApiDriver, fields: dict[str, Any], state: str, code: str) -> None:
    await arrange(api, state)
    before, events_before = await appointment(api), len(await rows_of(api, events))

    answer = await put(api, **body_of(**fields))

    after = await appointment(api)
    if code:
        assert (answer.status_code, answer.json()["code"]) == (409, code)
        assert (after, len(await rows_of(api, events))) == (before, events_before)
        return
    assert answer.status_code == 200, answer.text
    assert answer.json().items() >= fields.items()
    assert after["version"] - before["version"] == bool(fields)
    assert (len(await rows_of(api, events)) > events_before) == bool(fields)


@pytest.mark.parametrize(
    "fields", [fields for fields, _ in TABLE] + [{"status": "scheduled"}], ids=lambda fields: next(iter(fields), "none")
)
async def test_writes_directly_when_nothing_is_open(api: ApiDriver, fields: dict[str, Any]) -> None:
    answer = await put(api, **body_of(**fields))

    assert answer.status_code == 200
    assert (api.visits.sent, api.visits.signals) == ([], [])


async def test_writes_only_the_fields_that_are_given(api: ApiDriver) -> None:
    before, context = await appointment(api), PutContext(JOHN_CARDIOLOGY.id, "put/one", NOON)

    stored = [
        await write_appointment(api.database, context, fields)
        for fields in (AppointmentPut(), AppointmentPut(doctor_id=DR_OKAFOR.id, expected_minutes=45))
    ]

    after = await appointment(api)
    assert [result.appointment.doctor_id for result in stored] == [DR_AMRANI.id, DR_OKAFOR.id]
    assert dict(after) == dict(before) | {"doctor_id": DR_OKAFOR.id, "expected_minutes": 45, "version": 2}


async def test_minutes_stay_with_another_prestation_when_both_are_given(api: ApiDriver) -> None:
    context, minutes_of_cardiology = PutContext(JOHN_CARDIOLOGY.id, "put/one", NOON), JOHN_CARDIOLOGY.expected_minutes
    put_both = AppointmentPut(prestation_id=X_RAY.id, expected_minutes=minutes_of_cardiology)

    stored = await write_appointment(api.database, context, put_both)

    assert stored.appointment.expected_minutes == minutes_of_cardiology
    assert (await appointment(api))["expected_minutes"] == minutes_of_cardiology
    again = await write_appointment(api.database, context, put_both)
    assert (again.appointment.prestation_id, (await appointment(api))["version"]) == (X_RAY.id, 2)


async def test_new_appointments_open_no_visit(api: ApiDriver) -> None:
    answers = [await put(api, f"/api/appointments/{number}", **body_of()) for number in range(100, 120)]

    assert {answer.status_code for answer in answers} == {201}
    assert (api.visits.sent, api.visits.signals) == ([], [])


@pytest.mark.parametrize("status", [None, "scheduled", "confirmed"])
async def test_repeated_body_sends_nothing_to_the_visit(api: ApiDriver, status: str | None) -> None:
    await arrange(api, "checked in")
    before = await api.all_rows()
    before.pop("sent_records")

    answer = await put(api, **body_of(**({} if status is None else {"status": status})))

    assert (answer.status_code, answer.json()["status"]) == (200, "pending")
    after = await api.all_rows()
    assert len(after.pop("sent_records")) == 1
    assert (api.visits.sent, after) == ([], before)


async def test_other_doctor_keeps_arrival_and_changes_both_lists(api: ApiDriver) -> None:
    await arrange(api, "checked in")
    (tracking,) = await rows_of(api, patient_trackings)
    api.clock.advance(minutes=10)

    assert (await put(api, **body_of(doctor_id=DR_OKAFOR.id, prestation_id=X_RAY.id))).status_code == 200

    (moved,) = await rows_of(api, patient_trackings)
    changed = {"doctor_id": DR_OKAFOR.id, "prestation_id": X_RAY.id, "exclusive": False}
    assert dict(moved) == dict(tracking) | changed
    lists = [await api.read_worklist(f"?doctor_id={doctor.id}", doctor.id) for doctor in (DR_AMRANI, DR_OKAFOR)]
    shown = [[item["appointment_id"] for item in worklist["items"]] for worklist in lists]
    assert [JOHN_CARDIOLOGY.id in ids for ids in shown] == [False, True]
    *_, former, present = [row for row in await rows_of(api, events) if row["name"] == "appointment.updated"]
    assert f'"doctor_id":{DR_AMRANI.id}' in former["data"].replace(" ", "")
    assert f'"doctor_id":{DR_OKAFOR.id}' in present["data"].replace(" ", "")
    started = await (await api.doctor(DR_OKAFOR.id)).post("/api/consultations", json=start_body(doctor_id=DR_OKAFOR.id))
    assert (started.status_code, started.json()["prestation_id"]) == (201, X_RAY.id)


async def test_change_is_in_the_timeline_with_its_sender(api: ApiDriver) -> None:
    await arrange(api, "checked in")

    await put(api, **body_of(doctor_id=DR_OKAFOR.id))

    visit = await (await api.staff("supervisor")).get("/api/patients/123/visit")
    entry = visit.json()["timeline"][-1]
    assert (entry["event"], entry["fields"]) == ("changed", {"doctor_id": DR_OKAFOR.id})
    assert entry["by"] == "service-None"


async def test_canceled_check_in_is_closed_as_cancelled(api: ApiDriver) -> None:
    await arrange(api, "checked in")

    answer = await put(api, **body_of(status="canceled"))

    (tracking,) = await rows_of(api, patient_trackings)
    assert (answer.json()["status"], tracking["status"], tracking["outcome"]) == ("canceled", "completed", "cancelled")


async def test_new_doctor_learns_that_the_moved_check_in_was_canceled(api: ApiDriver) -> None:
    await arrange(api, "checked in")

    assert (await put(api, **body_of(doctor_id=DR_OKAFOR.id, status="canceled"))).status_code == 200

    updates = [json.loads(row["data"]) for row in await rows_of(api, events) if row["name"] == "appointment.updated"]
    assert (updates[-1]["doctor_id"], updates[-1]["status"]) == (DR_OKAFOR.id, "canceled")
    assert DR_AMRANI.id in [update["doctor_id"] for update in updates[1:]]


async def test_refusal_in_consultation_says_what_to_do(api: ApiDriver) -> None:
    await arrange(api, "in consultation")

    answer = await put(api, **body_of(doctor_id=DR_OKAFOR.id))

    refusal = answer.json()
    assert refusal["detail"] == (
        "The appointment is in progress with Dr. Amrani. Send the change again after the consultation."
    )
    assert (refusal["active_doctor_id"], answer.headers["content-type"]) == (DR_AMRANI.id, "application/problem+json")


async def test_several_changes_are_one_decision(api: ApiDriver) -> None:
    await arrange(api, "checked in")
    before = await appointment(api)

    refused = await put(api, **body_of(doctor_id=DR_OKAFOR.id, patient_id=MARIA_SILVA.id))

    assert (refused.status_code, await appointment(api)) == (409, before)


async def wait_in_line(api: ApiDriver) -> None:
    """John is in consultation with Dr. Amrani, and Dr. Okafor waits for him."""
    await arrange(api, "in consultation")
    joined = await (await api.doctor(DR_OKAFOR.id)).post(f"{DERMATOLOGY_PATH}/wait")
    assert joined.status_code == 200


MOVES: list[dict[str, Any]] = [
    {"doctor_id": DR_SMITH.id},
    {"patient_id": MARIA_SILVA.id},
    {"scheduled_at": to_rfc3339(NOON + timedelta(days=1))},
]


@pytest.mark.parametrize("fields", MOVES, ids=lambda fields: next(iter(fields)))
async def test_doctor_in_line_learns_that_appointment_moved(api: ApiDriver, fields: dict[str, Any]) -> None:
    await wait_in_line(api)

    answer = await put(api, DERMATOLOGY_PATH, **body_of(JOHN_DERMATOLOGY, **fields))

    assert (answer.status_code, await rows_of(api, waiting_line)) == (200, [])
    assert answer.json().items() >= fields.items()
    ended = [row for row in await rows_of(api, events) if row["name"] == "waiting.ended"]
    assert [(row["channel"], '"moved"' in row["data"]) for row in ended] == [(f"doctor.{DR_OKAFOR.id}", True)]


async def test_doctor_keeps_place_when_time_changes(api: ApiDriver) -> None:
    await wait_in_line(api)

    answer = await put(api, DERMATOLOGY_PATH, **body_of(JOHN_DERMATOLOGY, scheduled_at=to_rfc3339(NOON + minutes(90))))

    assert answer.status_code == 200
    assert [row["doctor_id"] for row in await rows_of(api, waiting_line)] == [DR_OKAFOR.id]


@pytest.mark.parametrize("fields", [*MOVES, {"status": "canceled"}], ids=lambda fields: next(iter(fields)))
async def test_reservation_ends_with_its_appointment(api: ApiDriver, fields: dict[str, Any]) -> None:
    await wait_in_line(api)
    await (await api.doctor()).patch(f"{CARDIOLOGY}/status", json={"status": "done"})
    assert [row["doctor_id"] for row in await rows_of(api, reservations)] == [DR_OKAFOR.id]

    answer = await put(api, DERMATOLOGY_PATH, **body_of(JOHN_DERMATOLOGY, **fields))

    assert answer.status_code == 200
    assert (await rows_of(api, reservations), await rows_of(api, waiting_line)) == ([], [])


async def test_appointment_in_line_moves_to_other_patient_with_both_events(api: ApiDriver) -> None:
    await wait_in_line(api)

    await put(api, DERMATOLOGY_PATH, **body_of(JOHN_DERMATOLOGY, patient_id=MARIA_SILVA.id))

    (command,) = [command for command in api.visits.sent if isinstance(command, ChangeAppointment)]
    assert command.appointment.patient_id == JOHN_DERMATOLOGY.patient_id
    updated = [row for row in await rows_of(api, events) if row["name"] == "appointment.updated"]
    assert [row["patient_id"] for row in updated[-2:]] == [JOHN_DERMATOLOGY.patient_id, MARIA_SILVA.id]
    assert ['"Maria Silva"' in row["data"] for row in updated[-2:]] == [False, True]


async def test_follows_appointment_that_another_put_moves_first(
    api: ApiDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    await wait_in_line(api)
    api.visits.sent.clear()
    send, service = api.visits.send, await api.staff("service")

    async def move_first(*arguments: Any) -> None:
        monkeypatch.setattr(api.visits, "send", send)
        await service.put(DERMATOLOGY_PATH, json=body_of(JOHN_DERMATOLOGY, patient_id=MARIA_SILVA.id))
        await send(*arguments)

    monkeypatch.setattr(api.visits, "send", move_first)
    answer = await put(api, DERMATOLOGY_PATH, **body_of(JOHN_DERMATOLOGY, doctor_id=DR_SMITH.id))

    moved = await appointment(api, JOHN_DERMATOLOGY.id)
    assert (answer.status_code, len(api.visits.sent)) == (200, 2)
    assert (moved["patient_id"], moved["doctor_id"]) == (JOHN_DERMATOLOGY.patient_id, DR_SMITH.id)


async def test_undecided_while_the_visit_does_not_answer(api: ApiDriver) -> None:
    await arrange(api, "checked in")
    api.visits.away = True
    before = await appointment(api)

    answer = await put(api, **body_of(doctor_id=DR_OKAFOR.id))
    api.visits.away = False
    repeated = await put(api, **body_of(doctor_id=DR_OKAFOR.id))

    assert (answer.status_code, answer.json()["code"]) == (503, "undecided")
    assert int(answer.headers["Retry-After"]) > 0
    assert (before["doctor_id"], repeated.status_code) == (DR_AMRANI.id, 200)
    assert (await appointment(api))["doctor_id"] == DR_OKAFOR.id


async def test_feed_checks_in_and_out_and_cancels(api: ApiDriver) -> None:
    service = await api.staff("service")

    arrived = await service.post(f"{CARDIOLOGY}/check-in")
    left = await service.post(f"{CARDIOLOGY}/check-out")
    canceled = await put(api, **body_of(status="canceled"))

    assert [answer.status_code for answer in (arrived, left, canceled)] == [201, 200, 200]
    assert (left.json()["outcome"], canceled.json()["status"]) == ("left", "canceled")


async def test_arrival_for_another_day_is_on_todays_worklist(api: ApiDriver) -> None:
    yesterday = to_rfc3339(NOON - timedelta(days=1))
    await put(api, **body_of(scheduled_at=yesterday))
    before = await api.read_worklist()

    await (await api.staff("service")).post(f"{CARDIOLOGY}/check-in")

    after = await api.read_worklist()
    shown = [[item["appointment_id"] for item in worklist["items"]] for worklist in (before, after)]
    assert [JOHN_CARDIOLOGY.id in ids for ids in shown] == [False, True]

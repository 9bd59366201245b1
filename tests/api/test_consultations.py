"""Calls on consultations, from the request to the stored answer."""

import json

import pytest
from sqlalchemy import select, update

from patient_visit_engine.storage.accounts import add_account
from patient_visit_engine.storage.requests import find_open_requests, parse_command
from patient_visit_engine.storage.tables import appointments, events, requests
from patient_visit_engine.visit.codes import Role
from patient_visit_engine.visit.consultation_commands import StartConsultation
from tests.support.api import JOHN_CARDIOLOGY, JOHN_DERMATOLOGY, JOHN_X_RAY, ApiDriver, start_body
from tests.support.builders import DAY, DR_AMRANI, DR_OKAFOR, DR_SMITH, minutes
from tests.support.databases import LATER_ON_POSTGRES, ON_SQLITE, database_on
from tests.support.passwords import WEAK_HASH

database = database_on("sqlite", LATER_ON_POSTGRES)


async def start(api: ApiDriver, doctor_id: int = DR_AMRANI.id, appointment: object = JOHN_CARDIOLOGY) -> str:
    """Start a consultation of this doctor, and return its id."""
    answer = await (await api.doctor(doctor_id)).post("/api/consultations", json=start_body(appointment))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def test_all_staff_can_read_started_consultation(api: ApiDriver) -> None:
    doctor, reception = await api.doctor(), await api.staff("reception")

    started = await doctor.post("/api/consultations", json=start_body())

    assert started.status_code == 201, started.text
    read = await reception.get(started.headers["location"])
    assert read.json() == started.json()
    assert read.json()["status"] == "in_progress"
    assert read.json()["started_at"] == "2026-03-02T11:00:00.000Z"


async def test_refusal_names_doctor_of_busy_patient(api: ApiDriver) -> None:
    consultation = await start(api)
    api.clock.advance(minutes=14)

    refused = await (await api.doctor(DR_OKAFOR.id)).post("/api/consultations", json=start_body(JOHN_DERMATOLOGY))

    assert refused.status_code == 409
    assert refused.headers["content-type"] == "application/problem+json"
    problem = refused.json()
    assert problem["code"] == "patient_in_consultation"
    assert problem["success"] is False
    assert problem["in_consultation"] is True
    assert (problem["active_doctor"], problem["active_doctor_id"]) == (DR_AMRANI.name, DR_AMRANI.id)
    assert (problem["consultation_id"], problem["elapsed_seconds"]) == (consultation, 840)
    assert (problem["actions"], problem["position"]) == (["wait"], None)


async def test_x_ray_runs_next_to_consultation(api: ApiDriver) -> None:
    await start(api)

    x_ray = await (await api.doctor(DR_SMITH.id)).post("/api/consultations", json=start_body(JOHN_X_RAY))

    assert x_ray.status_code == 201


async def test_same_key_gets_same_answer_and_no_effect(api: ApiDriver) -> None:
    doctor = await api.doctor()
    first = await doctor.post("/api/consultations", json=start_body(), headers={"Idempotency-Key": "k"})
    before = await api.all_rows()

    again = await doctor.post("/api/consultations", json=start_body(wait=False), headers={"Idempotency-Key": "k"})

    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["location"] == first.headers["location"]
    assert await api.all_rows() == before
    assert len(api.visits.sent) == 1


async def test_repeats_refusal_after_patient_is_free(api: ApiDriver) -> None:
    consultation = await start(api)
    other = await api.doctor(DR_OKAFOR.id)
    first = await other.post("/api/consultations", json=start_body(JOHN_DERMATOLOGY), headers={"Idempotency-Key": "k"})
    done = await (await api.doctor()).post(f"/api/consultations/{consultation}/complete")
    assert done.status_code == 200

    again = await other.post("/api/consultations", json=start_body(JOHN_DERMATOLOGY), headers={"Idempotency-Key": "k"})

    assert again.status_code == 409
    assert again.content == first.content
    assert again.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("reused", ["another body", "another path"])
async def test_refuses_key_reused_for_other_request(api: ApiDriver, reused: str) -> None:
    doctor, key = await api.doctor(), {"Idempotency-Key": "k"}
    started = await doctor.post("/api/consultations", json=start_body(), headers=key)
    before = await api.all_rows()

    if reused == "another body":
        answer = await doctor.post("/api/consultations", json=start_body(wait=True), headers=key)
    else:
        answer = await doctor.post(f"{started.headers['location']}/complete", headers=key)

    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert await api.all_rows() == before


async def test_two_callers_can_use_same_key(api: ApiDriver) -> None:
    key = {"Idempotency-Key": "k"}
    await (await api.doctor()).post("/api/consultations", json=start_body(), headers=key)

    other = await (await api.doctor(DR_OKAFOR.id)).post(
        "/api/consultations", json=start_body(JOHN_DERMATOLOGY), headers=key
    )

    assert other.json()["code"] == "patient_in_consultation"


@ON_SQLITE
@pytest.mark.parametrize("key", ["", "two words", "x" * 129, "caf\u00e9"])
async def test_refuses_key_that_is_not_visible_ascii(api: ApiDriver, key: str) -> None:
    before = await api.all_rows()

    answer = await (await api.doctor()).post(
        "/api/consultations", json=start_body(), headers=[(b"Idempotency-Key", key.encode())]
    )

    assert (answer.status_code, answer.json()["code"]) == (422, "bad_idempotency_key")
    assert await api.all_rows() == before


async def test_second_completion_repeats_answer_only(api: ApiDriver) -> None:
    doctor, consultation = await api.doctor(), await start(api)
    first = await doctor.post(f"/api/consultations/{consultation}/complete", json={})
    published = await api.count(events)
    api.clock.advance(minutes=1)

    again = await doctor.post(f"/api/consultations/{consultation}/complete")

    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()
    assert first.json()["outcome"] == "done"
    assert await api.count(events) == published


@pytest.mark.parametrize("call", ["complete", "extend"])
async def test_refuses_call_of_other_doctor(api: ApiDriver, call: str) -> None:
    consultation = await start(api)
    before = await api.all_rows()
    body = {"minutes": 5} if call == "extend" else {}

    answer = await (await api.doctor(DR_OKAFOR.id)).post(f"/api/consultations/{consultation}/{call}", json=body)

    assert (answer.status_code, answer.json()["code"]) == (403, "not_yours")
    assert await api.all_rows() == before


async def test_extension_counts_from_due_time(api: ApiDriver) -> None:
    consultation = await start(api)

    answer = await (await api.doctor()).post(f"/api/consultations/{consultation}/extend", json={"minutes": 240})

    assert answer.status_code == 200
    assert answer.json()["overdue_at"] == "2026-03-02T15:20:00.000Z"


async def test_only_supervisors_read_reason_of_release(api: ApiDriver) -> None:
    consultation = await start(api)
    supervisor, reception = await api.staff("supervisor"), await api.staff("reception")

    answer = await supervisor.post(f"/api/consultations/{consultation}/release", json={"reason": " gone  home "})

    assert answer.status_code == 200, answer.text
    assert answer.json()["outcome"] == "released"
    assert "home" not in str(api.visits.sent)
    timeline = (await supervisor.get("/api/patients/123/visit")).json()["timeline"]
    assert ("gone  home", "supervisor-None") in [(entry["reason"], entry["by"]) for entry in timeline]
    assert "home" not in (await reception.get("/api/patients/123/visit")).text
    completion = await (await api.doctor()).post(f"/api/consultations/{consultation}/complete")
    assert (completion.status_code, completion.json()["code"]) == (409, "consultation_ended")


@pytest.mark.parametrize("has_account", [True, False], ids=["account", "token"])
async def test_only_holder_learns_who_released_and_why(api: ApiDriver, has_account: bool) -> None:
    consultation = await start(api)
    hashed = WEAK_HASH.hash("correct horse")
    await api.database.write(add_account, "moreau", hashed, "Lena Moreau", Role.supervisor, None)
    supervisor = await (api.anyone() if has_account else api.staff("supervisor"))
    if has_account:
        await supervisor.post("/api/session", json={"username": "moreau", "password": "correct horse"})

    await supervisor.post(f"/api/consultations/{consultation}/release", json={"reason": "gone home"})

    sent = await api.database.read(lambda c: c.execute(select(events.c.name, events.c.channel, events.c.data)).all())
    (released,) = [json.loads(event.data) for event in sent if event.name == "consultation.released"]
    assert (released["by_name"], released["reason"]) == ("Lena Moreau" if has_account else None, "gone home")
    assert not any("Moreau" in event.data or "home" in event.data for event in sent if event.channel != "doctor.7")


async def test_same_key_gets_answer_after_undecided(api: ApiDriver) -> None:
    doctor, key = await api.doctor(), {"Idempotency-Key": "k"}
    api.visits.away = True

    undecided = await doctor.post("/api/consultations", json=start_body(), headers=key)

    assert (undecided.status_code, undecided.json()["code"]) == (503, "undecided")
    assert int(undecided.headers["retry-after"]) >= 1
    api.visits.away = False
    assert (await doctor.post("/api/consultations", json=start_body(), headers=key)).status_code == 201


async def test_stores_asynchronous_start_before_sending(api: ApiDriver) -> None:
    doctor = await api.doctor()
    headers = {"Idempotency-Key": "a/b?c", "Prefer": "respond-async, wait=10"}

    accepted = await doctor.post("/api/consultations", json=start_body(), headers=headers)

    assert accepted.status_code == 202
    assert accepted.headers["location"] == "/api/requests/a%2Fb%3Fc"
    assert accepted.headers["preference-applied"] == "respond-async"
    ((command, day),) = api.visits.signals
    assert day == DAY
    assert (await doctor.get(accepted.headers["location"])).status_code == 202
    await api.visits.send(JOHN_CARDIOLOGY.patient_id, day, command, command.request.id)
    decided = await doctor.get(accepted.headers["location"])
    assert decided.status_code == 200
    assert (decided.json()["status"], decided.json()["body"]["doctor_id"]) == (201, DR_AMRANI.id)
    other = await (await api.doctor(DR_OKAFOR.id)).get(accepted.headers["location"])
    assert (other.status_code, other.json()["code"]) == (404, "unknown_request")


async def test_sweep_finds_request_with_lost_signal(api: ApiDriver) -> None:
    api.visits.away = True
    doctor = await api.doctor()

    accepted = await doctor.post("/api/consultations", json=start_body(), headers={"Prefer": "respond-async"})

    assert accepted.status_code == 202
    assert await api.database.read(find_open_requests, api.clock(), None, 10) == []
    (request,) = await api.database.read(find_open_requests, api.clock() + minutes(1), None, 10)
    assert isinstance(request.command, StartConsultation)
    assert request.command.appointment == JOHN_CARDIOLOGY
    assert await api.count(requests) == 1


async def test_sweep_ignores_unanswered_release(api: ApiDriver) -> None:
    consultation = await start(api)
    api.visits.away = True
    supervisor = await api.staff("supervisor")

    answer = await supervisor.post(f"/api/consultations/{consultation}/release", json={"reason": "forgotten"})

    assert answer.status_code == 503
    assert await api.database.read(find_open_requests, api.clock() + minutes(1), None, 10) == []


@pytest.mark.parametrize("text", ["{}", "[]", '{"type": "Adopt"}', '{"type": null}', '{"type": "CheckIn"}'])
def test_refuses_stored_text_that_is_no_command(text: str) -> None:
    with pytest.raises(ValueError):
        parse_command(text)


async def test_refuses_start_that_contradicts_booking(api: ApiDriver) -> None:
    doctor = await api.doctor()
    before = await api.all_rows()

    mismatch = await doctor.post("/api/consultations", json=start_body() | {"patient_id": 124})
    unknown_patient = await doctor.post("/api/consultations", json=start_body() | {"patient_id": 999})
    unknown_appointment = await doctor.post("/api/consultations", json=start_body() | {"appointment_id": 999})
    other_appointment = await doctor.post(
        "/api/consultations", json=start_body() | {"appointment_id": JOHN_DERMATOLOGY.id}
    )
    other_doctor = await doctor.post("/api/consultations", json=start_body(JOHN_DERMATOLOGY))

    answers = (mismatch, unknown_patient, unknown_appointment, other_appointment, other_doctor)
    codes = [(answer.status_code, answer.json()["code"]) for answer in answers]
    assert codes == [
        (422, "appointment_mismatch"),
        (404, "unknown_patient"),
        (404, "unknown_appointment"),
        (422, "appointment_mismatch"),
        (403, "not_yours"),
    ]
    assert await api.all_rows() == before


async def test_words_say_that_the_holder_is_the_asker(api: ApiDriver) -> None:
    consultation = await start(api)
    # The same doctor has another appointment with the patient.
    move = update(appointments).where(appointments.c.id == JOHN_DERMATOLOGY.id).values(doctor_id=DR_AMRANI.id)
    await api.database.write(lambda connection: connection.execute(move))
    doctor = await api.doctor()
    body = start_body(JOHN_DERMATOLOGY) | {"doctor_id": DR_AMRANI.id, "wait": True}

    refused = (await doctor.post("/api/consultations", json=body)).json()
    waited = (await doctor.post(f"/api/appointments/{JOHN_DERMATOLOGY.id}/wait")).json()

    assert (refused["code"], refused["consultation_id"]) == ("patient_in_consultation", consultation)
    assert refused["detail"] == "You are still in consultation with John Doe for Cardiology. Complete it first."
    assert (refused["actions"], refused["position"]) == (["complete"], None)
    assert (waited["code"], waited["actions"]) == ("patient_in_consultation", ["complete"])

"""What the calls on consultations answer, from a request to a kept answer."""

import json

import pytest

from patient_visit_engine.storage.requests import find_open_commands, parse_command
from patient_visit_engine.storage.tables import events, requests
from patient_visit_engine.visit.commands import StartConsultation
from tests.support.api import JOHN_CARDIOLOGY, JOHN_DERMATOLOGY, JOHN_X_RAY, ApiDriver, start_body
from tests.support.builders import DAY, DR_AMRANI, DR_OKAFOR, DR_SMITH, minutes


async def started(api: ApiDriver, doctor_id: int = DR_AMRANI.id, appointment: object = JOHN_CARDIOLOGY) -> str:
    """The id of a consultation that this doctor has just begun."""
    answer = await (await api.doctor(doctor_id)).post("/api/consultations", json=start_body(appointment))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def test_a_doctor_starts_a_consultation_and_everyone_can_look_it_up(api: ApiDriver) -> None:
    doctor, desk = await api.doctor(), await api.staff("reception")

    begun = await doctor.post("/api/consultations", json=start_body())

    assert begun.status_code == 201, begun.text
    seen = await desk.get(begun.headers["location"])
    assert seen.json() == begun.json()
    assert seen.json()["status"] == "in_progress"
    assert seen.json()["started_at"] == "2026-03-02T11:00:00.000Z"


async def test_a_second_doctor_is_told_who_has_the_patient(api: ApiDriver) -> None:
    consultation = await started(api)
    api.clock.pass_by(minutes=14)

    refused = await (await api.doctor(DR_OKAFOR.id)).post("/api/consultations", json=start_body(JOHN_DERMATOLOGY))

    assert refused.status_code == 409
    assert refused.headers["content-type"] == "application/problem+json"
    told = refused.json()
    assert told["code"] == "patient_in_consultation"
    assert told["success"] is False
    assert told["in_consultation"] is True
    assert (told["active_doctor"], told["active_doctor_id"]) == (DR_AMRANI.name, DR_AMRANI.id)
    assert (told["consultation_id"], told["elapsed_seconds"]) == (consultation, 840)
    assert (told["actions"], told["position"]) == (["wait"], None)


async def test_an_x_ray_runs_beside_a_consultation(api: ApiDriver) -> None:
    await started(api)

    beside = await (await api.doctor(DR_SMITH.id)).post("/api/consultations", json=start_body(JOHN_X_RAY))

    assert beside.status_code == 201


async def test_the_same_key_gets_the_same_answer_and_no_second_effect(api: ApiDriver) -> None:
    doctor = await api.doctor()
    first = await doctor.post("/api/consultations", json=start_body(), headers={"Idempotency-Key": "k"})
    before = await api.all_rows()

    # Meanwhile the consultation has ended: the kept answer does not change with it.
    again = await doctor.post("/api/consultations", json=start_body(wait=False), headers={"Idempotency-Key": "k"})

    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["location"] == first.headers["location"]
    assert await api.all_rows() == before
    assert len(api.visits.sent) == 1


async def test_a_refusal_is_repeated_too_after_the_patient_is_free(api: ApiDriver) -> None:
    consultation = await started(api)
    other = await api.doctor(DR_OKAFOR.id)
    first = await other.post("/api/consultations", json=start_body(JOHN_DERMATOLOGY), headers={"Idempotency-Key": "k"})
    done = await (await api.doctor()).post(f"/api/consultations/{consultation}/complete")
    assert done.status_code == 200

    again = await other.post("/api/consultations", json=start_body(JOHN_DERMATOLOGY), headers={"Idempotency-Key": "k"})

    assert again.status_code == 409
    assert again.content == first.content
    assert again.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("reused", ["another body", "another path"])
async def test_a_key_stands_for_one_request(api: ApiDriver, reused: str) -> None:
    doctor, key = await api.doctor(), {"Idempotency-Key": "k"}
    begun = await doctor.post("/api/consultations", json=start_body(), headers=key)
    before = await api.all_rows()

    if reused == "another body":
        answer = await doctor.post("/api/consultations", json=start_body(wait=True), headers=key)
    else:
        answer = await doctor.post(f"{begun.headers['location']}/complete", headers=key)

    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert await api.all_rows() == before


async def test_a_key_belongs_to_its_caller(api: ApiDriver) -> None:
    key = {"Idempotency-Key": "k"}
    await (await api.doctor()).post("/api/consultations", json=start_body(), headers=key)

    others = await (await api.doctor(DR_OKAFOR.id)).post(
        "/api/consultations", json=start_body(JOHN_DERMATOLOGY), headers=key
    )

    assert others.json()["code"] == "patient_in_consultation"


@pytest.mark.parametrize("key", ["", "two words", "x" * 129, "caf\u00e9"])
async def test_a_key_is_visible_ascii(api: ApiDriver, key: str) -> None:
    before = await api.all_rows()

    answer = await (await api.doctor()).post(
        "/api/consultations", json=start_body(), headers=[(b"Idempotency-Key", key.encode())]
    )

    assert (answer.status_code, answer.json()["code"]) == (422, "bad_idempotency_key")
    assert await api.all_rows() == before


async def test_completing_twice_answers_alike_and_is_told_once(api: ApiDriver) -> None:
    doctor, consultation = await api.doctor(), await started(api)
    first = await doctor.post(f"/api/consultations/{consultation}/complete", json={})
    told = await api.count(events)
    api.clock.pass_by(minutes=1)

    again = await doctor.post(f"/api/consultations/{consultation}/complete")

    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()
    assert first.json()["outcome"] == "done"
    assert await api.count(events) == told


@pytest.mark.parametrize("call", ["complete", "extend"])
async def test_a_consultation_is_its_doctors_business(api: ApiDriver, call: str) -> None:
    consultation = await started(api)
    before = await api.all_rows()
    body = {"minutes": 5} if call == "extend" else {}

    answer = await (await api.doctor(DR_OKAFOR.id)).post(f"/api/consultations/{consultation}/{call}", json=body)

    assert (answer.status_code, answer.json()["code"]) == (403, "not_yours")
    assert await api.all_rows() == before


async def test_extending_counts_from_the_due_time(api: ApiDriver) -> None:
    consultation = await started(api)

    answer = await (await api.doctor()).post(f"/api/consultations/{consultation}/extend", json={"minutes": 240})

    assert answer.status_code == 200
    assert answer.json()["overdue_at"] == "2026-03-02T15:20:00.000Z"


async def test_a_release_leaves_its_reason_in_the_timeline_and_nowhere_else(api: ApiDriver) -> None:
    consultation = await started(api)
    supervisor, desk = await api.staff("supervisor"), await api.staff("reception")

    answer = await supervisor.post(f"/api/consultations/{consultation}/release", json={"reason": " gone  home "})

    assert answer.status_code == 200, answer.text
    assert answer.json()["outcome"] == "released"
    assert "home" not in str(api.visits.sent)
    line = (await supervisor.get("/api/patients/123/visit")).json()["timeline"]
    assert ("gone  home", "supervisor-None") in [(entry["reason"], entry["by"]) for entry in line]
    assert "home" not in (await desk.get("/api/patients/123/visit")).text
    late = await (await api.doctor()).post(f"/api/consultations/{consultation}/complete")
    assert (late.status_code, late.json()["code"]) == (409, "consultation_ended")


async def test_no_answer_in_time_is_undecided_and_the_same_key_finds_out(api: ApiDriver) -> None:
    doctor, key = await api.doctor(), {"Idempotency-Key": "k"}
    api.visits.away = True

    unknown = await doctor.post("/api/consultations", json=start_body(), headers=key)

    assert (unknown.status_code, unknown.json()["code"]) == (503, "undecided")
    assert int(unknown.headers["retry-after"]) >= 1
    api.visits.away = False
    assert (await doctor.post("/api/consultations", json=start_body(), headers=key)).status_code == 201


async def test_a_start_that_does_not_wait_is_written_down_before_it_is_sent(api: ApiDriver) -> None:
    doctor = await api.doctor()
    headers = {"Idempotency-Key": "a/b?c", "Prefer": "respond-async, wait=10"}

    accepted = await doctor.post("/api/consultations", json=start_body(), headers=headers)

    assert accepted.status_code == 202
    assert accepted.headers["location"] == "/api/requests/a%2Fb%3Fc"
    assert accepted.headers["preference-applied"] == "respond-async"
    ((command, day),) = api.visits.signals
    assert day == DAY
    assert (await doctor.get(accepted.headers["location"])).status_code == 202
    await api.visits.send(command, day=day)
    decided = await doctor.get(accepted.headers["location"])
    assert decided.status_code == 200
    assert (decided.json()["status"], decided.json()["body"]["doctor_id"]) == (201, DR_AMRANI.id)
    other = await (await api.doctor(DR_OKAFOR.id)).get(accepted.headers["location"])
    assert (other.status_code, other.json()["code"]) == (404, "unknown_request")


async def test_an_open_request_is_found_by_the_sweep_when_its_signal_was_lost(api: ApiDriver) -> None:
    api.visits.away = True
    doctor = await api.doctor()

    accepted = await doctor.post("/api/consultations", json=start_body(), headers={"Prefer": "respond-async"})

    assert accepted.status_code == 202
    assert await api.database.read(find_open_commands, api.clock(), 10) == []
    (command,) = await api.database.read(find_open_commands, api.clock() + minutes(1), 10)
    assert isinstance(command, StartConsultation)
    assert command.appointment == JOHN_CARDIOLOGY
    assert await api.count(requests) == 1


async def test_a_release_that_was_not_answered_is_not_sent_again_by_the_sweep(api: ApiDriver) -> None:
    consultation = await started(api)
    api.visits.away = True
    supervisor = await api.staff("supervisor")

    answer = await supervisor.post(f"/api/consultations/{consultation}/release", json={"reason": "forgotten"})

    assert answer.status_code == 503
    assert await api.database.read(find_open_commands, api.clock() + minutes(1), 10) == []


@pytest.mark.parametrize("text", ["{}", "[]", '{"type": "Adopt"}', '{"type": null}', '{"type": "CheckIn"}'])
def test_only_a_command_is_read_back_as_one(text: str) -> None:
    with pytest.raises(ValueError):
        parse_command(text)


async def test_the_appointment_must_agree_with_what_is_stored(api: ApiDriver) -> None:
    doctor = await api.doctor()
    before = await api.all_rows()

    mismatch = await doctor.post("/api/consultations", json=start_body() | {"patient_id": 124})
    nobody = await doctor.post("/api/consultations", json=start_body() | {"patient_id": 999})
    nothing = await doctor.post("/api/consultations", json=start_body() | {"appointment_id": 999})
    foreign = await doctor.post("/api/consultations", json=start_body() | {"appointment_id": JOHN_DERMATOLOGY.id})
    anothers = await doctor.post("/api/consultations", json=start_body(JOHN_DERMATOLOGY))

    codes = [(one.status_code, json.loads(one.text)["code"]) for one in (mismatch, nobody, nothing, foreign, anothers)]
    assert codes == [
        (422, "appointment_mismatch"),
        (404, "unknown_patient"),
        (404, "unknown_appointment"),
        (422, "appointment_mismatch"),
        (403, "not_yours"),
    ]
    assert await api.all_rows() == before

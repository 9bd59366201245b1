"""What the calls on consultations answer, from a request to a kept answer."""

import json

import pytest

from patient_visit_engine.storage.requests import find_open_commands, parse_command
from patient_visit_engine.storage.tables import events, requests
from patient_visit_engine.visit.commands import StartConsultation
from tests.api.conftest import JOHNS, JOHNS_OTHER, JOHNS_XRAY, Clinic, a_start
from tests.support.builders import DAY, DR_AMRANI, DR_OKAFOR, DR_SMITH, minutes


async def started(clinic: Clinic, doctor_id: int = DR_AMRANI.id, appointment: object = JOHNS) -> str:
    """The id of a consultation that this doctor has just begun."""
    answer = await (await clinic.doctor(doctor_id)).post("/api/consultations", json=a_start(appointment))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def test_a_doctor_starts_a_consultation_and_everyone_can_look_it_up(clinic: Clinic) -> None:
    doctor, desk = await clinic.doctor(), await clinic.staff("reception")

    begun = await doctor.post("/api/consultations", json=a_start())

    assert begun.status_code == 201, begun.text
    seen = await desk.get(begun.headers["location"])
    assert seen.json() == begun.json()
    assert seen.json()["status"] == "in_progress"
    assert seen.json()["started_at"] == "2026-03-02T11:00:00.000Z"


async def test_a_second_doctor_is_told_who_has_the_patient(clinic: Clinic) -> None:
    consultation = await started(clinic)
    clinic.clock.pass_by(minutes=14)

    refused = await (await clinic.doctor(DR_OKAFOR.id)).post("/api/consultations", json=a_start(JOHNS_OTHER))

    assert refused.status_code == 409
    assert refused.headers["content-type"] == "application/problem+json"
    told = refused.json()
    assert told["code"] == "patient_in_consultation"
    assert told["success"] is False
    assert told["in_consultation"] is True
    assert (told["active_doctor"], told["active_doctor_id"]) == (DR_AMRANI.name, DR_AMRANI.id)
    assert (told["consultation_id"], told["elapsed_seconds"]) == (consultation, 840)
    assert (told["actions"], told["position"]) == (["wait"], None)


async def test_an_x_ray_runs_beside_a_consultation(clinic: Clinic) -> None:
    await started(clinic)

    beside = await (await clinic.doctor(DR_SMITH.id)).post("/api/consultations", json=a_start(JOHNS_XRAY))

    assert beside.status_code == 201


async def test_the_same_key_gets_the_same_answer_and_no_second_effect(clinic: Clinic) -> None:
    doctor = await clinic.doctor()
    first = await doctor.post("/api/consultations", json=a_start(), headers={"Idempotency-Key": "k"})
    before = await clinic.everything()

    # Meanwhile the consultation has ended: the kept answer does not change with it.
    again = await doctor.post("/api/consultations", json=a_start(wait=False), headers={"Idempotency-Key": "k"})

    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["location"] == first.headers["location"]
    assert await clinic.everything() == before
    assert len(clinic.visits.sent) == 1


async def test_a_refusal_is_repeated_too_after_the_patient_is_free(clinic: Clinic) -> None:
    consultation = await started(clinic)
    other = await clinic.doctor(DR_OKAFOR.id)
    first = await other.post("/api/consultations", json=a_start(JOHNS_OTHER), headers={"Idempotency-Key": "k"})
    done = await (await clinic.doctor()).post(f"/api/consultations/{consultation}/complete")
    assert done.status_code == 200

    again = await other.post("/api/consultations", json=a_start(JOHNS_OTHER), headers={"Idempotency-Key": "k"})

    assert again.status_code == 409
    assert again.content == first.content
    assert again.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("reused", ["another body", "another path"])
async def test_a_key_stands_for_one_request(clinic: Clinic, reused: str) -> None:
    doctor, key = await clinic.doctor(), {"Idempotency-Key": "k"}
    begun = await doctor.post("/api/consultations", json=a_start(), headers=key)
    before = await clinic.everything()

    if reused == "another body":
        answer = await doctor.post("/api/consultations", json=a_start(wait=True), headers=key)
    else:
        answer = await doctor.post(f"{begun.headers['location']}/complete", headers=key)

    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert await clinic.everything() == before


async def test_a_key_belongs_to_its_caller(clinic: Clinic) -> None:
    key = {"Idempotency-Key": "k"}
    await (await clinic.doctor()).post("/api/consultations", json=a_start(), headers=key)

    others = await (await clinic.doctor(DR_OKAFOR.id)).post(
        "/api/consultations", json=a_start(JOHNS_OTHER), headers=key
    )

    assert others.json()["code"] == "patient_in_consultation"


@pytest.mark.parametrize("key", ["", "two words", "x" * 129, "caf\u00e9"])
async def test_a_key_is_visible_ascii(clinic: Clinic, key: str) -> None:
    before = await clinic.everything()

    answer = await (await clinic.doctor()).post(
        "/api/consultations", json=a_start(), headers=[(b"Idempotency-Key", key.encode())]
    )

    assert (answer.status_code, answer.json()["code"]) == (422, "bad_idempotency_key")
    assert await clinic.everything() == before


async def test_completing_twice_answers_alike_and_is_told_once(clinic: Clinic) -> None:
    doctor, consultation = await clinic.doctor(), await started(clinic)
    first = await doctor.post(f"/api/consultations/{consultation}/complete", json={})
    told = await clinic.count(events)
    clinic.clock.pass_by(minutes=1)

    again = await doctor.post(f"/api/consultations/{consultation}/complete")

    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()
    assert first.json()["outcome"] == "done"
    assert await clinic.count(events) == told


@pytest.mark.parametrize("call", ["complete", "extend"])
async def test_a_consultation_is_its_doctors_business(clinic: Clinic, call: str) -> None:
    consultation = await started(clinic)
    before = await clinic.everything()
    body = {"minutes": 5} if call == "extend" else {}

    answer = await (await clinic.doctor(DR_OKAFOR.id)).post(f"/api/consultations/{consultation}/{call}", json=body)

    assert (answer.status_code, answer.json()["code"]) == (403, "not_yours")
    assert await clinic.everything() == before


async def test_extending_counts_from_the_due_time(clinic: Clinic) -> None:
    consultation = await started(clinic)

    answer = await (await clinic.doctor()).post(f"/api/consultations/{consultation}/extend", json={"minutes": 240})

    assert answer.status_code == 200
    assert answer.json()["overdue_at"] == "2026-03-02T15:20:00.000Z"


async def test_a_release_leaves_its_reason_in_the_timeline_and_nowhere_else(clinic: Clinic) -> None:
    consultation = await started(clinic)
    supervisor, desk = await clinic.staff("supervisor"), await clinic.staff("reception")

    answer = await supervisor.post(f"/api/consultations/{consultation}/release", json={"reason": " gone  home "})

    assert answer.status_code == 200, answer.text
    assert answer.json()["outcome"] == "released"
    assert "home" not in str(clinic.visits.sent)
    line = (await supervisor.get("/api/patients/123/visit")).json()["timeline"]
    assert ("gone  home", "supervisor-None") in [(entry["reason"], entry["by"]) for entry in line]
    assert "home" not in (await desk.get("/api/patients/123/visit")).text
    late = await (await clinic.doctor()).post(f"/api/consultations/{consultation}/complete")
    assert (late.status_code, late.json()["code"]) == (409, "consultation_ended")


async def test_no_answer_in_time_is_undecided_and_the_same_key_finds_out(clinic: Clinic) -> None:
    doctor, key = await clinic.doctor(), {"Idempotency-Key": "k"}
    clinic.visits.away = True

    unknown = await doctor.post("/api/consultations", json=a_start(), headers=key)

    assert (unknown.status_code, unknown.json()["code"]) == (503, "undecided")
    assert int(unknown.headers["retry-after"]) >= 1
    clinic.visits.away = False
    assert (await doctor.post("/api/consultations", json=a_start(), headers=key)).status_code == 201


async def test_a_start_that_does_not_wait_is_written_down_before_it_is_sent(clinic: Clinic) -> None:
    doctor = await clinic.doctor()
    headers = {"Idempotency-Key": "a/b?c", "Prefer": "respond-async, wait=10"}

    accepted = await doctor.post("/api/consultations", json=a_start(), headers=headers)

    assert accepted.status_code == 202
    assert accepted.headers["location"] == "/api/requests/a%2Fb%3Fc"
    assert accepted.headers["preference-applied"] == "respond-async"
    ((command, day),) = clinic.visits.signals
    assert day == DAY
    assert (await doctor.get(accepted.headers["location"])).status_code == 202
    await clinic.visits.send(command.appointment.patient_id, day, command, command.request.id)
    decided = await doctor.get(accepted.headers["location"])
    assert decided.status_code == 200
    assert (decided.json()["status"], decided.json()["body"]["doctor_id"]) == (201, DR_AMRANI.id)
    other = await (await clinic.doctor(DR_OKAFOR.id)).get(accepted.headers["location"])
    assert (other.status_code, other.json()["code"]) == (404, "unknown_request")


async def test_an_open_request_is_found_by_the_sweep_when_its_signal_was_lost(clinic: Clinic) -> None:
    clinic.visits.away = True
    doctor = await clinic.doctor()

    accepted = await doctor.post("/api/consultations", json=a_start(), headers={"Prefer": "respond-async"})

    assert accepted.status_code == 202
    assert await clinic.database.read(find_open_commands, clinic.clock(), 10) == []
    (command,) = await clinic.database.read(find_open_commands, clinic.clock() + minutes(1), 10)
    assert isinstance(command, StartConsultation)
    assert command.appointment == JOHNS
    assert await clinic.count(requests) == 1


async def test_a_release_that_was_not_answered_is_not_sent_again_by_the_sweep(clinic: Clinic) -> None:
    consultation = await started(clinic)
    clinic.visits.away = True
    supervisor = await clinic.staff("supervisor")

    answer = await supervisor.post(f"/api/consultations/{consultation}/release", json={"reason": "forgotten"})

    assert answer.status_code == 503
    assert await clinic.database.read(find_open_commands, clinic.clock() + minutes(1), 10) == []


@pytest.mark.parametrize("text", ["{}", "[]", '{"type": "Adopt"}', '{"type": null}', '{"type": "CheckIn"}'])
def test_only_a_command_is_read_back_as_one(text: str) -> None:
    with pytest.raises(ValueError):
        parse_command(text)


async def test_the_appointment_must_agree_with_what_is_stored(clinic: Clinic) -> None:
    doctor = await clinic.doctor()
    before = await clinic.everything()

    mismatch = await doctor.post("/api/consultations", json=a_start() | {"patient_id": 124})
    nobody = await doctor.post("/api/consultations", json=a_start() | {"patient_id": 999})
    nothing = await doctor.post("/api/consultations", json=a_start() | {"appointment_id": 999})
    foreign = await doctor.post("/api/consultations", json=a_start() | {"appointment_id": JOHNS_OTHER.id})
    anothers = await doctor.post("/api/consultations", json=a_start(JOHNS_OTHER))

    codes = [(one.status_code, json.loads(one.text)["code"]) for one in (mismatch, nobody, nothing, foreign, anothers)]
    assert codes == [
        (422, "appointment_mismatch"),
        (404, "unknown_patient"),
        (404, "unknown_appointment"),
        (422, "appointment_mismatch"),
        (403, "not_yours"),
    ]
    assert await clinic.everything() == before

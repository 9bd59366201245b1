"""A start and a place in line are valid for a limited time after they were asked. What ends or notes something is not limited."""

import hashlib
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Connection, select

from patient_visit_engine.storage.requests import set_request_aside
from patient_visit_engine.storage.tables import patient_trackings, requests
from patient_visit_engine.visit.calendar import to_rfc3339
from patient_visit_engine.visit.request import Request
from patient_visit_engine.visit.visit_messages import Reply
from tests.support.api import JOHN_CARDIOLOGY, JOHN_DERMATOLOGY, ApiDriver, ApiOpener, start_body
from tests.support.builders import DR_OKAFOR
from tests.support.clocks import read_clock
from tests.support.databases import LATER_ON_POSTGRES, database_on

database = database_on("sqlite", LATER_ON_POSTGRES)

KEY = {"Idempotency-Key": "k"}
LATER = KEY | {"Prefer": "respond-async"}


def last_request(api: ApiDriver) -> Request:
    """The request of the last command that reached a visit."""
    return api.visits.sent[-1].request


def validity(request: Request) -> timedelta | None:
    """How long the command is valid after it was asked."""
    assert request.asked_at is not None
    return None if request.valid_until is None else request.valid_until - request.asked_at


def read_stamp(connection: Connection) -> datetime | None:
    """`asked_at` of the only request."""
    asked_at: datetime | None = connection.execute(select(requests.c.asked_at)).scalar_one()
    return asked_at


async def test_only_starting_commands_expire(api: ApiDriver) -> None:
    doctor, other = await api.doctor(), await api.doctor(DR_OKAFOR.id)
    before = await api.database.read(read_clock)

    consultation = (await doctor.post("/api/consultations", json=start_body())).json()["id"]
    of_start = last_request(api)
    limits = [validity(of_start)]
    waiting, going_on = f"/api/appointments/{JOHN_DERMATOLOGY.id}/wait", f"/api/consultations/{consultation}"
    for client, method, path, body in (
        (other, "POST", waiting, None),
        (other, "DELETE", waiting, None),
        (doctor, "POST", f"{going_on}/pause", None),
        (doctor, "POST", f"{going_on}/resume", None),
        (doctor, "POST", f"{going_on}/complete", None),
        (doctor, "POST", f"{going_on}/reopen", None),
        (doctor, "POST", f"{going_on}/transfer", {"doctor_id": DR_OKAFOR.id}),
    ):
        answer = await client.request(method, path, json=body)
        assert answer.status_code in (200, 204), answer.text
        limits.append(validity(last_request(api)))

    after = await api.database.read(read_clock)
    limited = timedelta(seconds=30)
    assert limits == [limited, limited, None, None, limited, None, limited, limited]
    assert of_start.asked_at is not None
    assert before <= of_start.asked_at <= after


async def test_setting_limits_the_validity(open_api: ApiOpener) -> None:
    api = await open_api(start_valid_for=7)

    await (await api.doctor()).post("/api/consultations", json=start_body())

    assert validity(last_request(api)) == timedelta(seconds=7)


async def test_late_start_is_undecided_and_has_no_effect(api: ApiDriver) -> None:
    doctor = await api.doctor()
    api.visits.late = True

    late = await doctor.post("/api/consultations", json=start_body(), headers=KEY)

    assert await api.count(patient_trackings) == await api.count(requests) == 0
    assert (late.status_code, late.json()["code"]) == (503, "undecided")
    api.visits.late = False
    repeated = await doctor.post("/api/consultations", json=start_body(), headers=KEY)
    assert repeated.status_code == 201


async def test_asynchronous_start_is_valid_for_a_minute(api: ApiDriver) -> None:
    doctor = await api.doctor()

    await doctor.post("/api/consultations", json=start_body(), headers=LATER)

    ((command, _),) = api.visits.signals
    assert (validity(command.request), command.request.asynchronous) == (timedelta(minutes=1), True)
    assert await api.database.read(read_stamp) == command.request.asked_at


async def test_client_sets_end_of_validity(api: ApiDriver) -> None:
    doctor = await api.doctor()
    valid_until = await api.database.read(read_clock) + timedelta(hours=23)
    body = start_body(valid_until=to_rfc3339(valid_until))

    answer = await doctor.post("/api/consultations", json=body, headers=LATER)

    assert answer.status_code == 202
    ((command, _),) = api.visits.signals
    assert command.request.valid_until == valid_until


@pytest.mark.parametrize(
    ("ahead", "headers"),
    [
        (timedelta(hours=1), KEY),
        (timedelta(hours=25), LATER),
        (timedelta(seconds=-1), LATER),
    ],
    ids=["client waits", "too far ahead", "in the past"],
)
async def test_refuses_impossible_validity(api: ApiDriver, ahead: timedelta, headers: dict[str, str]) -> None:
    doctor = await api.doctor()
    valid_until = await api.database.read(read_clock) + ahead

    answer = await doctor.post(
        "/api/consultations", json=start_body(valid_until=to_rfc3339(valid_until)), headers=headers
    )

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert [error["field"] for error in answer.json()["errors"]] == ["valid_until"]
    assert (api.visits.signals, await api.count(requests)) == ([], 0)


@pytest.mark.parametrize("repeated_with", [LATER, KEY], ids=["respond-async", "waiting"])
async def test_repeat_does_not_prolong_open_start(api: ApiDriver, repeated_with: dict[str, str]) -> None:
    doctor = await api.doctor()
    await doctor.post("/api/consultations", json=start_body(), headers=LATER)

    await doctor.post("/api/consultations", json=start_body(), headers=repeated_with)

    first, repeated = (
        api.visits.signals[0][0],
        [*api.visits.signals, *((sent, None) for sent in api.visits.sent)][-1][0],
    )
    assert repeated is not first
    # Each HTTP request has its own id, but the repeat does not change what was asked.
    assert repeated.request.http_request_id != first.request.http_request_id
    assert repeated.request.model_copy(update={"http_request_id": None}) == first.request.model_copy(
        update={"http_request_id": None}
    )
    assert await api.database.read(read_stamp) == first.request.asked_at


async def test_start_that_was_set_aside_is_asked_again(api: ApiDriver) -> None:
    doctor = await api.doctor()
    await doctor.post("/api/consultations", json=start_body(), headers=LATER)
    first = api.visits.signals[0][0].request
    await api.database.write(set_request_aside, first.id, api.clock())

    await doctor.post("/api/consultations", json=start_body(), headers=LATER)

    again = api.visits.signals[1][0].request
    assert first.asked_at is not None
    assert again.asked_at is not None
    assert again.asked_at > first.asked_at
    assert validity(again) == timedelta(minutes=1)
    assert await api.database.read(read_stamp) == again.asked_at


async def test_late_asynchronous_start_has_stored_answer(api: ApiDriver) -> None:
    doctor = await api.doctor()
    accepted = await doctor.post("/api/consultations", json=start_body(), headers=LATER)
    assert accepted.status_code == 202, accepted.text
    ((command, day),) = api.visits.signals
    api.visits.late = True

    await api.visits.send(JOHN_CARDIOLOGY.patient_id, day, command, command.request.id)

    decided = await doctor.get(accepted.headers["location"])
    repeated = await doctor.post("/api/consultations", json=start_body(), headers=LATER)
    assert (decided.status_code, decided.json()["status"]) == (200, 409)
    assert decided.json()["body"]["code"] == "request_expired"
    assert (repeated.status_code, repeated.json()) == (409, decided.json()["body"])
    assert await api.count(patient_trackings) == 0


async def test_key_of_earlier_version_can_be_repeated(api: ApiDriver) -> None:
    sent_before = start_body()
    content = '{"appointment_id":%(appointment_id)d,"patient_id":%(patient_id)d,"doctor_id":%(doctor_id)d,"wait":false}'
    fingerprint = hashlib.sha256(f"POST\n/api/consultations\n{content % sent_before}".encode()).hexdigest()

    await (await api.doctor()).post("/api/consultations", json=sent_before)

    assert last_request(api).fingerprint == fingerprint


async def test_repeat_after_no_answer_is_asked_at_the_first_time(
    api: ApiDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The completion was asked before the reopening, so it does not end the reopened consultation."""
    doctor = await api.doctor()
    path = f"/api/consultations/{(await doctor.post('/api/consultations', json=start_body())).json()['id']}"

    async def be_away(*_: object) -> Reply:
        raise TimeoutError

    with monkeypatch.context() as away:
        away.setattr(api.visits, "send", be_away)
        no_answer = await doctor.post(f"{path}/complete", headers=KEY)
    assert (await doctor.post(f"{path}/complete")).status_code == 200
    assert (await doctor.post(f"{path}/reopen")).status_code == 200
    repeated = await doctor.post(f"{path}/complete", headers=KEY)

    assert no_answer.status_code == 503
    assert (repeated.status_code, repeated.json()["code"]) == (409, "consultation_changed")

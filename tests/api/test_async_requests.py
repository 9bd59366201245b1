"""Asynchronous requests that the sweep has set aside: what their clients see, and how they send them again."""

from typing import Any

import httpx
from pydantic import TypeAdapter

from patient_visit_engine.storage.requests import count_set_aside, find_open_requests, set_request_aside
from patient_visit_engine.visit.consultation_commands import StartConsultation
from patient_visit_engine.wire import answer_bodies
from tests.support.api import ApiDriver, start_body
from tests.support.builders import minutes


async def start_async(api: ApiDriver, **body: Any) -> httpx.Response:
    """A doctor starts with `respond-async`."""
    headers = {"Prefer": "respond-async", "Idempotency-Key": "k"}
    return await (await api.doctor()).post("/api/consultations", json=start_body() | body, headers=headers)


async def start_async_and_set_aside(api: ApiDriver) -> httpx.Response:
    """A doctor starts with `respond-async`, and the sweep sets the request aside."""
    accepted = await start_async(api)
    (request,) = await api.database.read(find_open_requests, api.clock() + minutes(1), None, 10)
    await api.database.write(set_request_aside, request.id, api.clock())
    return accepted


async def test_client_sees_that_its_request_is_set_aside(api: ApiDriver) -> None:
    accepted = await start_async_and_set_aside(api)

    state = await (await api.doctor()).get(accepted.headers["location"])

    assert (accepted.status_code, accepted.json()["state"]) == (202, "open")
    assert state.status_code == 200
    assert state.json() == {"state": "set_aside", "status": None, "location": None, "body": None}
    TypeAdapter(answer_bodies.AsyncRequest).validate_json(state.content)


async def test_async_repeat_opens_set_aside_request_again(api: ApiDriver) -> None:
    accepted = await start_async_and_set_aside(api)
    api.visits.away = True

    repeated = await start_async(api)
    (request,) = await api.database.read(find_open_requests, api.clock() + minutes(1), None, 10)
    state = await (await api.doctor()).get(accepted.headers["location"])

    assert (repeated.status_code, repeated.json()["state"]) == (202, "open")
    assert isinstance(request.command, StartConsultation)
    assert (state.status_code, state.json()["state"]) == (202, "open")


async def test_repeat_decides_set_aside_request(api: ApiDriver) -> None:
    accepted = await start_async_and_set_aside(api)
    doctor = await api.doctor()

    repeated = await doctor.post("/api/consultations", json=start_body(), headers={"Idempotency-Key": "k"})
    state = await doctor.get(accepted.headers["location"])

    assert repeated.status_code == 201
    assert (state.json()["state"], state.json()["body"]) == ("decided", repeated.json())
    assert await api.database.read(count_set_aside) == 0


async def test_other_request_with_its_key_stays_set_aside(api: ApiDriver) -> None:
    accepted = await start_async_and_set_aside(api)

    other = await start_async(api, wait=True)
    state = await (await api.doctor()).get(accepted.headers["location"])

    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert state.json()["state"] == "set_aside"

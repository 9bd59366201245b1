"""The requests of a replay, against a fake system."""

import json
import time
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from patient_visit_engine.cli.replay.driver import Driver, Pace
from patient_visit_engine.cli.replay.plan import (
    ReplayPlan,
)
from patient_visit_engine.cli.replay.request_sender import MAX_SENDS
from patient_visit_engine.cli.replay.tally import ReplayTally
from patient_visit_engine.cli.replay.tokens import Tokens
from patient_visit_engine.cli.tokens import find_secret
from patient_visit_engine.runtime.operator_error import OperatorError
from patient_visit_engine.runtime.settings import Settings
from tests.support.recorded_days import plan_for, recorded

SECRET = "a secret of the tests, long enough for HS256"


def tokens_for(plan: ReplayPlan) -> Tokens:
    return Tokens(Settings(), SECRET, {doctor_id: name for doctor_id, (name, _) in plan.doctors.items()})


async def run_plan(plan: ReplayPlan, answer: Any, retries: int = 0) -> ReplayTally:
    """Run the plan against a fake system that answers with `answer`."""
    pace = Pace(speed=1e6, max_concurrent=8, retries=retries, retry_after=600.0)
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://visits.test") as client:
        driver = Driver(client, tokens_for(plan), plan, pace, 7)
        await driver.run_steps(lambda _tally: None)
        return driver.tally


async def test_doctors_use_own_tokens_and_answers_count() -> None:
    plan = plan_for(recorded(1), recorded(2), recorded(3, patient_id=2))
    busy_patients: set[int] = set()
    keys: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        claims = jwt.decode(request.headers["authorization"].removeprefix("Bearer "), SECRET, ["HS256"])
        keys.append(request.headers["idempotency-key"])
        if request.url.path.endswith("/complete"):
            return httpx.Response(200, json={})
        body = json.loads(request.content)
        assert (claims["role"], claims["doctor_id"]) == ("doctor", body["doctor_id"])
        if body["patient_id"] in busy_patients:
            return httpx.Response(409, json={"code": "patient_in_consultation"})
        busy_patients.add(body["patient_id"])
        return httpx.Response(201, json={"id": f"c{body['appointment_id']}"})

    tally = await run_plan(plan, answer, retries=1)

    assert (tally.requested, tally.granted, tally.completed, tally.retried) == (4, 2, 2, 1)
    assert tally.refused == {"patient_in_consultation": 2}
    assert len(set(keys)) == len(keys) == 6
    assert not tally.errors


async def test_an_unknown_answer_does_not_end_the_feed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("patient_visit_engine.cli.replay.driver.RESEND_PAUSE_SECONDS", 0.0)
    sent: list[str] = []
    plan = plan_for(recorded(1))

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request.url.path)
        if sent.count(request.url.path) == 1:
            raise httpx.ReadError("the connection broke")
        return httpx.Response(503 if sent.count(request.url.path) == 2 else 201, json={"code": "unavailable"})

    fed: list[int] = []
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://visits.test") as client:
        driver = Driver(client, tokens_for(plan), plan, Pace(1e6, 8, 0, 600.0), 7)
        await driver.feed(fed.append)

    assert len(fed) == driver.record_count == len(set(sent))
    assert len(sent) == 3 * len(set(sent))


async def test_resends_unknown_answer_with_same_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("patient_visit_engine.cli.replay.request_sender.RESEND_PAUSE_SECONDS", 0.0)
    keys: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["idempotency-key"])
        if len(keys) == 1:
            return httpx.Response(503, json={"code": "undecided"})
        if len(keys) == 2:
            raise httpx.ReadError("the connection broke")
        return httpx.Response(201 if len(keys) == 3 else 200, json={"id": "c1"})

    tally = await run_plan(plan_for(recorded(1)), answer)

    assert keys[0] == keys[1] == keys[2] != keys[3]
    assert (tally.requested, tally.granted, tally.undecided, tally.completed) == (1, 1, 2, 1)


async def test_waits_for_budget_of_commands() -> None:
    keys: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["idempotency-key"])
        if len(keys) <= MAX_SENDS:
            return httpx.Response(429, json={"code": "too_many_commands"}, headers={"Retry-After": "0"})
        return httpx.Response(201 if len(keys) == MAX_SENDS + 1 else 200, json={"id": "c1"})

    tally = await run_plan(plan_for(recorded(1)), answer)

    assert len(set(keys)) == 2
    assert (tally.requested, tally.granted, tally.undecided, tally.completed) == (1, 1, 0, 1)


async def test_unexpected_answers_are_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("patient_visit_engine.cli.replay.request_sender.RESEND_PAUSE_SECONDS", 0.0)
    plan = plan_for(recorded(1))

    broken = await run_plan(plan, lambda _request: httpx.Response(500, text="oh"))
    silent = await run_plan(plan, lambda _request: httpx.Response(503))

    assert broken.errors == {"start 500 ": 1}
    assert silent.errors == {"never answered": 1}


def test_signs_tokens_with_secret_of_up(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    with pytest.raises(OperatorError, match="VISIT_JWT_SECRET"):
        find_secret(settings, "replay needs")
    (tmp_path / "jwt.secret").write_text(SECRET)

    headers = Tokens(settings, find_secret(settings, "replay needs"), {7: "Dr. Smith"}).doctor_headers(7)

    claims = jwt.decode(headers["Authorization"].removeprefix("Bearer "), SECRET, ["HS256"])
    assert claims["exp"] > time.time() + 3600
    assert {name: claims[name] for name in ("role", "doctor_id", "name")} == {
        "role": "doctor",
        "doctor_id": 7,
        "name": "Dr. Smith",
    }

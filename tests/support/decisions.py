"""Sends requests until they are decided, and checks that each had its effect once."""

from collections.abc import Awaitable, Callable

import httpx

from tests.support.engine import Engine
from tests.support.log_lines import wait_for_lines
from tests.support.waiting import wait_until_async


async def send_until_decided(send: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
    """Send again with the same key until there is a decision, as clients should do."""

    async def send_once() -> httpx.Response | None:
        try:
            answer = await send()
        except httpx.TransportError:
            return None
        return None if answer.status_code == 503 else answer

    return await wait_until_async(send_once, "the request is decided")


async def start_decided(
    engine: Engine, doctor_id: int, patient_id: int, appointment_id: int, key: str
) -> httpx.Response:
    """Start, and send again until there is a decision: the first answer after a restart can take longer than the timeout."""
    return await send_until_decided(lambda: engine.start(doctor_id, patient_id, appointment_id, key))


async def assert_started_once(engine: Engine, patient: int, answer: httpx.Response) -> None:
    """The answer is 201, and the patient has one tracking and one event of this start."""
    assert answer.status_code == 201
    rows = await engine.rows("SELECT * FROM patient_trackings WHERE patient_id = :p", p=patient)
    assert [(row["status"], row["consultation_id"]) for row in rows] == [("in_progress", answer.json()["id"])]
    assert len(await engine.events(patient, "consultation.started")) == 1


async def assert_can_be_completed(engine: Engine, patient: int, answer: httpx.Response) -> None:
    """Complete the started consultation twice: there is one answer and one event."""
    key = f"completion-of-{patient}"
    completed = await send_until_decided(lambda: engine.complete(1, answer.json()["id"], key))
    repeated = await engine.complete(1, answer.json()["id"], key)

    assert (completed.status_code, completed.json()["outcome"]) == (200, "done")
    assert repeated.json() == completed.json()
    assert len(await engine.events(patient, "consultation.completed")) == 1


async def assert_reason(engine: Engine, undecided: httpx.Response, reason: str) -> None:
    """The answer is `undecided`, and the API has logged it once, with its reason."""
    assert (undecided.status_code, undecided.json()["code"]) == (503, "undecided")
    request_id = undecided.headers["X-Request-ID"]
    lines = await wait_for_lines(engine.api.log, event="undecided", http_request_id=request_id)
    assert [line["reason"] for line in lines] == [reason]

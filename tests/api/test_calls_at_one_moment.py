"""Two calls at one moment, with two keys: both read what stands before either of them is decided."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.support.api import JOHN_CARDIOLOGY, ApiDriver

OF_JOHN, JOHN = f"/api/appointments/{JOHN_CARDIOLOGY.id}", f"/api/patients/{JOHN_CARDIOLOGY.patient_id}"
CHECK_IN, CHECK_OUT = ("POST", f"{OF_JOHN}/check-in"), ("POST", f"{OF_JOHN}/check-out")
CANCEL = ("POST", f"{OF_JOHN}/cancel")
#: What has happened before, and the call that is sent twice.
CALLS: dict[str, tuple[list[tuple[str, str]], tuple[str, str]]] = {
    "check-in": ([], CHECK_IN),
    "check-in taken back": ([CHECK_IN], ("DELETE", f"{OF_JOHN}/check-in")),
    "check-out": ([CHECK_IN], CHECK_OUT),
    "check-out taken back": ([CHECK_IN, CHECK_OUT], ("DELETE", f"{OF_JOHN}/check-out")),
    "cancellation": ([], CANCEL),
    "cancellation of a patient who has come": ([CHECK_IN], CANCEL),
    "cancellation taken back": ([CANCEL], ("DELETE", f"{OF_JOHN}/cancel")),
    "check-in of the patient": ([], ("POST", f"{JOHN}/check-in")),
    "check-in of the patient taken back": ([CHECK_IN], ("DELETE", f"{JOHN}/check-in")),
    "check-out of the patient": ([CHECK_IN], ("POST", f"{JOHN}/check-out")),
    "check-out of the patient taken back": ([CHECK_IN, CHECK_OUT], ("DELETE", f"{JOHN}/check-out")),
}


async def send(client: httpx.AsyncClient, call: tuple[str, str]) -> httpx.Response:
    body = {"reason": "patient"} if call == CANCEL else None
    return await client.request(*call, json=body)


def wait_until_both_have_read(api: ApiDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    """The visit gets the first command when the second one has been read too, and decides one after the other."""
    decide, both_have_read, turn = api.visits.send, asyncio.Event(), asyncio.Lock()
    waiting: list[int] = []

    async def send_in_turn(*arguments: Any, **options: Any) -> Any:
        waiting.append(len(waiting))
        if len(waiting) == 2:
            both_have_read.set()
        await both_have_read.wait()
        async with turn:
            return await decide(*arguments, **options)

    monkeypatch.setattr(api.visits, "send", send_in_turn)


@pytest.mark.parametrize("name", CALLS)
async def test_second_call_gets_the_answer_of_a_later_one(
    api: ApiDriver, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    reception = await api.staff("reception")
    before, call = CALLS[name]
    for earlier in before:
        assert (await send(reception, earlier)).is_success
    wait_until_both_have_read(api, monkeypatch)

    answers = await asyncio.gather(send(reception, call), send(reception, call))
    later = await send(reception, call)

    granted, second = sorted(answers, key=lambda answer: (not answer.is_success, -answer.status_code))
    assert granted.is_success
    assert (second.status_code, second.json().get("code")) == (later.status_code, later.json().get("code"))

"""A repeat that comes while its first sending is decided gets the kept answer, on PostgreSQL, where each read sees its own moment."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection, update
from sqlalchemy.util import await_only

from patient_visit_engine.api.commands import prepared_requests
from patient_visit_engine.api.routes import consultations
from patient_visit_engine.storage.tables import appointments
from tests.support.api import JOHN_DERMATOLOGY, ApiDriver, start_body
from tests.support.builders import DR_AMRANI, DR_OKAFOR
from tests.support.databases import database_on

database = database_on("postgres")
KEY = {"Idempotency-Key": "the-same-key"}


def _move_appointment(connection: Connection) -> None:
    is_moved = appointments.c.id == JOHN_DERMATOLOGY.id
    connection.execute(update(appointments).where(is_moved).values(doctor_id=DR_AMRANI.id))


async def test_repeat_gets_kept_answer_although_appointment_moved(
    api: ApiDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    okafor = await api.doctor(DR_OKAFOR.id)
    await (await api.doctor(DR_AMRANI.id)).post("/api/consultations", json=start_body())
    first_answers: list[httpx.Response] = []

    async def send_first_and_move() -> None:
        body = start_body(JOHN_DERMATOLOGY)
        first_answers.append(await okafor.post("/api/consultations", json=body, headers=KEY))
        await api.database.write(_move_appointment)

    _run_after_first_read(monkeypatch, send_first_and_move)
    repeated = await okafor.post("/api/consultations", json=start_body(JOHN_DERMATOLOGY), headers=KEY)

    [first] = first_answers
    assert (first.status_code, first.json()["code"]) == (409, "patient_in_consultation")
    assert (repeated.status_code, repeated.content) == (first.status_code, first.content)


def _run_after_first_read(monkeypatch: pytest.MonkeyPatch, action: Callable[[], Any]) -> None:
    """Run `action` between the two reads before a command is sent, in any order of them."""
    is_run = False

    def then_act(read: Callable[..., Any]) -> Callable[..., Any]:
        def read_and_act(*arguments: Any) -> Any:
            nonlocal is_run
            result = read(*arguments)
            if not is_run:
                is_run = True
                await_only(action())
            return result

        return read_and_act

    reads = ((prepared_requests, "find_request_and_time"), (consultations, "read_appointment_and_busy_doctor"))
    for module, name in reads:
        monkeypatch.setattr(module, name, then_act(getattr(module, name)))

"""A change that is asked for while the database is away or locked: `undecided` in time, and its key finds out afterwards."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any
from uuid import UUID

import httpx
import pytest

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.tables import patient_trackings
from patient_visit_engine.visit.commands import Command
from tests.support.api import JOHN_X_RAY, ApiDriver, ApiOpener, start_body
from tests.support.builders import DR_SMITH
from tests.support.ledger import column
from tests.support.locking import locked

PATIENCE_SECONDS = 1
# Far less than a writer waits for somebody's lock, or a connection for a server that says nothing.
IN_TIME_SECONDS = 5
KEY = {"Idempotency-Key": "bad-times"}


@pytest.fixture
async def api(open_api: ApiOpener) -> ApiDriver:
    """A api with little patience, where a doctor and a supervisor are known, and one X-ray runs."""
    opened: ApiDriver = await open_api(decision_timeout=PATIENCE_SECONDS)
    await (await opened.doctor(DR_SMITH.id)).post("/api/consultations", json=start_body(JOHN_X_RAY))
    return opened


@pytest.fixture(params=["nobody listens", "nobody answers"])
async def gone(request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    """The database as it is when its server is away."""
    speaking: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _reader, writer: speaking.append(writer), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1] if request.param == "nobody answers" else 1
    database = Database(f"postgresql+asyncpg://visit@127.0.0.1:{port}/visits")

    yield database

    await database.close()
    server.close()
    for writer in speaking:
        writer.close()


@contextmanager
def switched_off(api: ApiDriver, gone: Database) -> Iterator[None]:
    """The API's calls reach what is gone."""
    with pytest.MonkeyPatch.context() as patch:
        for call in ("read", "glance", "write"):
            patch.setattr(api.database, call, getattr(gone, call))
        yield


async def ask(who: httpx.AsyncClient, path: str, **sent: Any) -> httpx.Response:
    """The answer, in time."""
    began = monotonic()
    answer = await who.post(path, **sent)
    assert monotonic() - began < IN_TIME_SECONDS
    return answer


def assert_undecided(answer: httpx.Response) -> None:
    """It may still be carried out, and it is worth asking again."""
    assert (answer.status_code, answer.json()["code"]) == (503, "undecided")
    assert int(answer.headers["retry-after"]) >= 1


async def a_running_consultation(api: ApiDriver) -> str:
    """The id of Dr. Smith's X-ray."""
    trackings = await api.database.read(column, "patient_trackings", "consultation_id")
    return str(trackings[0])


async def test_a_start_while_the_database_is_away_is_undecided(api: ApiDriver, gone: Database) -> None:
    doctor = await api.doctor()

    with switched_off(api, gone):
        answer = await ask(doctor, "/api/consultations", json=start_body(), headers=KEY)

    assert_undecided(answer)
    assert (await doctor.post("/api/consultations", json=start_body(), headers=KEY)).status_code == 201


@pytest.mark.parametrize("gone", ["nobody listens"], indirect=True)
@pytest.mark.parametrize(
    ("role", "method", "path", "sent"),
    [
        ("anyone", "POST", "/api/session", {"username": "smith", "password": "stethoscope"}),
        ("doctor", "GET", "/api/appointments", None),
        ("doctor", "GET", "/api/board", None),
        ("doctor", "GET", "/api/patients/123/visit", None),
        ("doctor", "GET", "/api/patients/123/trackings", None),
        ("doctor", "GET", f"/api/consultations/{UUID(int=1)}", None),
        ("doctor", "GET", "/api/requests/bad-times", None),
        ("doctor", "POST", f"/api/consultations/{UUID(int=1)}/complete", None),
        ("doctor", "POST", f"/api/consultations/{UUID(int=1)}/extend", {"minutes": 5}),
        ("doctor", "POST", "/api/appointments/1/wait", None),
        ("doctor", "DELETE", "/api/appointments/1/wait", None),
        ("doctor", "PATCH", "/api/appointments/1/status", {"status": "confirmed"}),
        ("reception", "POST", "/api/appointments/1/check-in", None),
        ("reception", "POST", "/api/appointments/1/check-out", None),
        ("supervisor", "POST", f"/api/consultations/{UUID(int=1)}/release", {"reason": "forgotten"}),
        ("supervisor", "PUT", "/api/doctors/70", {"name": "Dr. New"}),
        ("supervisor", "GET", "/api/presence", None),
        ("anyone", "GET", "/readyz", None),
    ],
)
async def test_every_call_is_worth_asking_again_while_the_database_is_away(
    api: ApiDriver, gone: Database, role: str, method: str, path: str, sent: Any
) -> None:
    who = {"anyone": api.anyone, "doctor": api.doctor}.get(role)
    client = await (who() if who else api.staff(role))

    with switched_off(api, gone):
        answer = await client.request(method, path, json=sent)

    assert answer.status_code == 503, answer.text
    assert int(answer.headers["retry-after"]) >= 1


async def test_a_start_whose_database_goes_away_after_the_decision_is_undecided_and_was_carried_out_once(
    api: ApiDriver, gone: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    doctor = await api.doctor()
    decide = api.visits.send

    async def decide_and_lose(*command: Any) -> None:
        await decide(*command)
        for call in ("read", "glance", "write"):
            monkeypatch.setattr(api.database, call, getattr(gone, call))

    monkeypatch.setattr(api.visits, "send", decide_and_lose)

    answer = await ask(doctor, "/api/consultations", json=start_body(), headers=KEY)
    monkeypatch.undo()

    assert_undecided(answer)
    assert (await doctor.post("/api/consultations", json=start_body(), headers=KEY)).status_code == 201
    assert await api.count(patient_trackings) == 2


async def test_a_first_request_of_a_caller_is_undecided_while_nothing_can_be_written(api: ApiDriver) -> None:
    doctor = await api.doctor()

    async with locked(api.database):
        answer = await ask(doctor, "/api/consultations", json=start_body(), headers=KEY)

    assert_undecided(answer)
    assert (await doctor.post("/api/consultations", json=start_body(), headers=KEY)).status_code == 201


@pytest.mark.parametrize("prefer", [{}, {"Prefer": "respond-async"}], ids=["and waits", "and does not wait"])
async def test_a_completion_is_undecided_while_nothing_can_be_written(api: ApiDriver, prefer: dict[str, str]) -> None:
    doctor = await api.doctor(DR_SMITH.id)
    running = await a_running_consultation(api)
    path = f"/api/consultations/{running}/complete"

    async with locked(api.database):
        answer = await ask(doctor, path, headers=KEY | prefer)

    assert_undecided(answer)
    again = await doctor.post(path, headers=KEY)
    assert (again.status_code, again.json()["status"]) == (200, "completed")


async def test_a_release_is_undecided_while_nothing_can_be_written(api: ApiDriver) -> None:
    supervisor = await api.staff("supervisor")
    # Known by its first request: what is left to write is the reason.
    await supervisor.post(f"/api/consultations/{UUID(int=1)}/release", json={"reason": "mistaken"})
    path = f"/api/consultations/{await a_running_consultation(api)}/release"

    async with locked(api.database):
        answer = await ask(supervisor, path, json={"reason": "forgotten"}, headers=KEY)

    assert_undecided(answer)
    assert (await supervisor.post(path, json={"reason": "forgotten"}, headers=KEY)).status_code == 200

"""Changes while the database is unreachable or locked: `undecided` in time, and the same key gets the answer later."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from time import monotonic
from typing import Any
from uuid import UUID

import httpx
import pytest

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.tables import patient_trackings
from tests.support.api import JOHN_X_RAY, ApiDriver, ApiOpener, start_body
from tests.support.builders import DR_SMITH
from tests.support.databases import POSTGRES_LATER
from tests.support.ledger import column
from tests.support.locking import locked

TIMEOUT_SECONDS = 1
# Much less than a writer waits for a lock, or a connection for a silent server.
IN_TIME_SECONDS = 5
KEY = {"Idempotency-Key": "bad-times"}


@pytest.fixture
async def api(open_api: ApiOpener) -> ApiDriver:
    """An API with a short decision timeout, one registered caller, and one X-ray in progress."""
    opened = await open_api(decision_timeout=TIMEOUT_SECONDS)
    await (await opened.doctor(DR_SMITH.id)).post("/api/consultations", json=start_body(JOHN_X_RAY))
    return opened


@pytest.fixture(params=["connection refused", "server is silent"])
async def unreachable(request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    """A database with a server that cannot be reached."""
    connections: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _reader, writer: connections.append(writer), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1] if request.param == "server is silent" else 1
    database = Database(f"postgresql+asyncpg://visit@127.0.0.1:{port}/visits")

    yield database

    await database.close()
    server.close()
    for writer in connections:
        writer.close()


@contextmanager
def without_database(api: ApiDriver, unreachable: Database) -> Iterator[None]:
    """Redirects the API's database calls to the unreachable database."""
    with pytest.MonkeyPatch.context() as patch:
        for call in ("read", "read_inline", "write"):
            patch.setattr(api.database, call, getattr(unreachable, call))
        yield


async def post_in_time(client: httpx.AsyncClient, path: str, **arguments: Any) -> httpx.Response:
    """Send a POST request, and check that the answer comes in time."""
    started_at = monotonic()
    answer = await client.post(path, **arguments)
    assert monotonic() - started_at < IN_TIME_SECONDS
    return answer


def assert_undecided(answer: httpx.Response) -> None:
    """Check that the answer is `undecided` and says when to retry."""
    assert (answer.status_code, answer.json()["code"]) == (503, "undecided")
    assert int(answer.headers["retry-after"]) >= 1


async def id_of_x_ray(api: ApiDriver) -> str:
    """The id of the consultation in progress, Dr. Smith's X-ray."""
    trackings = await api.database.read(column, "patient_trackings", "consultation_id")
    return str(trackings[0])


@POSTGRES_LATER
async def test_start_is_undecided_without_database(api: ApiDriver, unreachable: Database) -> None:
    doctor = await api.doctor()

    with without_database(api, unreachable):
        answer = await post_in_time(doctor, "/api/consultations", json=start_body(), headers=KEY)

    assert_undecided(answer)
    assert (await doctor.post("/api/consultations", json=start_body(), headers=KEY)).status_code == 201


@POSTGRES_LATER
@pytest.mark.parametrize("unreachable", ["connection refused"], indirect=True)
@pytest.mark.parametrize(
    ("role", "method", "path", "body"),
    [
        ("anyone", "POST", "/api/session", {"username": "smith", "password": "stethoscope"}),
        ("doctor", "GET", "/api/appointments", None),
        ("doctor", "GET", "/api/board", None),
        ("doctor", "GET", "/api/patients/123", None),
        ("doctor", "GET", "/api/doctors", None),
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
        ("supervisor", "GET", "/api/reports/day", None),
        ("admin", "GET", "/api/accounts", None),
        ("admin", "POST", "/api/accounts", {"username": "a", "name": "A", "role": "admin"}),
        ("admin", "PATCH", "/api/accounts/1", {"active": False}),
        ("anyone", "GET", "/readyz", None),
    ],
)
async def test_calls_ask_for_retry_without_database(
    api: ApiDriver, unreachable: Database, role: str, method: str, path: str, body: Any
) -> None:
    clients: dict[str, Callable[[], Awaitable[httpx.AsyncClient]]] = {"anyone": api.anyone, "doctor": api.doctor}
    client = await clients.get(role, partial(api.staff, role))()

    with without_database(api, unreachable):
        answer = await client.request(method, path, json=body)

    assert answer.status_code == 503, answer.text
    assert int(answer.headers["retry-after"]) >= 1


@POSTGRES_LATER
async def test_start_counts_once_if_database_fails_later(
    api: ApiDriver, unreachable: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    doctor = await api.doctor()
    decide = api.visits.send

    async def decide_and_lose_database(*command: Any) -> None:
        await decide(*command)
        for call in ("read", "read_inline", "write"):
            monkeypatch.setattr(api.database, call, getattr(unreachable, call))

    monkeypatch.setattr(api.visits, "send", decide_and_lose_database)

    answer = await post_in_time(doctor, "/api/consultations", json=start_body(), headers=KEY)
    monkeypatch.undo()

    assert_undecided(answer)
    assert (await doctor.post("/api/consultations", json=start_body(), headers=KEY)).status_code == 201
    assert await api.count(patient_trackings) == 2


async def test_first_request_is_undecided_under_lock(api: ApiDriver) -> None:
    doctor = await api.doctor()

    async with locked(api.database):
        answer = await post_in_time(doctor, "/api/consultations", json=start_body(), headers=KEY)

    assert_undecided(answer)
    assert (await doctor.post("/api/consultations", json=start_body(), headers=KEY)).status_code == 201


@pytest.mark.parametrize("prefer", [{}, {"Prefer": "respond-async"}], ids=["synchronous", "asynchronous"])
async def test_completion_is_undecided_under_lock(api: ApiDriver, prefer: dict[str, str]) -> None:
    doctor = await api.doctor(DR_SMITH.id)
    consultation = await id_of_x_ray(api)
    path = f"/api/consultations/{consultation}/complete"

    async with locked(api.database):
        answer = await post_in_time(doctor, path, headers=KEY | prefer)

    assert_undecided(answer)
    again = await doctor.post(path, headers=KEY)
    assert (again.status_code, again.json()["status"]) == (200, "completed")


async def test_release_is_undecided_under_lock(api: ApiDriver) -> None:
    supervisor = await api.staff("supervisor")
    # The first request registers the caller. The second has only the reason to write.
    await supervisor.post(f"/api/consultations/{UUID(int=1)}/release", json={"reason": "mistaken"})
    path = f"/api/consultations/{await id_of_x_ray(api)}/release"

    async with locked(api.database):
        answer = await post_in_time(supervisor, path, json={"reason": "forgotten"}, headers=KEY)

    assert_undecided(answer)
    assert (await supervisor.post(path, json={"reason": "forgotten"}, headers=KEY)).status_code == 200

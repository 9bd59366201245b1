"""Sessions in memory: no statement for a signed-in person's request, and a session that was ended anywhere is refused in time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest

from patient_visit_engine.api.access import session_cache
from patient_visit_engine.api.access.session_cache import VERIFIED_FOR
from patient_visit_engine.api.app import create_app
from patient_visit_engine.api.gateway import Gateway
from patient_visit_engine.storage import account_changes, accounts, tables
from patient_visit_engine.storage.database import Database
from patient_visit_engine.visit.codes import Role
from tests.support.api import ApiDriver, start_body
from tests.support.builders import DR_AMRANI
from tests.support.passwords import WEAK_HASH
from tests.support.revoked_accounts import revoke_account
from tests.support.statements import recorded_statements

AMRANI = {"username": "amrani", "password": "correct horse"}


@pytest.fixture(autouse=True)
async def account(api: ApiDriver) -> None:
    """Dr. Amrani has an account."""
    hashed = WEAK_HASH.hash(AMRANI["password"])
    await api.database.write(accounts.add_account, "amrani", hashed, "Dr. Amrani", Role.doctor, DR_AMRANI.id)


@pytest.fixture
async def replica(api: ApiDriver) -> AsyncIterator[Gateway]:
    """A second API process on the same database."""
    database = Database(api.database.url.render_as_string(hide_password=False))
    app = create_app(api.settings, database, api.visits, api.visits, now=api.clock)
    yield app
    app.dependencies.sessions.close()
    app.dependencies.authentication.close()
    await database.close()


async def sign_in(api: ApiDriver) -> httpx.AsyncClient:
    """A signed-in client. Its session is cached."""
    client = await api.anyone()
    assert (await client.post("/api/session", json=AMRANI)).status_code == 204
    assert (await client.get("/api/session")).status_code == 200
    return client


async def status_at(app: Gateway, client: httpx.AsyncClient) -> int:
    """The status of a request of this person to this process."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://api", cookies=dict(client.cookies)) as other:
        return (await other.get("/api/session")).status_code


async def sign_out(_api: ApiDriver, client: httpx.AsyncClient) -> None:
    assert (await client.delete("/api/session")).status_code == 204


async def change_password(api: ApiDriver, _client: httpx.AsyncClient) -> None:
    assert await api.database.write(account_changes.change_password, "amrani", WEAK_HASH.hash("another"))


async def revoke(api: ApiDriver, _client: httpx.AsyncClient) -> None:
    assert await api.database.write(revoke_account, "amrani", api.clock())


async def revoke_by_hand(api: ApiDriver, _client: httpx.AsyncClient) -> None:
    await api.database.write(lambda c: c.execute(tables.accounts.update().values(revoked_at=api.clock())))


async def expire_by_hand(api: ApiDriver, _client: httpx.AsyncClient) -> None:
    await api.database.write(lambda c: c.execute(tables.sessions.update().values(expires_at=api.clock())))


End = Callable[[ApiDriver, httpx.AsyncClient], Awaitable[None]]
ENDS = [sign_out, change_password, revoke, revoke_by_hand, expire_by_hand]


async def test_cached_session_needs_no_statement(api: ApiDriver) -> None:
    doctor = await sign_in(api)

    with recorded_statements() as statements:
        answer = await doctor.get("/api/session")
        started = await doctor.post("/api/consultations", json=start_body())

    assert (answer.status_code, started.status_code) == (200, 201)
    assert [statement for statement in statements if "sessions" in statement] == []


@pytest.mark.parametrize("end", ENDS)
async def test_replica_refuses_ended_session_after_its_check(api: ApiDriver, replica: Gateway, end: End) -> None:
    doctor = await sign_in(api)
    before = await status_at(replica, doctor)
    cookies = httpx.Cookies(doctor.cookies)
    await end(api, doctor)
    doctor.cookies = cookies

    # Without a stream too: the check verifies every cached session.
    await replica.dependencies.sessions.find_open(())

    assert (before, await status_at(replica, doctor)) == (200, 401)


@pytest.mark.parametrize("end", ENDS)
async def test_replica_refuses_ended_session_in_time_without_check(api: ApiDriver, replica: Gateway, end: End) -> None:
    doctor = await sign_in(api)
    before = await status_at(replica, doctor)
    cookies = httpx.Cookies(doctor.cookies)
    await end(api, doctor)
    doctor.cookies = cookies

    api.clock.advance(seconds=VERIFIED_FOR.total_seconds())

    assert (before, await status_at(replica, doctor)) == (200, 401)


async def test_own_process_refuses_signed_out_session_at_once(api: ApiDriver) -> None:
    doctor = await sign_in(api)
    cookies = httpx.Cookies(doctor.cookies)
    await sign_out(api, doctor)
    doctor.cookies = cookies

    assert await status_at(api.app, doctor) == 401


async def test_read_before_sign_out_is_not_cached(api: ApiDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    doctor = await sign_in(api)
    api.clock.advance(seconds=VERIFIED_FOR.total_seconds())
    read_inline, has_read, may_answer = api.database.read_inline, asyncio.Event(), asyncio.Event()

    async def read_and_wait(*arguments: Any) -> Any:
        row = await read_inline(*arguments)
        has_read.set()
        await may_answer.wait()
        return row

    monkeypatch.setattr(api.database, "read_inline", read_and_wait)
    slow = asyncio.create_task(status_at(api.app, doctor))
    await has_read.wait()
    monkeypatch.undo()
    cookies = httpx.Cookies(doctor.cookies)
    await sign_out(api, doctor)
    doctor.cookies = cookies
    may_answer.set()

    assert (await slow, await status_at(api.app, doctor)) == (200, 401)


async def test_verified_session_stays_cached(api: ApiDriver) -> None:
    doctor = await sign_in(api)

    for _ in range(3):
        api.clock.advance(seconds=2)
        await api.app.dependencies.sessions.find_open(())
    with recorded_statements() as statements:
        answer = await doctor.get("/api/session")

    assert answer.status_code == 200
    assert statements == []


async def test_check_without_sessions_reads_nothing(api: ApiDriver) -> None:
    with recorded_statements() as statements:
        assert set(await api.app.dependencies.sessions.find_open(["token:a program"])) == {"token:a program"}

    assert statements == []


async def test_cached_session_expires(api: ApiDriver) -> None:
    doctor = await sign_in(api)
    api.clock.advance(hours=12, seconds=-1)
    before = await doctor.get("/api/session")

    api.clock.advance(seconds=1)

    assert (before.status_code, (await doctor.get("/api/session")).status_code) == (200, 401)


async def test_cache_is_bounded(api: ApiDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_cache, "MAX_CACHED_SESSIONS", 2)
    first, second = await sign_in(api), await sign_in(api)
    await first.get("/api/session")
    third = await sign_in(api)

    reads = []
    for client in (first, third, second):
        with recorded_statements() as statements:
            assert (await client.get("/api/session")).status_code == 200
        reads.append(sum("sessions" in statement for statement in statements))

    # The session that was not used for the longest time is read again.
    assert reads == [0, 0, 1]


@pytest.mark.parametrize("is_cached", [True, False])
async def test_command_without_database_asks_for_retry(
    api: ApiDriver, monkeypatch: pytest.MonkeyPatch, is_cached: bool
) -> None:
    doctor = await sign_in(api)
    if not is_cached:
        api.clock.advance(seconds=VERIFIED_FOR.total_seconds())

    async def fail(*_: Any) -> None:
        raise OSError

    for call in ("read", "read_inline", "write"):
        monkeypatch.setattr(api.database, call, fail)
    answer = await doctor.post("/api/consultations", json=start_body())

    assert (answer.status_code, answer.json()["code"]) == (503, "undecided" if is_cached else "unavailable")
    assert int(answer.headers["retry-after"]) >= 1

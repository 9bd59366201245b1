"""Changing the own password: other sessions end, and wrong old passwords count as guesses."""

import httpx
import pytest

from patient_visit_engine.api.access import passwords
from patient_visit_engine.storage import account_changes, accounts
from patient_visit_engine.visit.codes import Role
from tests.support.api import ApiDriver
from tests.support.passwords import WEAK_HASH

OLD, NEW = "correct horse", "battery staple"
CHANGE = {"old": OLD, "new": NEW}


@pytest.fixture(autouse=True)
async def account_of_admin(api: ApiDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "HASHER", WEAK_HASH)
    await api.database.write(accounts.add_account, "boss", WEAK_HASH.hash(OLD), "The Boss", Role.admin)


async def sign_in(api: ApiDriver, password: str = OLD) -> tuple[httpx.AsyncClient, int]:
    client = await api.anyone()
    answer = await client.post("/api/session", json={"username": "Boss", "password": password})
    return client, answer.status_code


async def test_change_ends_other_sessions_only(api: ApiDriver) -> None:
    (here, _), (elsewhere, _) = await sign_in(api), await sign_in(api)

    changed = await here.put("/api/session/password", json=CHANGE)

    assert (changed.status_code, changed.content) == (204, b"")
    # Sessions are cached for so long.
    api.clock.advance(seconds=5)
    assert [(await client.get("/api/session")).status_code for client in (here, elsewhere)] == [200, 401]
    assert [(await sign_in(api, password))[1] for password in (OLD, NEW)] == [401, 204]


async def test_wrong_old_passwords_are_throttled_as_guesses(api: ApiDriver) -> None:
    client, _ = await sign_in(api)

    answers = [await client.put("/api/session/password", json=CHANGE | {"old": "guess"}) for _ in range(6)]

    assert [answer.json()["code"] for answer in answers] == ["wrong_password"] * 5 + ["too_many_attempts"]
    assert [answer.status_code for answer in answers] == [403] * 5 + [429]
    assert (await sign_in(api))[1] == 429
    api.clock.advance(seconds=2)
    assert (await client.put("/api/session/password", json=CHANGE)).status_code == 204


async def test_refuses_short_password_and_bearer_token(api: ApiDriver) -> None:
    client, _ = await sign_in(api)
    before = await api.all_rows()

    short = await client.put("/api/session/password", json={"old": OLD, "new": "1234567"})
    program = await (await api.staff("admin")).put("/api/session/password", json=CHANGE)
    foreign = await client.put("/api/session/password", json=CHANGE, headers={"Sec-Fetch-Site": "cross-site"})

    assert (short.status_code, short.json()["errors"][0]["field"]) == (422, "new")
    assert "1234567" not in short.text
    assert (program.status_code, program.json()["code"]) == (403, "no_password")
    assert (foreign.status_code, foreign.json()["code"]) == (403, "cross_site")
    assert await api.all_rows() == before


async def test_newer_password_is_not_overwritten(api: ApiDriver) -> None:
    account = await api.database.read(accounts.find_account, "boss")
    assert account is not None
    await api.database.write(account_changes.change_password, "boss", WEAK_HASH.hash("set by an operator"))

    assert not await api.database.write(account_changes.change_own_password, account, WEAK_HASH.hash(NEW), "0" * 64)

    assert (await sign_in(api, "set by an operator"))[1] == 204

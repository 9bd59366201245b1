"""An admin lists, adds and changes staff accounts."""

import asyncio
from typing import Any

import httpx
import pytest
from pydantic import TypeAdapter

from patient_visit_engine.api.access import passwords
from patient_visit_engine.storage import accounts, tables
from patient_visit_engine.visit.codes import Role
from patient_visit_engine.wire import account_bodies
from tests.support.api import ApiDriver
from tests.support.builders import DR_AMRANI, DR_OKAFOR
from tests.support.passwords import WEAK_HASH

WEBER: dict[str, Any] = {"username": "Weber", "name": "Dr. Weber", "role": "doctor", "doctor_id": DR_AMRANI.id}


@pytest.fixture(autouse=True)
def weak_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "HASHER", WEAK_HASH)


async def add(api: ApiDriver, key: str = "first", **body: Any) -> httpx.Response:
    admin = await api.staff("admin")
    return await admin.post("/api/accounts", json=body, headers={"Idempotency-Key": key})


async def change(api: ApiDriver, account_id: int, key: str = "change", **body: Any) -> httpx.Response:
    admin = await api.staff("admin")
    return await admin.patch(f"/api/accounts/{account_id}", json=body, headers={"Idempotency-Key": key})


async def sign_in(api: ApiDriver, username: str, password: str) -> httpx.AsyncClient | None:
    client = await api.anyone()
    answer = await client.post("/api/session", json={"username": username, "password": password})
    return client if answer.status_code == 204 else None


async def test_drawn_password_is_only_in_first_answer(api: ApiDriver) -> None:
    added = await add(api, **WEBER)
    again = await add(api, **WEBER)

    TypeAdapter(account_bodies.AddedAccount).validate_json(added.content)
    account = added.json()
    password = account.pop("password")
    assert (added.status_code, again.status_code) == (201, 201)
    assert again.json() == account == {"id": 1, **WEBER, "active": True}
    assert added.headers["location"] == again.headers["location"] == "/api/accounts/1"
    assert await api.count(tables.accounts) == 1
    assert password not in str(await api.all_rows())
    client = await sign_in(api, "WEBER", password)
    assert client is not None
    user = (await client.get("/api/session")).json()
    assert (user["name"], user["role"], user["doctor_id"]) == ("Dr. Weber", "doctor", DR_AMRANI.id)


async def test_chosen_password_is_not_returned(api: ApiDriver) -> None:
    added = await add(api, **WEBER, password="stethoscope")

    assert (added.status_code, "password" in added.json()) == (201, False)
    assert await sign_in(api, "weber", "stethoscope") is not None
    assert "stethoscope" not in str(await api.all_rows())
    reused = await add(api, **(WEBER | {"name": "Dr. W."}), password="stethoscope")
    assert (reused.status_code, reused.json()["code"]) == (422, "idempotency_key_reused")


async def test_two_presses_add_one_account(api: ApiDriver) -> None:
    answers = await asyncio.gather(*(add(api, **WEBER) for _ in range(3)))

    assert [answer.status_code for answer in answers] == [201] * 3
    assert sum("password" in answer.json() for answer in answers) == 1
    assert await api.count(tables.accounts) == 1


async def test_used_name_is_refused_and_kept(api: ApiDriver) -> None:
    await add(api, **WEBER)

    taken = await add(api, "second", username="WEBER", name="Other", role="reception")
    await api.database.write(lambda c: c.execute(tables.accounts.update().values(username="x", login="x")))
    again = await add(api, "second", username="WEBER", name="Other", role="reception")

    assert (taken.status_code, taken.json()["code"]) == (409, "username_taken")
    assert taken.headers["content-type"] == again.headers["content-type"] == "application/problem+json"
    assert again.content == taken.content


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"role": "doctor", "doctor_id": None}, "doctor_mismatch"),
        ({"role": "admin"}, "doctor_mismatch"),
        ({"doctor_id": 999}, "unknown_reference"),
        ({"password": "1234567"}, "invalid"),
        ({"role": "wall"}, "doctor_mismatch"),
        ({"role": "nurse"}, "invalid"),
    ],
)
async def test_wrong_account_leaves_key_open(api: ApiDriver, body: dict[str, Any], code: str) -> None:
    before = await api.all_rows()

    refused = await add(api, **(WEBER | body))

    assert (refused.status_code, refused.json()["code"]) == (422, code)
    assert await api.all_rows() == before
    assert (await add(api, **WEBER)).status_code == 201


async def test_change_ends_sessions_and_is_kept(api: ApiDriver) -> None:
    await add(api, **WEBER, password="stethoscope")
    client = await sign_in(api, "weber", "stethoscope")
    assert client is not None

    renamed = await change(api, 1, "k1", name="Dr. Eva Weber")
    assert (await client.get("/api/session")).status_code == 200
    moved = await change(api, 1, "k2", doctor_id=DR_OKAFOR.id)
    demoted = await change(api, 1, "k3", role="reception")
    revoked = await change(api, 1, "k4", active=False)

    assert [answer.status_code for answer in (renamed, moved, demoted, revoked)] == [200] * 4
    assert moved.json()["doctor_id"] == DR_OKAFOR.id
    assert revoked.json() == WEBER | {
        "id": 1,
        "name": "Dr. Eva Weber",
        "role": "reception",
        "doctor_id": None,
        "active": False,
    }
    assert (await change(api, 1, "k3", role="reception")).content == demoted.content
    api.clock.advance(seconds=5)
    assert (await client.get("/api/session")).status_code == 401
    assert await sign_in(api, "weber", "stethoscope") is None
    assert (await change(api, 1, "k5", active=True)).json()["active"] is True
    assert await sign_in(api, "weber", "stethoscope") is not None


async def test_last_admin_stays(api: ApiDriver) -> None:
    await add(api, username="boss", name="Boss", role="admin")

    answers = [await change(api, 1, "k1", active=False), await change(api, 1, "k2", role="supervisor")]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(409, "last_admin")] * 2
    assert (await change(api, 1, "k3", name="The Boss")).status_code == 200
    await add(api, "other", username="deputy", name="Deputy", role="admin")
    # A refusal is a decision, so its key keeps it.
    assert (await change(api, 1, "k1", active=False)).status_code == 409
    assert (await change(api, 1, "k4", active=False)).status_code == 200


async def test_lists_accounts_by_pages(api: ApiDriver) -> None:
    for name in ("ben", "Ann", "cleo"):
        await api.database.write(accounts.add_account, name, "hash", name.upper(), Role.reception)
    admin = await api.staff("admin")

    pages = [(await admin.get("/api/accounts", params={"page": page, "page_size": 2})) for page in (1, 2, 3)]

    TypeAdapter(account_bodies.Accounts).validate_json(pages[0].content)
    assert [[item["username"] for item in page.json()["items"]] for page in pages] == [["Ann", "ben"], ["cleo"], []]
    assert {page.json()["total"] for page in pages} == {3}
    assert "hash" not in "".join(page.text for page in pages)
    assert (await admin.get("/api/accounts/1")).json()["name"] == "BEN"

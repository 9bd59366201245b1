"""Sign-in by password: cookies, expiry, cross-site requests and guessed passwords."""

from datetime import timedelta
from http.cookies import SimpleCookie

import httpx
import pytest

from patient_visit_engine.storage import account_changes, accounts, tables
from patient_visit_engine.storage.tables import sessions
from patient_visit_engine.visit.calendar import to_rfc3339
from patient_visit_engine.visit.codes import Role
from tests.support.api import ApiDriver, start_body
from tests.support.builders import DR_AMRANI, NOON
from tests.support.databases import LATER_ON_POSTGRES, ON_SQLITE, database_on
from tests.support.passwords import WEAK_HASH
from tests.support.revoked_accounts import revoke_account

database = database_on("sqlite", LATER_ON_POSTGRES)

AMRANI = {"username": "amrani", "password": "correct horse"}


@pytest.fixture(autouse=True)
async def accounts_of_staff(api: ApiDriver) -> None:
    """Dr. Amrani and a receptionist have accounts."""
    hashed = WEAK_HASH.hash(AMRANI["password"])
    await api.database.write(accounts.add_account, "amrani", hashed, "Dr. Amrani", Role.doctor, DR_AMRANI.id)
    await api.database.write(accounts.add_account, "desk", hashed, "Desk", Role.reception)


async def sign_in(api: ApiDriver, **headers: str) -> httpx.AsyncClient:
    client = await api.anyone(**headers)
    assert (await client.post("/api/session", json=AMRANI)).status_code == 204
    return client


async def test_doctor_signs_in_works_and_signs_out(api: ApiDriver) -> None:
    doctor = await sign_in(api)

    user = await doctor.get("/api/session")
    started = await doctor.post("/api/consultations", json=start_body())
    cookies = dict(doctor.cookies)
    signed_out = await doctor.delete("/api/session")

    assert user.json() == {
        "user_id": "1",
        "name": "Dr. Amrani",
        "role": "doctor",
        "doctor_id": 7,
        "timezone": "Europe/Paris",
        "day_starts": "04:00",
        "doctor_busy": "warn",
        "expires_at": to_rfc3339(NOON + timedelta(hours=12)),
    }
    assert started.status_code == 201
    assert (signed_out.status_code, signed_out.content) == (204, b"")
    thief = await api.anyone(Cookie=f"visit_session={cookies['visit_session']}")
    assert (await thief.get("/api/session")).json()["code"] == "not_signed_in"


async def test_cookie_is_http_only_and_not_stored(api: ApiDriver) -> None:
    plain = await (await api.anyone()).post("/api/session", json=AMRANI)
    secure = await (await api.anyone(base_url="https://api")).post("/api/session", json=AMRANI)

    cookie = SimpleCookie(plain.headers["set-cookie"])["visit_session"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "lax", "/")
    assert (cookie["secure"], cookie["max-age"]) == ("", str(12 * 3600))
    assert SimpleCookie(secure.headers["set-cookie"])["visit_session"]["secure"] is True
    assert len(cookie.value) >= 43
    assert cookie.value not in str(await api.all_rows())


async def test_session_ends_after_twelve_hours(api: ApiDriver) -> None:
    doctor = await sign_in(api)
    api.clock.advance(hours=12, seconds=-1)

    before = await doctor.get("/api/session")
    api.clock.advance(seconds=1)
    after = await doctor.get("/api/session")

    assert (before.status_code, after.status_code) == (200, 401)


async def test_stored_session_of_revoked_account_fails(api: ApiDriver) -> None:
    doctor = await sign_in(api)
    await api.database.write(lambda c: c.execute(tables.accounts.update().values(revoked_at=api.clock())))

    assert (await doctor.get("/api/session")).status_code == 401
    assert await api.count(sessions) == 1


@pytest.mark.parametrize("how", ["revoked", "new password"])
async def test_changing_account_ends_its_sessions(api: ApiDriver, how: str) -> None:
    doctor = await sign_in(api)

    if how == "revoked":
        await api.database.write(revoke_account, "amrani", api.clock())
    else:
        await api.database.write(account_changes.change_password, "amrani", WEAK_HASH.hash("another"))

    assert (await doctor.get("/api/session")).status_code == 401
    assert (await (await api.anyone()).post("/api/session", json=AMRANI)).json()["code"] == "bad_credentials"


async def test_revoked_account_gets_no_new_session(api: ApiDriver) -> None:
    account = await api.database.read(accounts.find_account, "amrani")
    assert account is not None
    await api.database.write(revoke_account, "amrani", api.clock())

    now = api.clock()
    opened = await api.database.write(
        accounts.open_session, account, "0" * 64, "a place", now, now + timedelta(hours=1)
    )

    assert not opened
    assert await api.count(sessions) == 0


async def test_unknown_name_looks_like_wrong_password(api: ApiDriver) -> None:
    anyone = await api.anyone()

    wrong = await anyone.post("/api/session", json=AMRANI | {"password": "guess"})
    unknown = await anyone.post("/api/session", json=AMRANI | {"username": "nobody"})

    assert (wrong.status_code, wrong.json()["code"]) == (401, "bad_credentials")
    assert wrong.content == unknown.content
    assert await api.count(sessions) == 0


FOREIGN = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://api:8080"},
    {"Origin": "http://api.evil.example"},
    {"Origin": "garbage"},
    {"Origin": "http://[::1"},
]
OWN = [
    {},
    {"Origin": "http://api"},
    {"Origin": "http://api:80"},
    # Behind a proxy that terminates TLS, the browser uses https and the API sees http.
    {"Origin": "https://api"},
    {"Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "http://proxied"},
    {"Sec-Fetch-Site": "none"},
]


@ON_SQLITE
@pytest.mark.parametrize("headers", FOREIGN)
async def test_refuses_changes_from_another_site(api: ApiDriver, headers: dict[str, str]) -> None:
    doctor = await sign_in(api)
    before = await api.all_rows()

    start = await doctor.post("/api/consultations", json=start_body(), headers=headers)
    signed_in = await doctor.post("/api/session", json=AMRANI, headers=headers)
    signed_out = await doctor.delete("/api/session", headers=headers)
    read = await doctor.get("/api/session", headers=headers)

    assert [answer.json()["code"] for answer in (start, signed_in, signed_out)] == ["cross_site"] * 3
    assert [answer.status_code for answer in (start, signed_in, signed_out, read)] == [403, 403, 403, 200]
    assert await api.all_rows() == before


@ON_SQLITE
@pytest.mark.parametrize("headers", OWN)
async def test_accepts_requests_of_own_page(api: ApiDriver, headers: dict[str, str]) -> None:
    doctor = await sign_in(api)

    assert (await doctor.post("/api/consultations", json=start_body(), headers=headers)).status_code == 201


async def test_accepts_program_from_any_site(api: ApiDriver) -> None:
    program = await api.doctor()

    answer = await program.post("/api/consultations", json=start_body(), headers=FOREIGN[0])

    assert answer.status_code == 201


@ON_SQLITE
@pytest.mark.parametrize("cookie", ["", "x", "\u00e9" * 40, "x" * 5000, '"', "a=b"])
async def test_refuses_invented_cookie(api: ApiDriver, cookie: str) -> None:
    anyone = await api.anyone()

    answer = await anyone.get("/api/session", headers=[(b"Cookie", f"visit_session={cookie}".encode())])

    assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in")


async def test_finds_sessions_that_are_still_open(api: ApiDriver) -> None:
    await sign_in(api)
    hashes = await api.database.read(
        lambda c: set(c.scalars(sessions.select().with_only_columns(sessions.c.token_hash)))
    )

    open_sessions = await api.app.dependencies.sessions.find_open([*hashes, "0" * 64, "token:a program"])

    assert set(open_sessions) == {*hashes, "token:a program"}

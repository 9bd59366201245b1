"""Signing in by password: cookies, their end, other sites, and those who guess."""

import asyncio
from datetime import timedelta
from http.cookies import SimpleCookie

import httpx
import pytest
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from patient_visit_engine.storage import accounts, tables
from patient_visit_engine.storage.tables import sessions, sign_in_failures
from patient_visit_engine.visit.codes import Role
from tests.support.api import ApiDriver, start_body
from tests.support.builders import DR_AMRANI

# As weak as it goes: what is tested is who may come in, not how long a guess takes.
CHEAP = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),))
AMRANI = {"username": "amrani", "password": "correct horse"}


@pytest.fixture(autouse=True)
async def staffed(api: ApiDriver) -> None:
    """Dr. Amrani and a receptionist have accounts."""
    hashed = CHEAP.hash(AMRANI["password"])
    await api.database.write(accounts.add_account, "amrani", hashed, "Dr. Amrani", Role.doctor, DR_AMRANI.id)
    await api.database.write(accounts.add_account, "desk", hashed, "Desk", Role.reception)


async def signed_in(api: ApiDriver, **headers: str) -> httpx.AsyncClient:
    client = await api.anyone(**headers)
    assert (await client.post("/api/session", json=AMRANI)).status_code == 204
    return client


async def test_a_doctor_signs_in_works_and_signs_out(api: ApiDriver) -> None:
    doctor = await signed_in(api)

    who = await doctor.get("/api/session")
    begun = await doctor.post("/api/consultations", json=start_body())
    cookies = dict(doctor.cookies)
    out = await doctor.delete("/api/session")

    assert who.json() == {
        "user_id": "1",
        "name": "Dr. Amrani",
        "role": "doctor",
        "doctor_id": 7,
        "timezone": "Europe/Paris",
    }
    assert begun.status_code == 201
    assert (out.status_code, out.content) == (204, b"")
    stolen = await api.anyone(Cookie=f"visit_session={cookies['visit_session']}")
    assert (await stolen.get("/api/session")).json()["code"] == "not_signed_in"


async def test_the_cookie_is_out_of_reach_and_not_what_is_stored(api: ApiDriver) -> None:
    plain = await (await api.anyone()).post("/api/session", json=AMRANI)
    secure = await (await api.anyone(base_url="https://api")).post("/api/session", json=AMRANI)

    cookie = SimpleCookie(plain.headers["set-cookie"])["visit_session"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "lax", "/")
    assert (cookie["secure"], cookie["max-age"]) == ("", str(12 * 3600))
    assert SimpleCookie(secure.headers["set-cookie"])["visit_session"]["secure"] is True
    assert len(cookie.value) >= 43
    assert cookie.value not in str(await api.all_rows())


async def test_a_session_ends_after_twelve_hours(api: ApiDriver) -> None:
    doctor = await signed_in(api)
    api.clock.pass_by(hours=12, seconds=-1)

    last = await doctor.get("/api/session")
    api.clock.pass_by(seconds=1)
    late = await doctor.get("/api/session")

    assert (last.status_code, late.status_code) == (200, 401)


async def test_a_revoked_account_has_no_session_whatever_is_still_stored(api: ApiDriver) -> None:
    doctor = await signed_in(api)
    await api.database.write(lambda c: c.execute(tables.accounts.update().values(revoked_at=api.clock())))

    assert (await doctor.get("/api/session")).status_code == 401
    assert await api.count(sessions) == 1


@pytest.mark.parametrize("how", ["revoked", "new password"])
async def test_an_account_that_was_closed_or_changed_loses_its_sessions(api: ApiDriver, how: str) -> None:
    doctor = await signed_in(api)

    if how == "revoked":
        await api.database.write(accounts.revoke, "amrani", api.clock())
    else:
        await api.database.write(accounts.change_password, "amrani", CHEAP.hash("another"))

    assert (await doctor.get("/api/session")).status_code == 401
    assert (await (await api.anyone()).post("/api/session", json=AMRANI)).json()["code"] == "bad_credentials"


async def test_an_account_revoked_while_its_password_is_checked_gets_no_session(api: ApiDriver) -> None:
    account = await api.database.read(accounts.account_named, "amrani")
    assert account is not None
    await api.database.write(accounts.revoke, "amrani", api.clock())

    now = api.clock()
    opened = await api.database.write(accounts.open_session, account, "0" * 64, now, now + timedelta(hours=1))

    assert not opened
    assert await api.count(sessions) == 0


async def test_an_unknown_name_and_a_wrong_password_are_answered_alike(api: ApiDriver) -> None:
    anyone = await api.anyone()

    wrong = await anyone.post("/api/session", json=AMRANI | {"password": "guess"})
    unknown = await anyone.post("/api/session", json=AMRANI | {"username": "nobody"})

    assert (wrong.status_code, wrong.json()["code"]) == (401, "bad_credentials")
    assert wrong.content == unknown.content
    assert await api.count(sessions) == 0


async def test_the_sixth_guess_in_five_minutes_is_not_heard_even_if_right(api: ApiDriver) -> None:
    anyone = await api.anyone()
    guess = AMRANI | {"password": "guess"}
    for _ in range(5):
        assert (await anyone.post("/api/session", json=guess)).status_code == 401
        api.clock.pass_by(seconds=10)

    sixth = await anyone.post("/api/session", json=AMRANI)

    assert (sixth.status_code, sixth.json()["code"]) == (429, "too_many_attempts")
    assert sixth.headers["retry-after"] == "250"
    api.clock.pass_by(seconds=250)
    assert (await anyone.post("/api/session", json=AMRANI)).status_code == 204
    assert await api.count(sign_in_failures) == 0


async def test_twenty_guesses_at_once_are_counted_before_they_are_judged(api: ApiDriver) -> None:
    anyone = await api.anyone()
    guess = AMRANI | {"password": "guess"}

    answers = await asyncio.gather(*(anyone.post("/api/session", json=guess) for _ in range(20)))

    assert sorted(one.status_code for one in answers) == [401] * 5 + [429] * 15


async def test_one_who_guesses_does_not_lock_others_out(api: ApiDriver) -> None:
    anyone = await api.anyone()
    for _ in range(6):
        await anyone.post("/api/session", json=AMRANI | {"password": "guess"})

    other_name = await anyone.post("/api/session", json=AMRANI | {"username": "desk"})
    elsewhere = httpx.ASGITransport(api.app, client=("10.1.2.3", 1234))
    async with httpx.AsyncClient(transport=elsewhere, base_url="http://api") as from_elsewhere:
        other_address = await from_elsewhere.post("/api/session", json=AMRANI)

    assert (other_name.status_code, other_address.status_code) == (204, 204)


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
OURS = [
    {},
    {"Origin": "http://api"},
    {"Origin": "http://api:80"},
    # Behind a proxy that ends TLS the browser sees another scheme than we do.
    {"Origin": "https://api"},
    {"Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "http://proxied"},
    {"Sec-Fetch-Site": "none"},
]


@pytest.mark.parametrize("headers", FOREIGN)
async def test_another_site_changes_nothing(api: ApiDriver, headers: dict[str, str]) -> None:
    doctor = await signed_in(api)
    before = await api.all_rows()

    start = await doctor.post("/api/consultations", json=start_body(), headers=headers)
    sign_in = await doctor.post("/api/session", json=AMRANI, headers=headers)
    sign_out = await doctor.delete("/api/session", headers=headers)
    look = await doctor.get("/api/session", headers=headers)

    assert [one.json()["code"] for one in (start, sign_in, sign_out)] == ["cross_site"] * 3
    assert [one.status_code for one in (start, sign_in, sign_out, look)] == [403, 403, 403, 200]
    assert await api.all_rows() == before


@pytest.mark.parametrize("headers", OURS)
async def test_our_own_page_may(api: ApiDriver, headers: dict[str, str]) -> None:
    doctor = await signed_in(api)

    assert (await doctor.post("/api/consultations", json=start_body(), headers=headers)).status_code == 201


async def test_a_program_may_from_anywhere(api: ApiDriver) -> None:
    program = await api.doctor()

    answer = await program.post("/api/consultations", json=start_body(), headers=FOREIGN[0])

    assert answer.status_code == 201


@pytest.mark.parametrize("cookie", ["", "x", "\u00e9" * 40, "x" * 5000, '"', "a=b"])
async def test_a_made_up_cookie_opens_nothing(api: ApiDriver, cookie: str) -> None:
    anyone = await api.anyone()

    answer = await anyone.get("/api/session", headers=[(b"Cookie", f"visit_session={cookie}".encode())])

    assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in")


async def test_sessions_that_hold_are_told_from_those_that_ended(api: ApiDriver) -> None:
    await signed_in(api)
    hashes = await api.database.read(
        lambda c: set(c.scalars(sessions.select().with_only_columns(sessions.c.token_hash)))
    )

    holding = await api.app.parts.sessions.still_open([*hashes, "0" * 64, "token:a program"])

    assert set(holding) == {*hashes, "token:a program"}

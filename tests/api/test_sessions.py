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
from tests.api.conftest import Clinic, a_start
from tests.support.builders import DR_AMRANI

# As weak as it goes: what is tested is who may come in, not how long a guess takes.
CHEAP = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),))
AMRANI = {"username": "amrani", "password": "correct horse"}


@pytest.fixture(autouse=True)
async def staffed(clinic: Clinic) -> None:
    """Dr. Amrani and a receptionist have accounts."""
    hashed = CHEAP.hash(AMRANI["password"])
    await clinic.database.write(accounts.add_account, "amrani", hashed, "Dr. Amrani", Role.doctor, DR_AMRANI.id)
    await clinic.database.write(accounts.add_account, "desk", hashed, "Desk", Role.reception)


async def signed_in(clinic: Clinic, **headers: str) -> httpx.AsyncClient:
    client = await clinic.anyone(**headers)
    assert (await client.post("/api/session", json=AMRANI)).status_code == 204
    return client


async def test_a_doctor_signs_in_works_and_signs_out(clinic: Clinic) -> None:
    doctor = await signed_in(clinic)

    who = await doctor.get("/api/session")
    begun = await doctor.post("/api/consultations", json=a_start())
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
    stolen = await clinic.anyone(Cookie=f"visit_session={cookies['visit_session']}")
    assert (await stolen.get("/api/session")).json()["code"] == "not_signed_in"


async def test_the_cookie_is_out_of_reach_and_not_what_is_stored(clinic: Clinic) -> None:
    plain = await (await clinic.anyone()).post("/api/session", json=AMRANI)
    secure = await (await clinic.anyone(base_url="https://clinic")).post("/api/session", json=AMRANI)

    cookie = SimpleCookie(plain.headers["set-cookie"])["visit_session"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "lax", "/")
    assert (cookie["secure"], cookie["max-age"]) == ("", str(12 * 3600))
    assert SimpleCookie(secure.headers["set-cookie"])["visit_session"]["secure"] is True
    assert len(cookie.value) >= 43
    assert cookie.value not in str(await clinic.everything())


async def test_a_session_ends_after_twelve_hours(clinic: Clinic) -> None:
    doctor = await signed_in(clinic)
    clinic.clock.pass_by(hours=12, seconds=-1)

    last = await doctor.get("/api/session")
    clinic.clock.pass_by(seconds=1)
    late = await doctor.get("/api/session")

    assert (last.status_code, late.status_code) == (200, 401)


async def test_a_revoked_account_has_no_session_whatever_is_still_stored(clinic: Clinic) -> None:
    doctor = await signed_in(clinic)
    await clinic.database.write(lambda c: c.execute(tables.accounts.update().values(revoked_at=clinic.clock())))

    assert (await doctor.get("/api/session")).status_code == 401
    assert await clinic.count(sessions) == 1


@pytest.mark.parametrize("how", ["revoked", "new password"])
async def test_an_account_that_was_closed_or_changed_loses_its_sessions(clinic: Clinic, how: str) -> None:
    doctor = await signed_in(clinic)

    if how == "revoked":
        await clinic.database.write(accounts.revoke, "amrani", clinic.clock())
    else:
        await clinic.database.write(accounts.change_password, "amrani", CHEAP.hash("another"))

    assert (await doctor.get("/api/session")).status_code == 401
    assert (await (await clinic.anyone()).post("/api/session", json=AMRANI)).json()["code"] == "bad_credentials"


async def test_an_account_revoked_while_its_password_is_checked_gets_no_session(clinic: Clinic) -> None:
    account = await clinic.database.read(accounts.account_named, "amrani")
    assert account is not None
    await clinic.database.write(accounts.revoke, "amrani", clinic.clock())

    now = clinic.clock()
    opened = await clinic.database.write(accounts.open_session, account, "0" * 64, now, now + timedelta(hours=1))

    assert not opened
    assert await clinic.count(sessions) == 0


async def test_an_unknown_name_and_a_wrong_password_are_answered_alike(clinic: Clinic) -> None:
    anyone = await clinic.anyone()

    wrong = await anyone.post("/api/session", json=AMRANI | {"password": "guess"})
    unknown = await anyone.post("/api/session", json=AMRANI | {"username": "nobody"})

    assert (wrong.status_code, wrong.json()["code"]) == (401, "bad_credentials")
    assert wrong.content == unknown.content
    assert await clinic.count(sessions) == 0


async def test_the_sixth_guess_in_five_minutes_is_not_heard_even_if_right(clinic: Clinic) -> None:
    anyone = await clinic.anyone()
    guess = AMRANI | {"password": "guess"}
    for _ in range(5):
        assert (await anyone.post("/api/session", json=guess)).status_code == 401
        clinic.clock.pass_by(seconds=10)

    sixth = await anyone.post("/api/session", json=AMRANI)

    assert (sixth.status_code, sixth.json()["code"]) == (429, "too_many_attempts")
    assert sixth.headers["retry-after"] == "250"
    clinic.clock.pass_by(seconds=250)
    assert (await anyone.post("/api/session", json=AMRANI)).status_code == 204
    assert await clinic.count(sign_in_failures) == 0


async def test_twenty_guesses_at_once_are_counted_before_they_are_judged(clinic: Clinic) -> None:
    anyone = await clinic.anyone()
    guess = AMRANI | {"password": "guess"}

    answers = await asyncio.gather(*(anyone.post("/api/session", json=guess) for _ in range(20)))

    assert sorted(one.status_code for one in answers) == [401] * 5 + [429] * 15


async def test_one_who_guesses_does_not_lock_others_out(clinic: Clinic) -> None:
    anyone = await clinic.anyone()
    for _ in range(6):
        await anyone.post("/api/session", json=AMRANI | {"password": "guess"})

    other_name = await anyone.post("/api/session", json=AMRANI | {"username": "desk"})
    elsewhere = httpx.ASGITransport(clinic.app, client=("10.1.2.3", 1234))
    async with httpx.AsyncClient(transport=elsewhere, base_url="http://clinic") as from_elsewhere:
        other_address = await from_elsewhere.post("/api/session", json=AMRANI)

    assert (other_name.status_code, other_address.status_code) == (204, 204)


FOREIGN = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://clinic:8080"},
    {"Origin": "http://clinic.evil.example"},
    {"Origin": "garbage"},
    {"Origin": "http://[::1"},
]
OURS = [
    {},
    {"Origin": "http://clinic"},
    {"Origin": "http://clinic:80"},
    # Behind a proxy that ends TLS the browser sees another scheme than we do.
    {"Origin": "https://clinic"},
    {"Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "http://proxied"},
    {"Sec-Fetch-Site": "none"},
]


@pytest.mark.parametrize("headers", FOREIGN)
async def test_another_site_changes_nothing(clinic: Clinic, headers: dict[str, str]) -> None:
    doctor = await signed_in(clinic)
    before = await clinic.everything()

    start = await doctor.post("/api/consultations", json=a_start(), headers=headers)
    sign_in = await doctor.post("/api/session", json=AMRANI, headers=headers)
    sign_out = await doctor.delete("/api/session", headers=headers)
    look = await doctor.get("/api/session", headers=headers)

    assert [one.json()["code"] for one in (start, sign_in, sign_out)] == ["cross_site"] * 3
    assert [one.status_code for one in (start, sign_in, sign_out, look)] == [403, 403, 403, 200]
    assert await clinic.everything() == before


@pytest.mark.parametrize("headers", OURS)
async def test_our_own_page_may(clinic: Clinic, headers: dict[str, str]) -> None:
    doctor = await signed_in(clinic)

    assert (await doctor.post("/api/consultations", json=a_start(), headers=headers)).status_code == 201


async def test_a_program_may_from_anywhere(clinic: Clinic) -> None:
    program = await clinic.doctor()

    answer = await program.post("/api/consultations", json=a_start(), headers=FOREIGN[0])

    assert answer.status_code == 201


@pytest.mark.parametrize("cookie", ["", "x", "\u00e9" * 40, "x" * 5000, '"', "a=b"])
async def test_a_made_up_cookie_opens_nothing(clinic: Clinic, cookie: str) -> None:
    anyone = await clinic.anyone()

    answer = await anyone.get("/api/session", headers=[(b"Cookie", f"visit_session={cookie}".encode())])

    assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in")


async def test_sessions_that_hold_are_told_from_those_that_ended(clinic: Clinic) -> None:
    await signed_in(clinic)
    hashes = await clinic.database.read(
        lambda c: set(c.scalars(sessions.select().with_only_columns(sessions.c.token_hash)))
    )

    holding = await clinic.app.parts.sessions.still_open([*hashes, "0" * 64, "token:a program"])

    assert set(holding) == {*hashes, "token:a program"}

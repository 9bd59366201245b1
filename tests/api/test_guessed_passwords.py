"""Guessed passwords: what is throttled, for whom, and who stays able to sign in."""

import asyncio
import re
from collections import Counter
from typing import Any
from unittest.mock import patch

import httpx
import pytest
import structlog

from patient_visit_engine.api.access import passwords
from patient_visit_engine.api.access.known_places import KnownPlaces
from patient_visit_engine.api.access.sign_in_budget import LIMITS, Budget
from patient_visit_engine.storage import accounts, sign_in_places
from patient_visit_engine.storage.tables import metadata
from patient_visit_engine.storage.tables import sign_in_places as places_table
from patient_visit_engine.visit.codes import Role
from tests.support.api import ApiDriver
from tests.support.databases import database_on
from tests.support.pages import DOCS, rows
from tests.support.passwords import WEAK_HASH
from tests.support.revoked_accounts import revoke_account
from tests.support.statements import recorded_statements

PASSWORD = "correct horse"
DESK, WARD, ATTACKER = "10.0.0.1", "10.0.0.2", "203.0.113.9"


database = database_on("sqlite")


@pytest.fixture(autouse=True)
async def accounts_of_staff(api: ApiDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight receptionists have accounts: `desk-1` to `desk-8`. No hash takes long, also not that of an unknown name."""
    monkeypatch.setattr(passwords, "HASHER", WEAK_HASH)
    hashed = WEAK_HASH.hash(PASSWORD)
    for number in range(1, 9):
        await api.database.write(accounts.add_account, f"desk-{number}", hashed, "Desk", Role.reception)


async def sign_in(api: ApiDriver, name: str, password: str = PASSWORD, address: str = DESK) -> httpx.Response:
    transport = httpx.ASGITransport(api.app, client=(address, 1234))
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        return await client.post("/api/session", json={"username": name, "password": password})


async def guess(api: ApiDriver, times: int, name: str = "desk-1", address: str = DESK) -> Counter[int]:
    """Send wrong passwords one after the other, and count the answers by status."""
    return Counter([(await sign_in(api, name, "guess", address)).status_code for _ in range(times)])


async def test_six_errors_cost_two_seconds(api: ApiDriver) -> None:
    assert await guess(api, 5) == {401: 5}

    sixth = await sign_in(api, "desk-1")

    assert (sixth.status_code, sixth.json()["code"], sixth.headers["retry-after"]) == (429, "too_many_attempts", "2")
    api.clock.advance(seconds=2)
    assert (await sign_in(api, "desk-1")).status_code == 204


async def test_right_password_forgives_errors(api: ApiDriver) -> None:
    await guess(api, 4)
    assert (await sign_in(api, "desk-1")).status_code == 204

    assert await guess(api, 5) == {401: 5}


@pytest.mark.parametrize("errors", [0, 4])
async def test_accepts_eight_right_passwords_at_once(api: ApiDriver, errors: int) -> None:
    await guess(api, errors)

    same_name = await asyncio.gather(*(sign_in(api, "desk-1") for _ in range(8)))
    eight_names = await asyncio.gather(*(sign_in(api, f"desk-{number}") for number in range(1, 9)))

    assert Counter(answer.status_code for answer in (*same_name, *eight_names)) == {204: 16}


async def test_counts_concurrent_guesses_first(api: ApiDriver) -> None:
    answers = await asyncio.gather(*(sign_in(api, "desk-1", "guess") for _ in range(16)))

    assert Counter(answer.status_code for answer in answers) == {401: 5, 429: 11}


async def test_errors_of_colleague_do_not_lock_desk(api: ApiDriver) -> None:
    assert await guess(api, 12) == {401: 5, 429: 7}

    others = [(await sign_in(api, f"desk-{number}")).status_code for number in range(2, 9)]

    assert others == [204] * 7
    api.clock.advance(seconds=2)
    assert (await sign_in(api, "desk-1")).status_code == 204


async def test_throttles_password_tried_with_many_names(api: ApiDriver) -> None:
    free = LIMITS[Budget.address].free

    answers = [(await sign_in(api, f"name-{number}", PASSWORD, ATTACKER)).status_code for number in range(free + 30)]

    assert Counter(answers) == {401: free, 429: 30}
    assert (await sign_in(api, "desk-1")).status_code == 204


async def test_throttles_guesses_from_many_addresses(api: ApiDriver) -> None:
    free = LIMITS[Budget.name].free

    answers = [(await sign_in(api, "desk-1", "guess", f"203.0.113.{number}")).status_code for number in range(60)]

    assert Counter(answers) == {401: free, 429: 60 - free}


async def test_attacked_account_stays_usable_where_known(api: ApiDriver) -> None:
    assert (await sign_in(api, "desk-1")).status_code == 204
    for number in range(60):
        await sign_in(api, "desk-1", "guess", f"203.0.113.{number}")

    known, other = await sign_in(api, "desk-1"), await sign_in(api, "desk-1", address=WARD)

    assert (known.status_code, other.status_code) == (204, 429)


async def test_known_account_passes_flood_of_its_address(api: ApiDriver) -> None:
    assert (await sign_in(api, "desk-1")).status_code == 204
    for number in range(60):
        await sign_in(api, f"name-{number}")

    known, other = await sign_in(api, "desk-1"), await sign_in(api, "desk-2")

    assert (known.status_code, other.status_code) == (204, 429)


async def test_known_accounts_are_no_way_around_the_limits(api: ApiDriver) -> None:
    for number in range(1, 9):
        assert (await sign_in(api, f"desk-{number}")).status_code == 204

    answers = [(await sign_in(api, f"desk-{number}", "guess")).status_code for _ in range(10) for number in range(1, 9)]

    assert Counter(answers) == {401: 8 * 5, 429: 8 * 5}


async def test_place_is_forgotten_after_a_month(api: ApiDriver) -> None:
    assert (await sign_in(api, "desk-1")).status_code == 204
    api.clock.advance(days=31)
    for number in range(60):
        await sign_in(api, "desk-1", "guess", f"203.0.113.{number}")

    assert (await sign_in(api, "desk-1")).status_code == 429


async def test_unknown_name_is_throttled_like_a_known_one(api: ApiDriver) -> None:
    known = [await sign_in(api, "desk-1", "guess", ATTACKER) for _ in range(8)]
    unknown = [await sign_in(api, "nil", "guess", WARD) for _ in range(8)]

    def shape(answer: httpx.Response) -> tuple[int, bytes, str | None]:
        return answer.status_code, answer.content, answer.headers.get("retry-after")

    assert list(map(shape, known)) == list(map(shape, unknown))


async def test_failures_write_nothing_to_the_database(api: ApiDriver) -> None:
    before = await api.all_rows()

    for number in range(30):
        await sign_in(api, f"name-{number}", address=ATTACKER)
    await guess(api, 10)

    assert await api.all_rows() == before
    assert "sign_in_failures" not in metadata.tables


async def test_refused_flood_sends_no_statement(api: ApiDriver) -> None:
    for number in range(30):
        await sign_in(api, f"name-{number}", address=ATTACKER)

    with recorded_statements() as statements:
        answers = [(await sign_in(api, f"more-{number}", address=ATTACKER)).status_code for number in range(30)]

    assert answers == [429] * 30
    assert statements == []


async def test_other_process_knows_the_place(api: ApiDriver) -> None:
    assert (await sign_in(api, "desk-1")).status_code == 204

    places = KnownPlaces(api.database, api.clock)

    known = [await places.is_known(login, address) for login in ("desk-1", "desk-2") for address in (DESK, WARD)]
    assert known == [True, False, False, False]


async def test_fault_while_places_are_read_is_retried(api: ApiDriver) -> None:
    places = KnownPlaces(api.database, api.clock)
    with patch.object(sign_in_places, "find_known_logins", side_effect=OSError), pytest.raises(OSError):
        await places.is_known("desk-1", DESK)

    assert not await places.is_known("desk-1", DESK)


@pytest.mark.parametrize("typed", ["Desk-1", "DESK-1", "desk-1"])
async def test_login_name_ignores_case(api: ApiDriver, typed: str) -> None:
    assert (await sign_in(api, typed)).status_code == 204


async def test_case_of_name_does_not_multiply_guesses(api: ApiDriver) -> None:
    spellings = ["desk-1", "Desk-1", "dEsk-1", "deSk-1", "desK-1", "DESK-1"]

    answers = [(await sign_in(api, name, "guess")).status_code for name in spellings]

    assert answers == [401] * 5 + [429]


async def test_ipv6_network_counts_as_one_address(api: ApiDriver) -> None:
    answers = [(await sign_in(api, "desk-1", "guess", f"2001:db8::{number:x}")).status_code for number in range(8)]

    assert Counter(answers) == {401: 5, 429: 3}


async def test_stores_address_as_hash_once(api: ApiDriver) -> None:
    for _ in range(3):
        assert (await sign_in(api, "desk-1")).status_code == 204

    assert await api.count(places_table) == 1
    assert DESK not in str(await api.all_rows())


async def sign_in_lines(api: ApiDriver, *attempts: tuple[str, str, str]) -> list[dict[str, Any]]:
    with structlog.testing.capture_logs() as lines:
        for name, password, address in attempts:
            await sign_in(api, name, password, address)
    return [dict(line) for line in lines if line["event"] == "sign-in failed"]


async def test_logs_failure_without_password_and_typed_name(api: ApiDriver) -> None:
    lines = await sign_in_lines(
        api, ("desk-3", "hunter2", DESK), ("hunter2", "x", ATTACKER), ("desk-4", PASSWORD, DESK)
    )

    common = {"event": "sign-in failed", "log_level": "warning", "code": "bad_credentials"}
    assert lines == [
        common | {"reason": "wrong password", "address": DESK, "account": 3},
        common | {"reason": "no account", "address": ATTACKER, "account": None},
    ]
    assert "hunter2" not in str(lines)


async def test_logs_revoked_account(api: ApiDriver) -> None:
    await api.database.write(revoke_account, "desk-2", api.clock())

    (line,) = await sign_in_lines(api, ("desk-2", PASSWORD, DESK))

    assert (line["reason"], line["account"]) == ("revoked account", 2)


async def test_logs_ignored_header_of_proxy_once(api: ApiDriver) -> None:
    client = await api.anyone()
    with structlog.testing.capture_logs() as lines:
        for _ in range(3):
            body = {"username": "desk-1", "password": "guess"}
            await client.post("/api/session", json=body, headers={"X-Forwarded-For": "203.0.113.9"})

    (ignored,) = (line for line in lines if line["event"] == "X-Forwarded-For is ignored")
    assert (ignored["log_level"], ignored["address"]) == ("warning", "127.0.0.1")
    assert "VISIT_TRUSTED_PROXIES" in ignored["hint"]


async def test_log_of_flood_is_bounded(api: ApiDriver) -> None:
    flood = await sign_in_lines(api, *((f"name-{number}", "guess", ATTACKER) for number in range(60)))
    elsewhere = await sign_in_lines(api, ("desk-1", "guess", DESK))

    assert len(flood) == 10
    assert [line["suppressed_lines"] for line in elsewhere] == [50]


async def test_counts_sign_ins_by_result(api: ApiDriver) -> None:
    await guess(api, 7)
    await sign_in(api, "desk-2")

    text = (await (await api.anyone()).get("/metrics")).text

    counted = {line for line in text.splitlines() if line.startswith("visit_sign_ins_total")}
    assert counted == {
        'visit_sign_ins_total{result="bad_credentials"} 5.0',
        'visit_sign_ins_total{result="too_many_attempts"} 2.0',
        'visit_sign_ins_total{result="signed_in"} 1.0',
    }


async def test_troubleshooting_lists_every_reason(api: ApiDriver) -> None:
    for number in range(1, 13):
        password_hash = WEAK_HASH.hash(PASSWORD)
        await api.database.write(accounts.add_account, f"ward-{number}", password_hash, "Ward", Role.reception)
    await api.database.write(revoke_account, "desk-8", api.clock())
    with structlog.testing.capture_logs() as lines:
        await asyncio.gather(*(sign_in(api, f"name-{number}", address=ATTACKER) for number in range(60)))
        await sign_in(api, "desk-8")
        await guess(api, 6)
        for number in range(21):
            await sign_in(api, "desk-2", "guess", f"198.51.100.{number}")
        # An address gets ten lines a minute. So the last failures come a minute later, when the budget is nearly full again.
        api.clock.advance(minutes=30)
        for number in range(23):
            api.clock.advance(minutes=1 if number == 20 else 0)
            await sign_in(api, f"name-{number}", address="203.0.113.99")
        known = [f"ward-{number}" for number in range(1, 13)]
        assert {(await sign_in(api, name, address=WARD)).status_code for name in known} == {204}
        for attempt in range(67):
            api.clock.advance(minutes=1 if attempt == 60 else 0)
            await sign_in(api, known[attempt % 12], "guess", WARD)
    logged = {(line["code"], line["reason"]) for line in lines if line["event"] == "sign-in failed"}

    documented = [row[0] for row in rows(DOCS / "troubleshooting.md", "code and reason", "meaning", "do")]

    assert sorted(logged) == sorted(tuple(re.findall("`(.*?)`", cell)) for cell in documented)

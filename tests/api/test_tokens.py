"""Bearer tokens: required claims, accepted signatures and expiry."""

import json
from datetime import timedelta
from typing import Any

import jwt
import pytest

from patient_visit_engine.visit.calendar import to_rfc3339
from tests.support.api import SECRET, ApiDriver, ApiOpener
from tests.support.builders import DR_AMRANI, NOON
from tests.support.databases import database_on

#: No outcome here depends on the database.
database = database_on("sqlite")

CLAIMS = {"sub": "lab", "role": "service", "name": "Lab", "exp": NOON + timedelta(hours=1)}


async def code_for(api: ApiDriver, token: str) -> str:
    """The problem code of a call with this token, or `ok`."""
    answer = await (await api.anyone()).get("/api/session", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code in (200, 401, 503), answer.text
    if answer.status_code == 401:
        assert answer.headers["www-authenticate"].startswith("Bearer")
    return "ok" if answer.status_code == 200 else str(answer.json()["code"])


def sign(key: Any = SECRET, algorithm: str = "HS256", headers: Any = None, **claims: Any) -> str:
    payload = {name: value for name, value in (CLAIMS | claims).items() if value is not ...}
    return jwt.encode(payload, key, algorithm, headers)


async def test_token_names_its_caller(api: ApiDriver) -> None:
    doctor = await api.staff("doctor", DR_AMRANI.id, sub="robot", name="Robot")

    user = await doctor.get("/api/session")

    robot = {"user_id": "robot", "name": "Robot", "role": "doctor", "doctor_id": DR_AMRANI.id}
    hospital = {"timezone": "Europe/Paris", "day_starts": "04:00", "doctor_busy": "warn"}
    assert user.json() == robot | hospital | {"expires_at": to_rfc3339(NOON + timedelta(hours=8))}
    assert (await doctor.delete("/api/session")).status_code == 204
    assert await code_for(api, sign()) == "ok"


@pytest.mark.parametrize("claim", ["sub", "exp", "role", "name"])
@pytest.mark.parametrize(
    "wrong",
    [..., None, "", 5, [], {}, True, "\x00", "\ud83d", "x" * 201, -1, 10**400, float("inf"), 10**15],
    ids=repr,
)
async def test_refuses_missing_or_wrong_claim(api: ApiDriver, claim: str, wrong: Any) -> None:
    payload = {
        name: value for name, value in (CLAIMS | {"exp": 32_000_000_000, claim: wrong}).items() if value is not ...
    }
    token = jwt.api_jws.encode(json.dumps(payload).encode(), SECRET, "HS256")

    assert await code_for(api, token) == "bad_token"


async def test_refuses_expiry_as_text(api: ApiDriver) -> None:
    token = jwt.api_jws.encode(json.dumps(CLAIMS | {"exp": "32000000000"}).encode(), SECRET, "HS256")

    assert await code_for(api, token) == "bad_token"


@pytest.mark.parametrize("doctor_id", [..., None, "7", 7.0, True, 0, -1, 2**53, [7]])
async def test_refuses_doctor_token_without_id(api: ApiDriver, doctor_id: Any) -> None:
    assert await code_for(api, sign(role="doctor", doctor_id=doctor_id)) == "bad_token"


async def test_token_ends_at_its_second_without_leeway(api: ApiDriver) -> None:
    token = sign(exp=NOON + timedelta(seconds=1))

    before = await code_for(api, token)
    api.clock.advance(seconds=1)

    assert (before, await code_for(api, token)) == ("ok", "bad_token")


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "a.b.c",
        "a" * 5000,
        sign(key="another secret of more than thirty-two bytes"),
        sign(algorithm="HS512"),
        jwt.encode(CLAIMS, "", "none"),
        sign()[:-2],
        sign(headers={"kid": "../../etc/passwd"})[1:],
        "eyJhbGciOiJIUzI1NiJ9." + "W1tb" * 2000 + ".x",
    ],
    ids=map(str, range(10)),
)
async def test_refuses_token_without_valid_signature(api: ApiDriver, token: str) -> None:
    assert await code_for(api, token) == "bad_token"


async def test_checks_issuer_and_audience_when_set(open_api: ApiOpener) -> None:
    api = await open_api(jwt_issuer="hospital", jwt_audience="visits")

    accepted = await code_for(api, sign(iss="hospital", aud="visits"))
    refused = [
        await code_for(api, sign(**claims))
        for claims in (
            {},
            {"iss": "hospital"},
            {"aud": "visits"},
            {"iss": "other", "aud": "visits"},
            {"iss": "hospital", "aud": "other"},
        )
    ]

    assert accepted == "ok"
    assert set(refused) == {"bad_token"}


async def test_refuses_every_token_without_secret(open_api: ApiOpener) -> None:
    api = await open_api(jwt_secret=None)

    assert await code_for(api, sign()) == "bad_token"

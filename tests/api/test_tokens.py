"""Bearer tokens: what must be in them, who may have signed them, and when they end."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from tests.support.api import SECRET, ApiDriver, ApiOpener
from tests.support.builders import DR_AMRANI, NOON

SAID = {"sub": "lab", "role": "service", "name": "Lab", "exp": NOON + timedelta(hours=1)}
RSA, EC, ANOTHER = (
    rsa.generate_private_key(65537, 2048),
    ec.generate_private_key(ec.SECP256R1()),
    rsa.generate_private_key(65537, 2048),
)


async def code(api: ApiDriver, token: str) -> str:
    """What a call with this token is answered."""
    answer = await (await api.anyone()).get("/api/session", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code in (200, 401, 503), answer.text
    if answer.status_code == 401:
        assert answer.headers["www-authenticate"].startswith("Bearer")
    return "ok" if answer.status_code == 200 else str(answer.json()["code"])


def signed(key: Any = SECRET, algorithm: str = "HS256", headers: Any = None, **claims: Any) -> str:
    said = {name: value for name, value in (SAID | claims).items() if value is not ...}
    return jwt.encode(said, key, algorithm, headers)


async def test_a_program_is_whom_its_token_names(api: ApiDriver) -> None:
    doctor = await api.staff("doctor", DR_AMRANI.id, sub="robot", name="Robot")

    who = await doctor.get("/api/session")

    robot = {"user_id": "robot", "name": "Robot", "role": "doctor", "doctor_id": DR_AMRANI.id}
    assert who.json() == robot | {"timezone": "Europe/Paris"}
    assert (await doctor.delete("/api/session")).status_code == 204
    assert await code(api, signed()) == "ok"


@pytest.mark.parametrize("claim", ["sub", "exp", "role", "name"])
@pytest.mark.parametrize(
    "wrong",
    [..., None, "", 5, [], {}, True, "\x00", "\ud83d", "x" * 201, -1, 10**400, float("inf"), 10**15],
    ids=repr,
)
async def test_every_claim_is_required_and_of_its_type(api: ApiDriver, claim: str, wrong: Any) -> None:
    said = {name: value for name, value in (SAID | {"exp": 32_000_000_000, claim: wrong}).items() if value is not ...}
    token = jwt.api_jws.encode(json.dumps(said).encode(), SECRET, "HS256")

    assert await code(api, token) == "bad_token"


async def test_an_expiry_is_a_number(api: ApiDriver) -> None:
    token = jwt.api_jws.encode(json.dumps(SAID | {"exp": "32000000000"}).encode(), SECRET, "HS256")

    assert await code(api, token) == "bad_token"


@pytest.mark.parametrize("doctor_id", [..., None, "7", 7.0, True, 0, -1, 2**53, [7]])
async def test_a_doctors_token_names_the_doctor(api: ApiDriver, doctor_id: Any) -> None:
    assert await code(api, signed(role="doctor", doctor_id=doctor_id)) == "bad_token"


async def test_a_token_ends_at_its_second_without_leeway(api: ApiDriver) -> None:
    token = signed(exp=NOON + timedelta(seconds=1))

    before = await code(api, token)
    api.clock.pass_by(seconds=1)

    assert (before, await code(api, token)) == ("ok", "bad_token")


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "a.b.c",
        "a" * 5000,
        signed(key="another secret of more than thirty-two bytes"),
        signed(algorithm="HS512"),
        jwt.encode(SAID, "", "none"),
        signed()[:-2],
        signed(headers={"kid": "../../etc/passwd"})[1:],
        "eyJhbGciOiJIUzI1NiJ9." + "W1tb" * 2000 + ".x",
    ],
    ids=map(str, range(10)),
)
async def test_a_token_that_nobody_we_trust_signed_opens_nothing(api: ApiDriver, token: str) -> None:
    assert await code(api, token) == "bad_token"


async def test_issuer_and_audience_are_checked_when_they_are_set(open_api: ApiOpener) -> None:
    api = await open_api(jwt_issuer="hospital", jwt_audience="visits")

    right = await code(api, signed(iss="hospital", aud="visits"))
    wrong = [
        await code(api, signed(**claims))
        for claims in (
            {},
            {"iss": "hospital"},
            {"aud": "visits"},
            {"iss": "other", "aud": "visits"},
            {"iss": "hospital", "aud": "other"},
        )
    ]

    assert right == "ok"
    assert set(wrong) == {"bad_token"}


async def test_without_a_secret_no_token_is_good(open_api: ApiOpener) -> None:
    api = await open_api(jwt_secret=None)

    assert await code(api, signed()) == "bad_token"


@pytest.fixture
async def key_server() -> AsyncIterator[tuple[str, list[int]]]:
    """Serves the hospital's public keys, and counts how often it is asked."""
    asked: list[int] = []
    keys = [
        RSAAlgorithm.to_jwk(RSA.public_key(), as_dict=True) | {"kid": "rsa"},
        ECAlgorithm.to_jwk(EC.public_key(), as_dict=True) | {"kid": "ec"},
    ]
    body = json.dumps({"keys": keys}).encode()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.append(1)
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/keys", asked
    server.close()
    await server.wait_closed()


async def test_the_hospitals_own_keys_are_fetched_once(open_api: ApiOpener, key_server: tuple[str, list[int]]) -> None:
    url, asked = key_server
    api = await open_api(jwt_secret=None, jwt_jwks_url=url)

    good = [
        await code(api, signed(RSA, "RS256", {"kid": "rsa"})),
        await code(api, signed(EC, "ES256", {"kid": "ec"})),
    ]
    bad = [
        await code(api, signed(ANOTHER, "RS256", {"kid": "rsa"})),
        await code(api, signed(RSA, "RS512", {"kid": "rsa"})),
        await code(api, signed(RSA, "RS256", {"kid": "unknown"})),
        await code(api, signed(RSA, "RS256")),
        await code(api, signed()),
    ]

    assert good == ["ok", "ok"]
    assert set(bad) == {"bad_token"}
    assert len(asked) == 1


async def test_a_key_server_that_is_away_is_not_a_bad_token(open_api: ApiOpener) -> None:
    api = await open_api(jwt_secret=None, jwt_jwks_url="http://127.0.0.1:1/keys")

    assert await code(api, signed(RSA, "RS256", {"kid": "rsa"})) == "unavailable"

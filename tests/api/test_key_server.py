"""Bearer tokens with the keys of a key server that hangs, fails, or changes its keys."""

import asyncio
import json
import shutil
import ssl
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
import structlog
import trustme
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm

from patient_visit_engine.api.access import key_server as key_servers
from patient_visit_engine.api.access.key_server import COOLDOWN, COOLDOWN_AFTER_FAILURE, KEYS_LIFETIME, KEYS_USABLE_FOR
from patient_visit_engine.storage.database import Database
from tests.support.api import ApiDriver, ApiOpener
from tests.support.api_processes import ApiProcesses
from tests.support.builders import NOON
from tests.support.databases import database_on
from tests.support.key_server import FaultyKeyServer, run_key_server
from tests.support.pages import DOCS
from tests.support.waiting import wait_until_async

FIRST, SECOND, FOREIGN = (rsa.generate_private_key(65537, 2048) for _ in range(3))
FAULTS = ["hang", "drip", "garbage", "nested", "list", "no keys", "broken keys", "huge", "redirect", "error", "cut"]

database = database_on("sqlite")


@pytest.fixture
async def key_server() -> AsyncIterator[FaultyKeyServer]:
    """A key server with the key `first`."""
    async with run_key_server(first=FIRST) as server:
        yield server


@pytest.fixture
def let_fail(key_server: FaultyKeyServer, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A function that lets the key server fail from now on. A fetch from it may then take two seconds."""

    def set_fault(fault: str) -> None:
        key_server.mode = fault
        # Not before the first fetch: on a busy machine it can take longer.
        monkeypatch.setattr(key_servers, "FETCH_TIMEOUT_SECONDS", 2.0)

    return set_fault


@pytest.fixture
async def api(open_api: ApiOpener, key_server: FaultyKeyServer) -> ApiDriver:
    return await open_api(jwt_secret=None, jwt_jwks_url=key_server.url)


def sign(kid: Any = "first", key: Any = FIRST, algorithm: str = "RS256", subject: str = "lab") -> str:
    claims = {"sub": subject, "role": "service", "name": "Lab", "exp": NOON + timedelta(days=30)}
    return jwt.encode(claims, key, algorithm, None if kid is None else {"kid": kid})


async def code_for(api: ApiDriver, token: str) -> str:
    """The problem code of a call with this token, or `ok`."""
    answer = await (await api.anyone()).get("/api/session", headers={"Authorization": f"Bearer {token}"})
    if answer.status_code == 503:
        assert int(answer.headers["retry-after"]) >= 1
    return "ok" if answer.status_code == 200 else str(answer.json()["code"])


async def test_fetches_keys_once(api: ApiDriver, key_server: FaultyKeyServer) -> None:
    accepted = [await code_for(api, sign(subject=f"lab-{number}")) for number in range(3)]
    refused = [
        await code_for(api, sign(key=FOREIGN)),
        await code_for(api, sign(algorithm="RS512")),
        await code_for(api, sign("unknown")),
        await code_for(api, sign(None)),
        await code_for(api, sign(key="a secret of more than thirty-two bytes, for tests", algorithm="HS256")),
    ]

    assert accepted == ["ok"] * 3
    assert refused == ["bad_token"] * 5
    assert len(key_server.requests) == 1


async def test_accepts_elliptic_keys(
    api: ApiDriver, key_server: FaultyKeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    jwk = ECAlgorithm.to_jwk(key.public_key(), as_dict=True) | {"kid": "ec"}
    monkeypatch.setattr(key_server, "_body", lambda: json.dumps({"keys": [jwk]}).encode())

    assert await code_for(api, sign("ec", key, "ES256")) == "ok"


@pytest.mark.parametrize("fault", FAULTS)
async def test_cached_key_is_used_while_server_fails(
    api: ApiDriver, key_server: FaultyKeyServer, let_fail: Callable[[str], None], fault: str
) -> None:
    assert await code_for(api, sign()) == "ok"
    let_fail(fault)
    api.clock.advance(seconds=KEYS_LIFETIME.total_seconds())

    async with asyncio.timeout(20):
        codes = [await code_for(api, sign(subject=f"lab-{number}")) for number in range(3)]
        # It waits for the fetch, so it also shows that the fetch has an end.
        unknown = await code_for(api, sign("second", SECOND))
        after = await code_for(api, sign(subject="after"))

    assert (codes, unknown, after) == (["ok"] * 3, "unavailable", "ok")
    assert key_server.requests == ["keys", fault]


async def test_cached_key_does_not_wait_for_fetch(
    api: ApiDriver, key_server: FaultyKeyServer, let_fail: Callable[[str], None]
) -> None:
    assert await code_for(api, sign()) == "ok"
    let_fail("hang")
    api.clock.advance(seconds=KEYS_LIFETIME.total_seconds())
    waiting = asyncio.create_task(code_for(api, sign("second", SECOND)))
    await wait_until_async(lambda: len(key_server.requests) == 2, "the fetch to hang")

    codes = [await code_for(api, sign(subject=f"lab-{number}")) for number in range(5)]

    assert codes == ["ok"] * 5
    assert not waiting.done()
    assert await waiting == "unavailable"


async def test_keys_are_used_for_half_a_day_at_most(api: ApiDriver, key_server: FaultyKeyServer) -> None:
    assert await code_for(api, sign()) == "ok"
    key_server.mode = "error"
    api.clock.advance(seconds=KEYS_USABLE_FOR.total_seconds() - 1)
    before = await code_for(api, sign(subject="before"))
    api.clock.advance(seconds=1 + COOLDOWN_AFTER_FAILURE.total_seconds())

    assert (before, await code_for(api, sign(subject="after"))) == ("ok", "unavailable")
    key_server.mode = "keys"
    api.clock.advance(seconds=COOLDOWN_AFTER_FAILURE.total_seconds())
    assert await code_for(api, sign(subject="after")) == "ok"


async def test_many_unknown_keys_wait_for_one_fetch(
    api: ApiDriver, key_server: FaultyKeyServer, let_fail: Callable[[str], None]
) -> None:
    let_fail("hang")
    threads = threading.active_count()

    codes = asyncio.gather(*(code_for(api, sign(f"key-{number}", SECOND)) for number in range(100)))
    await wait_until_async(lambda: len(key_server.requests) == 1, "the fetch to hang")

    assert set(await codes) == {"unavailable"}
    assert key_server.requests == ["hang"]
    assert threading.active_count() <= threads + 1


async def test_unknown_keys_cause_one_fetch_in_cooldown(api: ApiDriver, key_server: FaultyKeyServer) -> None:
    assert await code_for(api, sign()) == "ok"
    api.clock.advance(seconds=COOLDOWN.total_seconds())

    codes = {await code_for(api, sign(f"key-{number}", SECOND)) for number in range(10)}

    assert codes == {"bad_token"}
    assert len(key_server.requests) == 2


async def test_step_of_clock_back_does_not_prolong_cooldown(api: ApiDriver, key_server: FaultyKeyServer) -> None:
    assert await code_for(api, sign()) == "ok"
    key_server.keys |= {"second": SECOND}
    api.clock.advance(hours=-1)

    assert await code_for(api, sign("second", SECOND)) == "ok"


async def test_failure_has_its_own_cooldown(api: ApiDriver, key_server: FaultyKeyServer) -> None:
    key_server.mode = "error"
    assert [await code_for(api, sign()) for _ in range(5)] == ["unavailable"] * 5
    assert len(key_server.requests) == 1

    key_server.mode = "keys"
    api.clock.advance(seconds=COOLDOWN_AFTER_FAILURE.total_seconds())

    assert await code_for(api, sign()) == "ok"


async def test_new_key_is_found_and_withdrawn_key_refused(api: ApiDriver, key_server: FaultyKeyServer) -> None:
    assert await code_for(api, sign()) == "ok"
    key_server.keys = {"second": SECOND}
    api.clock.advance(seconds=COOLDOWN.total_seconds())

    assert await code_for(api, sign("second", SECOND)) == "ok"
    assert await code_for(api, sign(subject="other")) == "bad_token"


@pytest.mark.parametrize("is_trusted", [True, False])
async def test_checks_certificate_with_authorities_of_machine(
    open_api: ApiOpener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_trusted: bool
) -> None:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    if is_trusted:
        authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))

    async with run_key_server(context, first=FIRST) as server:
        code = await code_for(await open_api(jwt_secret=None, jwt_jwks_url=server.url), sign())

    assert code == ("ok" if is_trusted else "unavailable")


async def test_server_that_refuses_connections(open_api: ApiOpener) -> None:
    api = await open_api(jwt_secret=None, jwt_jwks_url="http://127.0.0.1:1/keys")

    with structlog.testing.capture_logs() as lines:
        assert await code_for(api, sign()) == "unavailable"

    (line,) = (line for line in lines if line["event"].startswith("the keys for bearer tokens"))
    assert (line["log_level"], line["reason"], line["keys"]) == ("warning", "ConnectError", 0)
    assert "VISIT_JWT_JWKS_URL" in line["hint"]


async def test_process_starts_while_server_hangs(tmp_path: Path, migrated_file: Path) -> None:
    await asyncio.to_thread(shutil.copyfile, migrated_file, tmp_path / "visits.db")
    async with AsyncExitStack() as stack:
        database = Database(f"sqlite+aiosqlite:///{tmp_path / 'visits.db'}")
        stack.push_async_callback(database.close)
        processes = ApiProcesses(database, tmp_path)
        stack.push_async_callback(processes.close)
        server = await stack.enter_async_context(run_key_server(first=FIRST))
        server.mode = "hang"

        api = await processes.start(VISIT_JWT_JWKS_URL=server.url)
        await wait_until_async(lambda: server.requests == ["hang"], "the first fetch")
        answer = await api.answer("/livez")
        await wait_until_async(lambda: "cannot be fetched" in api.log.read_text(), "the fetch to fail")
        line = json.loads(await run_documented_command(api.log))

    assert answer[0] == 200
    assert (line["level"], line["reason"], line["keys"]) == ("warning", "TimeoutError", 0)


async def run_documented_command(log: Path) -> bytes:
    """The output of the command that the troubleshooting page has for a refused token."""
    section = (DOCS / "troubleshooting.md").read_text().partition("## A program's token is refused")[2]
    command = section.partition("```sh\n")[2].partition("```")[0].replace("data/logs/api.log", str(log))
    shell = await asyncio.create_subprocess_shell(command, stdout=asyncio.subprocess.PIPE)
    return (await shell.communicate())[0]

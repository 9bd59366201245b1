"""Sign-in at a running API process: a flood of made-up names, and the addresses of clients behind a proxy."""

import asyncio
import json
import os
import shutil
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pwdlib import PasswordHash

from patient_visit_engine.api.access.sign_in_budget import LIMITS, Budget
from patient_visit_engine.api.readiness import Readiness
from patient_visit_engine.api.server import DrainingServer
from patient_visit_engine.storage import accounts
from patient_visit_engine.storage.database import Database
from patient_visit_engine.visit.codes import Role
from tests.support.api_processes import ApiProcess, ApiProcesses
from tests.support.pages import DOCS

#: Two addresses of this machine: of a proxy that the API trusts, and of any other program.
PROXY, PROGRAM = "127.0.0.2", "127.0.0.1"
CREDENTIALS = {"username": "desk", "password": "swordfish"}


@pytest.fixture(scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> AsyncIterator[ApiProcess]:
    """An API process that trusts one proxy. `desk` has an account."""
    folder = tmp_path_factory.mktemp("sign-in")
    await asyncio.to_thread(shutil.copyfile, migrated_file, folder / "visits.db")
    database = Database(f"sqlite+aiosqlite:///{folder / 'visits.db'}")
    hashed = PasswordHash.recommended().hash(CREDENTIALS["password"])
    await database.write(accounts.add_account, "desk", hashed, "desk", Role.reception)
    processes = ApiProcesses(database, folder)
    try:
        yield await processes.start(VISIT_TRUSTED_PROXIES=f"{PROXY}, 10.0.0.0/8")
    finally:
        await processes.close()
        await database.close()


def client_at(api: ApiProcess, address: str) -> httpx.AsyncClient:
    """A client whose connections come from this address of the machine."""
    transport = httpx.AsyncHTTPTransport(local_address=address, limits=httpx.Limits(max_connections=200))
    return httpx.AsyncClient(transport=transport, base_url=f"http://127.0.0.1:{api.port}", timeout=60)


def failures_logged(api: ApiProcess) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in api.log.read_text().splitlines()]
    return [line for line in lines if line["event"] == "sign-in failed"]


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "address"),
    [
        (PROGRAM, "192.0.2.1", PROGRAM),
        (PROXY, "192.0.2.2", "192.0.2.2"),
        # The client itself sent the first address. The proxy added the second one.
        (PROXY, "6.6.6.6, 192.0.2.3", "192.0.2.3"),
        (PROXY, "6.6.6.6, 192.0.2.4, 10.1.2.3", "192.0.2.4"),
        (PROXY, "", PROXY),
    ],
)
async def test_believes_forwarded_address_of_proxy_only(
    api: ApiProcess, peer: str, forwarded_for: str, address: str
) -> None:
    async with client_at(api, peer) as client:
        headers = {"X-Forwarded-For": forwarded_for} if forwarded_for else {}
        answer = await client.post("/api/session", json=CREDENTIALS | {"password": "guess"}, headers=headers)

    assert answer.status_code == 401
    assert failures_logged(api)[-1]["address"] == address
    assert "X-Forwarded-For is ignored" not in api.log.read_text()


@pytest.mark.parametrize(("peer", "is_secure"), [(PROGRAM, False), (PROXY, True)])
async def test_believes_scheme_of_proxy_only(api: ApiProcess, peer: str, is_secure: bool) -> None:
    headers = {"X-Forwarded-Proto": "https", "Origin": f"https://127.0.0.1:{api.port}"}
    async with client_at(api, peer) as client:
        answer = await client.post("/api/session", json=CREDENTIALS, headers=headers)

    assert answer.status_code == 204
    assert ("; Secure" in answer.headers["set-cookie"]) is is_secure


async def test_right_password_passes_flood_of_names(api: ApiProcess) -> None:
    async with client_at(api, PROXY) as flood, client_at(api, PROGRAM) as owner:

        async def guess(number: int) -> int:
            body = {"username": f"name-{number}", "password": "guess"}
            headers = {"X-Forwarded-For": "203.0.113.9"}
            return (await flood.post("/api/session", json=body, headers=headers)).status_code

        guesses = [asyncio.create_task(guess(number)) for number in range(150)]
        await asyncio.wait(guesses, return_when=asyncio.FIRST_COMPLETED)
        answer = await owner.post("/api/session", json=CREDENTIALS)
        statuses = Counter(await asyncio.gather(*guesses))

    assert answer.status_code == 204
    # So many passwords are hashed at most. All other attempts are refused without work.
    assert statuses[401] <= LIMITS[Budget.address].free
    assert statuses[401] + statuses[429] + statuses[503] == 150


async def test_commands_of_troubleshooting_show_failure(api: ApiProcess) -> None:
    async with client_at(api, PROGRAM) as client:
        assert (await client.post("/api/session", json=CREDENTIALS | {"username": "no one"})).status_code == 401
    page = (DOCS / "troubleshooting.md").read_text()
    block = page.partition("## A person cannot sign in")[2].partition("```sh\n")[2].partition("```")[0]
    script = block.replace("data/logs/api.log", str(api.log))

    shell = await asyncio.create_subprocess_exec(
        *("bash", "-c", script),
        env=os.environ | {"BASE": f"http://127.0.0.1:{api.port}"},
        stdout=asyncio.subprocess.PIPE,
    )
    output = (await shell.communicate())[0].decode().splitlines()

    lines = [json.loads(line) for line in output if line.startswith("{")]
    assert (lines[-1]["reason"], lines[-1]["account"], lines[-1]["address"]) == ("no account", None, PROGRAM)
    assert any(line.startswith('visit_sign_ins_total{result="bad_credentials"}') for line in output)


async def test_trusts_no_proxy_by_default() -> None:
    async def empty_app(scope: Any, receive: Any, send: Any) -> None:
        raise NotImplementedError

    assert DrainingServer(empty_app, Readiness(), None).config.proxy_headers is False

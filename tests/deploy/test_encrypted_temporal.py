"""The engine with a Temporal frontend that requires TLS, a client certificate and an API key, like a cluster or Temporal Cloud."""

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import trustme
from temporalio.service import RPCError

from patient_visit_engine.runtime import namespace, temporal
from patient_visit_engine.runtime.settings import Settings
from tests.support.engine import Engine
from tests.support.ports import free_port
from tests.support.processes import SpawnedProcess

pytestmark = pytest.mark.skipif(shutil.which("caddy") is None, reason="caddy: not on the PATH")

API_KEY = "a key that a frontend gave out"
CADDYFILE = """
{
	admin off
	auto_https off
}
https://frontend.example:{$PORT} {
	tls server.pem server.key {
		client_auth {
			mode require_and_verify
			trusted_ca_cert_file ca.pem
		}
	}
	@authorized header Authorization "Bearer {$API_KEY}"
	handle @authorized {
		reverse_proxy h2c://127.0.0.1:{$SERVER} {
			flush_interval -1
		}
	}
	handle {
		respond 401
	}
}
"""


class Frontend(SpawnedProcess):
    """Caddy as the TLS side of the frontend. The folder contains its certificates and ours."""

    def __init__(self, folder: Path, port: int, server: int) -> None:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(folder / "ca.pem"))
        for name, certificate in {
            "server": authority.issue_cert("frontend.example"),
            "client": authority.issue_cert("engine.example"),
        }.items():
            certificate.private_key_pem.write_to_path(str(folder / f"{name}.key"))
            certificate.cert_chain_pems[0].write_to_path(str(folder / f"{name}.pem"))
        (folder / "Caddyfile").write_text(CADDYFILE)
        environment = {"PORT": str(port), "SERVER": str(server), "API_KEY": API_KEY, "XDG_DATA_HOME": str(folder)}
        super().__init__("caddy", ["caddy", "run", "--config", "Caddyfile"], environment, folder)


def valid_settings(folder: Path, port: int) -> dict[str, str]:
    """The settings of a client that the frontend accepts."""
    return {
        "temporal_address": f"127.0.0.1:{port}",
        "temporal_tls_ca": str(folder / "ca.pem"),
        "temporal_tls_cert": str(folder / "client.pem"),
        "temporal_tls_key": str(folder / "client.key"),
        "temporal_tls_server_name": "frontend.example",
        "temporal_api_key": API_KEY,
    }


@pytest.fixture(scope="module")
async def engine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Engine]:
    """An engine that reaches Temporal only through the frontend."""
    folder, port, server = tmp_path_factory.mktemp("encrypted"), free_port(), free_port()
    frontend = Frontend(folder, port, server)
    async with AsyncExitStack() as stack:
        stack.callback(frontend.stop)
        frontend.start()
        running_engine = Engine(folder, temporal_port=str(server), **valid_settings(folder, port))
        stack.push_async_callback(running_engine.close)
        await running_engine.open()
        yield running_engine


async def test_consultation_works_over_tls(engine: Engine) -> None:
    await engine.admit(1, {11: 1})

    started = await engine.start(1, 1, 11)
    completed = await engine.complete(1, started.json()["id"])

    assert (started.status_code, completed.status_code) == (201, 200)


async def test_namespace_and_health_check_work_over_tls(engine: Engine) -> None:
    await namespace.prepare(engine.settings)

    health_check = engine.new_process("polling", [sys.executable, "-m", "patient_visit_engine.worker.polling"])
    health_check.start()
    assert await asyncio.to_thread(health_check.wait) == 0, health_check.log.read_text()


@pytest.mark.parametrize(
    "missing", ["temporal_tls_ca", "temporal_tls_cert", "temporal_tls_server_name", "temporal_api_key"]
)
async def test_refuses_client_without_one_setting(engine: Engine, missing: str) -> None:
    settings = engine.settings.model_dump()
    await temporal.connect(engine.settings)
    removed = {missing, "temporal_tls_key"} if missing == "temporal_tls_cert" else {missing}

    with pytest.raises((RuntimeError, RPCError)):
        await temporal.connect(Settings(_env_file=None, **{k: v for k, v in settings.items() if k not in removed}))

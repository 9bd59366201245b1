"""A Temporal frontend that speaks TLS alone, wants a certificate and a key, as a cluster of the house or the hosted service has it."""

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
from tests.support.processes import SpawnedProcess, free_port

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
	@known header Authorization "Bearer {$API_KEY}"
	handle @known {
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
    """Caddy as the frontend's TLS, with its certificates and ours in the folder."""

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


def known_to(folder: Path, port: int) -> dict[str, str]:
    """The settings of who may come in."""
    return {
        "temporal_address": f"127.0.0.1:{port}",
        "temporal_tls_ca": str(folder / "ca.pem"),
        "temporal_tls_cert": str(folder / "client.pem"),
        "temporal_tls_key": str(folder / "client.key"),
        "temporal_tls_server_name": "frontend.example",
        "temporal_api_key": API_KEY,
    }


@pytest.fixture(scope="module")
async def hospital(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Engine]:
    """A hospital whose processes have Temporal through TLS."""
    folder, port, server = tmp_path_factory.mktemp("encrypted"), free_port(), free_port()
    frontend = Frontend(folder, port, server)
    async with AsyncExitStack() as stack:
        stack.callback(frontend.stop)
        frontend.start()
        opened = Engine(folder, temporal_port=str(server), **known_to(folder, port))
        stack.push_async_callback(opened.close)
        await opened.open()
        yield opened


async def test_a_consultation_is_started_and_completed_over_it(hospital: Engine) -> None:
    await hospital.admit(1, {11: 1})

    started = await hospital.start(1, 1, 11)
    completed = await hospital.complete(1, started.json()["id"])

    assert (started.status_code, completed.status_code) == (201, 200)


async def test_the_namespace_is_prepared_and_the_worker_asked_after_over_it(hospital: Engine) -> None:
    await namespace.prepare(hospital.settings)

    polling = hospital.part("polling", [sys.executable, "-m", "patient_visit_engine.worker.polling"])
    polling.start()
    assert await asyncio.to_thread(polling.wait) == 0, polling.log.read_text()


@pytest.mark.parametrize(
    "missing", ["temporal_tls_ca", "temporal_tls_cert", "temporal_tls_server_name", "temporal_api_key"]
)
async def test_nobody_comes_in_who_is_not_known_or_does_not_know_it(hospital: Engine, missing: str) -> None:
    settings = hospital.settings.model_dump()
    await temporal.connect(hospital.settings)
    without = {missing, "temporal_tls_key"} if missing == "temporal_tls_cert" else {missing}

    with pytest.raises((RuntimeError, RPCError)):
        await temporal.connect(Settings(_env_file=None, **{k: v for k, v in settings.items() if k not in without}))  # type: ignore[call-arg]

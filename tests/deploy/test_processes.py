"""The engine's containers as plain processes: exact command, variables, secrets and health check, on a real database and Temporal.

Only the names of hosts, the ports and the folder of secrets are replaced.
"""

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import httpx
import jwt
import pytest

from patient_visit_engine.runtime import dev_server
from patient_visit_engine.runtime.settings import Settings
from patient_visit_engine.runtime.task_queue import RECENT
from patient_visit_engine.runtime.temporal import connect
from patient_visit_engine.worker.polling import is_polled
from tests.cli.test_migrate import ATTRIBUTES, describe_namespace
from tests.support import compose
from tests.support.cluster import PostgresCluster
from tests.support.compose import ENGINE_SERVICES, ROOT, SERVICES, seconds
from tests.support.ports import free_port
from tests.support.processes import SpawnedProcess
from tests.support.waiting import wait_until

NAMESPACE = SERVICES["temporal-namespace"]["environment"]["TEMPORAL_NAMESPACE"]


@dataclass
class ContainerProcesses:
    """The engine's containers as processes, by the names of their services.

    `local_names` maps a host and port of docker-compose.yml to the one of this machine.
    """

    folder: Path
    secrets: Path
    local_names: dict[str, str]
    ports: dict[str, int] = field(default_factory=lambda: {name: free_port() for name in ENGINE_SERVICES})
    processes: list[SpawnedProcess] = field(default_factory=list)

    def environment(self, name: str) -> dict[str, str]:
        """The variables from the file, with the names of this machine."""
        secrets_folder = self.folder / f"{name}-secrets"
        if not secrets_folder.exists():
            secrets_folder.mkdir()
            for secret in SERVICES[name]["secrets"]:
                (secrets_folder / secret).write_text((self.secrets / secret).read_text())
        variables = compose.environment(name)
        variables |= {"VISIT_SECRETS_DIR": str(secrets_folder), "VISIT_HTTP_PORT": str(self.ports[name])}
        for compose_name, local_name in self.local_names.items():
            variables = {key: value.replace(compose_name, local_name) for key, value in variables.items()}
        return variables

    def create(self, name: str) -> SpawnedProcess:
        process = SpawnedProcess(name, compose.command(name), self.environment(name), self.folder)
        self.processes.append(process)
        return process

    def is_healthy(self, name: str) -> bool:
        return self.succeeds(name, compose.health_check(name))

    def succeeds(self, name: str, check: list[str]) -> bool:
        command = [word.replace("8000", str(self.ports[name])) for word in check]
        timeout = seconds(SERVICES[name]["healthcheck"]["timeout"])
        environment = os.environ | self.environment(name)
        result = subprocess.run(
            command, check=False, env=environment, cwd=self.folder, capture_output=True, timeout=timeout
        )
        return result.returncode == 0

    def close(self) -> None:
        for process in self.processes:
            process.kill()


@pytest.fixture(scope="module")
def temporal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Temporal server without the namespace."""
    folder = tmp_path_factory.mktemp("temporal")
    port, ui_port = free_port(), free_port()
    command = dev_server.server_command(Settings(_env_file=None, data_dir=folder, temporal_port=port, ui_port=ui_port))
    while "--search-attribute" in command:
        index = command.index("--search-attribute")
        del command[index : index + 2]
    server = SpawnedProcess("temporal", command, {}, folder)
    server.start()

    yield f"127.0.0.1:{port}"

    server.stop()


@pytest.fixture(scope="module")
def temporal_with_namespace(temporal: str) -> str:
    """The server after the job `temporal-namespace`. The job runs twice, because it runs at each start of the system."""
    programs = str(dev_server.executable().parent)
    environment = os.environ | SERVICES["temporal-namespace"]["environment"]
    environment |= {"TEMPORAL_ADDRESS": temporal, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    script = ROOT / "deploy" / "temporal" / "namespace.sh"
    for _ in range(2):
        result = subprocess.run(
            ["sh", script], check=False, env=environment, capture_output=True, text=True, timeout=120
        )
        assert result.returncode == 0, result.stderr
    return temporal


@pytest.fixture(scope="module")
def containers(
    tmp_path_factory: pytest.TempPathFactory, secrets: Path, postgres: PostgresCluster, temporal_with_namespace: str
) -> Iterator[ContainerProcesses]:
    """The containers after `migrate`, before API and workers start."""
    local_names = {"postgres:5432": f"127.0.0.1:{postgres.port}", "temporal:7233": temporal_with_namespace}
    processes = ContainerProcesses(tmp_path_factory.mktemp("containers"), secrets, local_names)
    migrate = processes.create("migrate")
    migrate.start()
    assert migrate.wait() == 0, migrate.log.read_text()

    yield processes

    processes.close()


@pytest.fixture(scope="module")
async def running(containers: ContainerProcesses) -> ContainerProcesses:
    """All containers, running and healthy."""
    names = [name for name in ENGINE_SERVICES if name != "migrate"]
    for name in names:
        containers.create(name).start()
    for name in names:
        await asyncio.to_thread(wait_until, partial(containers.is_healthy, name), f"{name} to be healthy")
    return containers


async def test_job_prepares_the_namespace(temporal_with_namespace: str) -> None:
    client = await connect(Settings(temporal_address=temporal_with_namespace, temporal_namespace=NAMESPACE))

    assert await describe_namespace(client) == (timedelta(days=7), ATTRIBUTES)


def test_migration_succeeds_after_job(containers: ContainerProcesses) -> None:
    output = containers.processes[0].log.read_text()

    assert f"namespace {NAMESPACE} keeps closed visits for 7 days or longer" in output


def test_health_checks_fail_before_start(containers: ContainerProcesses) -> None:
    assert not containers.is_healthy("api-1")
    assert not containers.succeeds("api-1", compose.image_health_check())
    assert not containers.is_healthy("worker-1")


async def test_health_check_of_image_succeeds(running: ContainerProcesses) -> None:
    assert await asyncio.to_thread(running.succeeds, "api-1", compose.image_health_check())


async def test_consultation_starts_on_deployed_system(running: ContainerProcesses, secrets: Path) -> None:
    jwt_secret = (secrets / "visit_jwt_secret").read_text()

    def client_as(role: str, port: int, **claims: object) -> httpx.AsyncClient:
        expires_at = datetime.now(UTC) + timedelta(hours=1)
        token_claims = {"sub": role, "name": role, "role": role, "exp": expires_at, **claims}
        headers = {"Authorization": f"Bearer {jwt.encode(token_claims, jwt_secret, 'HS256')}"}
        return httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60, trust_env=False)

    async with client_as("service", running.ports["api-1"]) as feed:
        await feed.put("/api/patients/1", json={"first_name": "Nora", "last_name": "Field", "birth_date": "1980-02-29"})
        await feed.put("/api/doctors/1", json={"name": "Dr. Weber", "specialization": "Cardiology"})
        await feed.put("/api/prestations/1", json={"name": "Echo", "exclusive": True, "expected_minutes": 20})
        appointment = {"patient_id": 1, "doctor_id": 1, "prestation_id": 1, "status": "confirmed"}
        created = await feed.put(
            "/api/appointments/1", json={**appointment, "scheduled_at": datetime.now(UTC).isoformat()}
        )
    async with client_as("doctor", running.ports["api-2"], doctor_id=1) as doctor:
        started = await doctor.post("/api/consultations", json={"appointment_id": 1, "patient_id": 1, "doctor_id": 1})

    assert created.status_code == 201, created.text
    assert started.status_code == 201, started.text


async def test_silent_worker_is_unhealthy(running: ContainerProcesses, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(running.folder)
    this_machine = os.uname().nodename
    settings = Settings(
        _env_file=None,
        temporal_address=running.local_names["temporal:7233"],
        temporal_namespace=NAMESPACE,
    )

    assert await is_polled(settings, this_machine, datetime.now(UTC))
    assert not await is_polled(settings, this_machine, datetime.now(UTC) + 2 * RECENT)
    assert not await is_polled(settings, "another-machine", datetime.now(UTC))


async def test_processes_stop_within_compose_limits(running: ContainerProcesses) -> None:
    processes = [process for process in running.processes if process.running]
    assert {process.name for process in processes} == set(ENGINE_SERVICES) - {"migrate"}

    for process in processes:
        process.signal(signal.SIGTERM)

    for process in processes:
        limit = seconds(SERVICES[process.name]["stop_grace_period"])
        assert await asyncio.to_thread(process.wait, limit) == 0, process.log.read_text()[-2000:]

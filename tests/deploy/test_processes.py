"""Each container of ours as a plain process: its exact command, variables, secrets and health check, on the real database and Temporal.

Only names are put in place of others: of hosts, of ports, and of the folder of secrets.
"""

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import jwt
import pytest

from patient_visit_engine.runtime import dev_server
from patient_visit_engine.runtime.settings import Settings
from patient_visit_engine.runtime.temporal import connect
from patient_visit_engine.worker.polling import RECENT, is_polled
from tests.cli.test_migrate import prepared
from tests.support import compose
from tests.support.cluster import PostgresCluster
from tests.support.compose import OURS, ROOT, SERVICES, seconds
from tests.support.processes import SpawnedProcess, eventually, free_port

NAMESPACE = SERVICES["temporal-namespace"]["environment"]["TEMPORAL_NAMESPACE"]


@dataclass
class Stack:
    """The containers of ours, by the names of their services."""

    folder: Path
    secrets: Path
    names: dict[str, str]
    ports: dict[str, int] = field(default_factory=lambda: {name: free_port() for name in OURS})
    parts: list[SpawnedProcess] = field(default_factory=list)

    def environment(self, name: str) -> dict[str, str]:
        """As in the file, with this machine's names."""
        handed = self.folder / f"{name}-secrets"
        if not handed.exists():
            handed.mkdir()
            for secret in SERVICES[name]["secrets"]:
                (handed / secret).write_text((self.secrets / secret).read_text())
        given = compose.environment(name) | {"VISIT_SECRETS_DIR": str(handed), "VISIT_HTTP_PORT": str(self.ports[name])}
        for theirs, ours in self.names.items():
            given = {key: value.replace(theirs, ours) for key, value in given.items()}
        return given

    def part(self, name: str) -> SpawnedProcess:
        part = SpawnedProcess(name, compose.command(name), self.environment(name), self.folder)
        self.parts.append(part)
        return part

    def is_healthy(self, name: str) -> bool:
        return self.answers(name, compose.health_check(name))

    def answers(self, name: str, check: list[str]) -> bool:
        asked = [word.replace("8000", str(self.ports[name])) for word in check]
        patience = seconds(SERVICES[name]["healthcheck"]["timeout"])
        environment = os.environ | self.environment(name)
        checked = subprocess.run(
            asked, check=False, env=environment, cwd=self.folder, capture_output=True, timeout=patience
        )
        return checked.returncode == 0

    def close(self) -> None:
        for part in self.parts:
            part.kill()


@pytest.fixture(scope="module")
def temporal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Temporal server without the namespace, which the job of the file then registers."""
    folder = tmp_path_factory.mktemp("temporal")
    port, ui_port = free_port(), free_port()
    command = dev_server.command(Settings(_env_file=None, data_dir=folder, temporal_port=port, ui_port=ui_port))  # type: ignore[call-arg]
    while "--search-attribute" in command:
        at = command.index("--search-attribute")
        del command[at : at + 2]
    server = SpawnedProcess("temporal", command, {}, folder)
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop()


@pytest.fixture(scope="module")
def registered(temporal: str) -> str:
    """The server after the job, which is run twice as on every start of the system."""
    tools = str(dev_server.executable().parent)
    environment = os.environ | SERVICES["temporal-namespace"]["environment"]
    environment |= {"TEMPORAL_ADDRESS": temporal, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
    script = ROOT / "deploy" / "temporal" / "namespace.sh"
    for _ in range(2):
        ran = subprocess.run(["sh", script], check=False, env=environment, capture_output=True, text=True, timeout=120)
        assert ran.returncode == 0, ran.stderr
    return temporal


@pytest.fixture(scope="module")
def containers(
    tmp_path_factory: pytest.TempPathFactory, secrets: Path, postgres: PostgresCluster, registered: str
) -> Iterator[Stack]:
    """The containers of ours, after `migrate`."""
    names = {"postgres:5432": f"127.0.0.1:{postgres.port}", "temporal:7233": registered}
    built = Stack(tmp_path_factory.mktemp("containers"), secrets, names)
    migrate = built.part("migrate")
    migrate.start()
    assert migrate.wait() == 0, migrate.log.read_text()
    yield built
    built.close()


@pytest.fixture(scope="module")
async def running(containers: Stack) -> Stack:
    """All of them, in health."""
    for name in OURS:
        if name != "migrate":
            containers.part(name).start()
    for name in OURS:
        if name != "migrate":
            await asyncio.to_thread(eventually, lambda name=name: containers.is_healthy(name), f"{name} to be healthy")
    return containers


async def test_the_job_prepares_the_namespace_as_the_engine_wants_it(registered: str) -> None:
    client = await connect(Settings(temporal_address=registered, temporal_namespace=NAMESPACE))

    assert await prepared(client) == (timedelta(days=7), {"PatientId": 3, "VisitDay": 2})


def test_the_migration_after_it_ends_well(containers: Stack) -> None:
    said = containers.parts[0].log.read_text()

    assert f"namespace {NAMESPACE} keeps closed visits for 7 days or longer" in said


def test_nothing_is_healthy_before_it_runs(containers: Stack) -> None:
    assert not containers.is_healthy("api-1")
    assert not containers.answers("api-1", compose.images_health_check())
    assert not containers.is_healthy("worker-1")


async def test_the_image_asks_after_the_health_of_an_api_as_compose_does(running: Stack) -> None:
    assert await asyncio.to_thread(running.answers, "api-1", compose.images_health_check())


async def test_a_consultation_starts_on_the_system_as_it_is_deployed(running: Stack, secrets: Path) -> None:
    key = (secrets / "visit_jwt_secret").read_text()

    def staff(role: str, port: int, **claims: object) -> httpx.AsyncClient:
        told = {"sub": role, "name": role, "role": role, "exp": datetime.now(UTC) + timedelta(hours=1), **claims}
        bearer = {"Authorization": f"Bearer {jwt.encode(told, key, 'HS256')}"}
        return httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=bearer, timeout=60, trust_env=False)

    async with staff("service", running.ports["api-1"]) as feed:
        await feed.put("/api/patients/1", json={"first_name": "Nora", "last_name": "Field", "birth_date": "1980-02-29"})
        await feed.put("/api/doctors/1", json={"name": "Dr. Weber", "specialization": "Cardiology"})
        await feed.put("/api/prestations/1", json={"name": "Echo", "exclusive": True, "expected_minutes": 20})
        appointment = {"patient_id": 1, "doctor_id": 1, "prestation_id": 1, "status": "confirmed"}
        made = await feed.put(
            "/api/appointments/1", json={**appointment, "scheduled_at": datetime.now(UTC).isoformat()}
        )
    async with staff("doctor", running.ports["api-2"], doctor_id=1) as doctor:
        started = await doctor.post("/api/consultations", json={"appointment_id": 1, "patient_id": 1, "doctor_id": 1})

    assert made.status_code == 201, made.text
    assert started.status_code == 201, started.text


async def test_a_worker_that_has_not_asked_for_a_while_is_not_healthy(
    running: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(running.folder)
    here = os.uname().nodename
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]
        temporal_address=running.names["temporal:7233"],
        temporal_namespace=NAMESPACE,
    )

    assert await is_polled(settings, here, datetime.now(UTC))
    assert not await is_polled(settings, here, datetime.now(UTC) + 2 * RECENT)
    assert not await is_polled(settings, "another-machine", datetime.now(UTC))


async def test_each_process_ends_by_itself_within_the_time_that_compose_gives_it(running: Stack) -> None:
    kept = [part for part in running.parts if part.running]
    assert {part.name for part in kept} == set(OURS) - {"migrate"}

    for part in kept:
        part.signal(signal.SIGTERM)

    for part in kept:
        given = seconds(SERVICES[part.name]["stop_grace_period"])
        assert await asyncio.to_thread(part.wait, given) == 0, part.log.read_text()[-2000:]

"""The two systems that the benchmark measures, floor and engine: how each is prepared and started."""

import asyncio
import contextlib
import secrets
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic

import jwt
from pydantic import SecretStr
from sqlalchemy import Connection, insert
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

from bench import opening
from bench.floor import activity
from bench.plan import Appointment, Plan
from bench.processes import ProcessGroup, free_port
from patient_visit_engine.runtime import dev_server
from patient_visit_engine.runtime.settings import Settings
from patient_visit_engine.storage import migrations
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.tables import appointments, doctors, patients, prestations
from patient_visit_engine.visit.codes import AppointmentStatus

TEMPORAL_TIMEOUT = 30.0
#: Appointments this far away are of today, and their visits are not opened ahead.
NOT_YET_DUE = timedelta(hours=3)


class System(ABC):
    """A system under test: Temporal server, SQLite database, one worker and one API in `folder`."""

    name: str
    #: The SQL query that counts completed consultations.
    completed_query: str

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(
            _env_file=None,
            data_dir=folder,
            temporal_port=free_port(),
            ui_port=free_port(),
            http_port=free_port(),
            timezone=_timezone_at_noon(),
            jwt_secret=SecretStr(secrets.token_hex(32)),
        )

    @property
    def port(self) -> int:
        """The port of the API."""
        return self.settings.http_port

    @property
    def database_file(self) -> Path:
        return self.settings.data_dir / "visits.db"

    async def start(self, processes: ProcessGroup, plan: Plan) -> None:
        """Create the database, then start the Temporal server, the worker and the API."""
        processes.start("server", dev_server.server_command(self.settings))
        await asyncio.to_thread(self.create_database, plan)
        await _wait_for_temporal(self.settings)
        self.start_processes(processes)

    @abstractmethod
    def create_database(self, plan: Plan) -> None:
        """Write the schema and the master data of the plan. Blocks."""

    @abstractmethod
    def start_processes(self, processes: ProcessGroup) -> None:
        """Start worker and API."""

    async def open_visits_ahead(self, plan: Plan, cpu_seconds: Callable[[], dict[str, float]]) -> dict[str, float]:
        """Open the visits of `plan.opened_ahead`, if the system can. Returns the CPU seconds of one opening, by process."""
        return {}

    @abstractmethod
    def doctor_headers(self, doctor_id: int) -> dict[str, str]:
        """The HTTP headers of each request of this doctor."""


class FloorSystem(System):
    """The smallest program with the engine's design. See `bench.floor`."""

    name = "floor"
    completed_query = "SELECT count(*) FROM consultations WHERE status = 'completed'"

    def create_database(self, plan: Plan) -> None:
        with contextlib.closing(activity.connect(self.database_file)) as connection:
            connection.executescript(activity.SCHEMA)

    def start_processes(self, processes: ProcessGroup) -> None:
        temporal, database, port = self.settings.effective_temporal_address, str(self.database_file), str(self.port)
        processes.start("worker", [sys.executable, "-m", "bench.floor.worker", temporal, database])
        processes.start("api", [sys.executable, "-m", "bench.floor.api", temporal, port])

    def doctor_headers(self, doctor_id: int) -> dict[str, str]:
        return {}


class EngineSystem(System):
    """The engine as in production: one `visit-engine worker`, one `visit-engine api`."""

    name = "engine"
    completed_query = "SELECT count(*) FROM patient_trackings WHERE status = 'completed' AND outcome = 'done'"

    def create_database(self, plan: Plan) -> None:
        migrations.upgrade(self.settings.effective_database_url)
        asyncio.run(_insert_master_data(self.settings.effective_database_url, plan))

    def start_processes(self, processes: ProcessGroup) -> None:
        settings = {
            "VISIT_DATA_DIR": str(self.settings.data_dir),
            "VISIT_TEMPORAL_PORT": str(self.settings.temporal_port),
            "VISIT_HTTP_PORT": str(self.port),
            "VISIT_TIMEZONE": self.settings.timezone,
            "VISIT_JWT_SECRET": self._jwt_secret(),
            # `open_visits_ahead` opens them all at once. The worker would take minutes, and repeat the calls during the timed ones.
            "VISIT_OPEN_AHEAD": "0",
            # One of its doctors sends as much as many people.
            "VISIT_COMMANDS_PER_MINUTE": "0",
        }
        processes.start("worker", [sys.executable, "-m", "patient_visit_engine.cli", "worker"], settings)
        processes.start("api", [sys.executable, "-m", "patient_visit_engine.cli", "api"], settings)

    async def open_visits_ahead(self, plan: Plan, cpu_seconds: Callable[[], dict[str, float]]) -> dict[str, float]:
        return await opening.open_visits_ahead(self.settings, plan, cpu_seconds)

    def doctor_headers(self, doctor_id: int) -> dict[str, str]:
        claims = {
            "sub": f"bench-{doctor_id}",
            "name": f"Doctor {doctor_id}",
            "role": "doctor",
            "doctor_id": doctor_id,
            "exp": datetime.now(UTC) + timedelta(hours=1),
        }
        return {"Authorization": f"Bearer {jwt.encode(claims, self._jwt_secret(), 'HS256')}"}

    def _jwt_secret(self) -> str:
        secret = self.settings.jwt_secret
        assert secret is not None
        return secret.get_secret_value()


async def _wait_for_temporal(settings: Settings) -> None:
    deadline = monotonic() + TEMPORAL_TIMEOUT
    request = DescribeNamespaceRequest(namespace=settings.temporal_namespace)
    while True:
        try:
            client = await Client.connect(settings.effective_temporal_address)
            await client.workflow_service.describe_namespace(request)
        except (RPCError, RuntimeError):
            if monotonic() > deadline:
                raise
            await asyncio.sleep(0.05)
        else:
            return


async def _insert_master_data(url: str, plan: Plan) -> None:
    database = Database(url)
    try:
        await database.write(_write_master_data, plan)
    finally:
        await database.close()


def _write_master_data(connection: Connection, plan: Plan) -> None:
    now = datetime.now(UTC)
    connection.execute(insert(doctors), [{"id": doctor, "name": f"Dr. {doctor}"} for doctor in plan.doctors])
    connection.execute(
        insert(patients),
        [{"id": patient, "first_name": "Patient", "last_name": str(patient)} for patient in plan.patients],
    )
    connection.execute(insert(prestations).values(id=1, name="Cardiology", exclusive=True, expected_minutes=20))
    _write_appointments(connection, plan.opened_ahead(), now)
    _write_appointments(connection, plan.not_opened_ahead(), now + NOT_YET_DUE)


def _write_appointments(connection: Connection, planned: Sequence[Appointment], at: datetime) -> None:
    same_for_all = {"prestation_id": 1, "scheduled_at": at, "status": AppointmentStatus.confirmed.value}
    rows = [
        {"id": appointment.id, "patient_id": appointment.patient_id, "doctor_id": appointment.doctor_id} | same_for_all
        for appointment in planned
    ]
    connection.execute(insert(appointments), rows)


def _timezone_at_noon() -> str:
    """A time zone in which it is about noon.

    If the hospital day ended within a round, its known patients would be fresh again.
    """
    return f"Etc/GMT{datetime.now(UTC).hour - 12:+d}"

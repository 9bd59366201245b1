"""The two that are measured, floor and engine: how each is prepared, started and read afterwards; it must not time anything."""

import asyncio
import contextlib
import secrets
import sqlite3
import sys
from abc import ABC, abstractmethod
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic

import jwt
from pydantic import SecretStr
from sqlalchemy import Connection, insert
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

from bench.floor import activity as floor
from bench.plan import Plan
from bench.processes import Processes, free_port
from patient_visit_engine.runtime import dev_server
from patient_visit_engine.runtime.settings import Settings
from patient_visit_engine.storage import migrations
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.tables import appointments, doctors, patients, prestations
from patient_visit_engine.visit.codes import AppointmentStatus

SERVER_WITHIN = 30.0


class Subject(ABC):
    """What can be measured: `start` it, send it requests with `headers_of` each doctor, count its `completed` rows."""

    name: str
    completed: str

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(
            _env_file=None,
            data_dir=folder,
            temporal_port=free_port(),
            ui_port=free_port(),
            http_port=free_port(),
            timezone=_where_it_is_noon(),
            jwt_secret=SecretStr(secrets.token_hex(32)),
        )

    @property
    def port(self) -> int:
        return self.settings.http_port

    @property
    def file(self) -> Path:
        return self.settings.data_dir / "visits.db"

    async def start(self, processes: Processes, plan: Plan) -> None:
        """Make the database and run server, worker and API on it."""
        processes.start("server", dev_server.command(self.settings))
        await asyncio.to_thread(self.prepare, plan)
        await _answers(self.settings)
        self.run(processes)

    @abstractmethod
    def prepare(self, plan: Plan) -> None:
        """Write schema and master data. Blocks."""

    @abstractmethod
    def run(self, processes: Processes) -> None:
        """Start worker and API."""

    @abstractmethod
    def headers_of(self, doctor_id: int) -> dict[str, str]:
        """What this doctor sends with each request."""


class Floor(Subject):
    """The least that the design can be; see `bench.floor`."""

    name = "floor"
    completed = "SELECT count(*) FROM consultations WHERE status = 'completed'"

    def prepare(self, plan: Plan) -> None:
        with contextlib.closing(floor.connect(self.file)) as connection:
            connection.executescript(floor.SCHEMA)

    def run(self, processes: Processes) -> None:
        processes.start("worker", [sys.executable, "-m", "bench.floor.worker", self.settings.temporal, str(self.file)])
        processes.start("api", [sys.executable, "-m", "bench.floor.api", self.settings.temporal, str(self.port)])

    def headers_of(self, doctor_id: int) -> dict[str, str]:
        return {}


class Engine(Subject):
    """The engine as production runs it: one `visit-engine worker`, one `visit-engine api`."""

    name = "engine"
    completed = "SELECT count(*) FROM patient_trackings WHERE status = 'completed' AND outcome = 'done'"

    def prepare(self, plan: Plan) -> None:
        migrations.upgrade(self.settings.database)
        asyncio.run(_admit(self.settings.database, plan))

    def run(self, processes: Processes) -> None:
        secret = self.settings.jwt_secret
        assert secret is not None
        settings = {
            "VISIT_DATA_DIR": str(self.settings.data_dir),
            "VISIT_TEMPORAL_PORT": str(self.settings.temporal_port),
            "VISIT_HTTP_PORT": str(self.port),
            "VISIT_TIMEZONE": self.settings.timezone,
            "VISIT_JWT_SECRET": secret.get_secret_value(),
        }
        processes.start("worker", [sys.executable, "-m", "patient_visit_engine.cli", "worker"], settings)
        processes.start("api", [sys.executable, "-m", "patient_visit_engine.cli", "api"], settings)

    def headers_of(self, doctor_id: int) -> dict[str, str]:
        claims = {
            "sub": f"bench-{doctor_id}",
            "name": f"Doctor {doctor_id}",
            "role": "doctor",
            "doctor_id": doctor_id,
            "exp": datetime.now(UTC) + timedelta(hours=1),
        }
        secret = self.settings.jwt_secret
        assert secret is not None
        return {"Authorization": f"Bearer {jwt.encode(claims, secret.get_secret_value(), 'HS256')}"}


def audit(subject: Subject, plan: Plan) -> list[str]:
    """What the database contradicts: the rule, the log's order, or the number of rows that the round has to leave."""
    wrong: list[str] = []
    with contextlib.closing(sqlite3.connect(f"file:{subject.file}?mode=ro", uri=True)) as connection:
        completed = connection.execute(subject.completed).fetchone()[0]
        if completed != plan.completed:
            wrong.append(f"{completed} consultations completed, not {plan.completed}")
        holder: dict[int, str] = {}
        counted = dict.fromkeys(("consultation.started", "consultation.completed", "consultation.blocked"), 0)
        query = "SELECT seq, name, patient_id, consultation_id FROM events ORDER BY seq"
        for position, (seq, name, patient_id, consultation_id) in enumerate(connection.execute(query), 1):
            if seq != position:
                wrong.append(f"position {seq} of the log where {position} was due")
                break
            counted[name] = counted.get(name, 0) + 1
            if name == "consultation.started" and holder.setdefault(patient_id, consultation_id) != consultation_id:
                wrong.append(f"patient {patient_id} was in two consultations at position {seq}")
            if name == "consultation.completed" and holder.pop(patient_id, None) != consultation_id:
                wrong.append(f"patient {patient_id} left a consultation at position {seq} without being in it")
    due = {
        "consultation.started": plan.completed,
        "consultation.completed": plan.completed,
        "consultation.blocked": plan.blocked,
    }
    wrong += [
        f"{counted[name]} {name} in the log, not {number}" for name, number in due.items() if counted[name] != number
    ]
    return wrong


async def _answers(settings: Settings) -> None:
    deadline = monotonic() + SERVER_WITHIN
    asked = DescribeNamespaceRequest(namespace=settings.temporal_namespace)
    while True:
        try:
            client = await Client.connect(settings.temporal)
            await client.workflow_service.describe_namespace(asked)
        except (RPCError, RuntimeError):
            if monotonic() > deadline:
                raise
            await asyncio.sleep(0.05)
        else:
            return


async def _admit(url: str, plan: Plan) -> None:
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
    booked = {"prestation_id": 1, "scheduled_at": now, "status": AppointmentStatus.confirmed.value}
    connection.execute(
        insert(appointments),
        [
            {"id": one.id, "patient_id": one.patient_id, "doctor_id": one.doctor_id} | booked
            for one in plan.appointments()
        ],
    )


def _where_it_is_noon() -> str:
    """A time zone whose midnight is far away: a day that ends within a round would make known patients fresh."""
    return f"Etc/GMT{datetime.now(UTC).hour - 12:+d}"

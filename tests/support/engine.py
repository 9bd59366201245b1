"""A whole hospital for a test: Temporal server, worker and API as real processes on free ports, spoken to over HTTP."""

import asyncio
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt
from sqlalchemy import Connection, insert, text

from patient_visit_engine.runtime import dev_server
from patient_visit_engine.runtime.settings import Settings
from patient_visit_engine.storage import migrations
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.tables import appointments, doctors, patients, prestations
from tests.support.processes import SpawnedProcess, eventually, free_port

SECRET = "a secret of more than thirty-two bytes, for tests alone"
CARDIOLOGY, X_RAY = 1, 2
HERE = Path(__file__).parent


class Engine:
    """The running system, its staff's tokens, and its database for what only the database can say."""

    def __init__(self, folder: Path, **settings: str) -> None:
        ports = {name: str(free_port()) for name in ("HTTP_PORT", "UI_PORT", "TEMPORAL_PORT")}
        named = {f"VISIT_{name.upper()}": value for name, value in settings.items()}
        self.folder = folder
        self.environment = {
            **{f"VISIT_{name}": port for name, port in ports.items()},
            "VISIT_DATA_DIR": str(folder),
            "VISIT_JWT_SECRET": SECRET,
            **named,
        }
        kept = {name.removeprefix("VISIT_").lower(): value for name, value in self.environment.items()}
        self.settings = Settings(_env_file=None, **kept)  # type: ignore[call-arg, arg-type]
        self.url = f"http://127.0.0.1:{self.settings.http_port}"
        self.temporal = self.part("temporal", dev_server.command(self.settings))
        self.worker = self.part("worker", [sys.executable, "-m", "patient_visit_engine.worker"])
        self.api = self.part("api", [sys.executable, "-m", "patient_visit_engine.cli", "api"])
        self.others: list[SpawnedProcess] = []
        self.database = Database(self.settings.database)

    def part(self, name: str, command: list[str]) -> SpawnedProcess:
        return SpawnedProcess(name, command, self.environment, self.folder)

    def faulty_worker(self, fault: str) -> SpawnedProcess:
        """A worker that comes to a halt at `fault` and says so in a file (see `faulty_worker.py`)."""
        part = self.part(f"worker-{fault}", [sys.executable, "-m", "tests.support.faulty_worker", fault])
        part._environment = part._environment | {"PYTHONPATH": str(HERE.parent.parent)}
        self.others.append(part)
        return part

    def halted(self) -> bool:
        return (self.folder / "halted").exists()

    async def open(self) -> None:
        await asyncio.to_thread(migrations.upgrade, self.settings.database)
        await self.database.write(_staff)
        self.temporal.start()
        self.worker.start()
        self.api.start()
        await self.ready()

    async def ready(self) -> None:
        """Wait until the API says that all it depends on is there."""
        async with httpx.AsyncClient() as client:
            end = time.monotonic() + 60
            while True:
                try:
                    answer = await client.get(f"{self.url}/readyz")
                    if answer.status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                assert time.monotonic() < end, f"not ready: {self.api.log.read_text()[-2000:]}"
                await asyncio.sleep(0.05)

    async def close(self) -> None:
        for part in (self.api, self.worker, *self.others, self.temporal):
            await asyncio.to_thread(part.stop)
        await self.database.close()

    async def admit(self, patient_id: int, doctor_ids: Mapping[int, int], prestation_id: int = CARDIOLOGY) -> None:
        """One patient with today's appointments: by id, the doctor of each."""

        def write(connection: Connection) -> None:
            if not connection.scalar(text("SELECT 1 FROM patients WHERE id = :id"), {"id": patient_id}):
                connection.execute(
                    insert(patients).values(id=patient_id, first_name="John", last_name=f"Doe{patient_id}")
                )
            rows = [
                {
                    "id": appointment_id,
                    "patient_id": patient_id,
                    "doctor_id": doctor_id,
                    "prestation_id": prestation_id,
                    "scheduled_at": datetime.now(UTC),
                    "status": 1,
                }
                for appointment_id, doctor_id in doctor_ids.items()
            ]
            connection.execute(insert(appointments), rows)

        await self.database.write(write)

    def staff(
        self, role: str, doctor_id: int | None = None, lasts: timedelta = timedelta(hours=1)
    ) -> httpx.AsyncClient:
        """A client that carries the token of one member of staff."""
        claims: dict[str, Any] = {
            "sub": f"{role}-{doctor_id or ''}",
            "exp": datetime.now(UTC) + lasts,
            "role": role,
            "name": f"{role} {doctor_id or ''}",
        }
        if doctor_id is not None:
            claims["doctor_id"] = doctor_id
        token = jwt.encode(claims, SECRET, "HS256")
        # The server closes what is idle for five seconds: a client that would use it until then meets the end sometimes.
        limits = httpx.Limits(keepalive_expiry=2)
        return httpx.AsyncClient(
            base_url=self.url, headers={"Authorization": f"Bearer {token}"}, timeout=60, limits=limits
        )

    async def start(
        self, doctor_id: int, patient_id: int, appointment_id: int, key: str | None = None, **more: Any
    ) -> httpx.Response:
        """A doctor presses Start."""
        headers = {} if key is None else {"Idempotency-Key": key}
        body = {"appointment_id": appointment_id, "patient_id": patient_id, "doctor_id": doctor_id, **more}
        async with self.staff("doctor", doctor_id) as doctor:
            return await doctor.post("/api/consultations", json=body, headers=headers)

    async def complete(self, doctor_id: int, consultation_id: str, key: str | None = None) -> httpx.Response:
        """A doctor presses Complete."""
        headers = {} if key is None else {"Idempotency-Key": key}
        async with self.staff("doctor", doctor_id) as doctor:
            return await doctor.post(f"/api/consultations/{consultation_id}/complete", headers=headers)

    async def rows(self, query: str, **values: Any) -> list[dict[str, Any]]:
        """What the database itself says."""

        def read(connection: Connection) -> list[dict[str, Any]]:
            return [dict(row) for row in connection.execute(text(query), values).mappings()]

        return await self.database.read(read)

    async def events(self, patient_id: int, name: str | None = None) -> list[dict[str, Any]]:
        """The log's events about one patient, in order."""
        found = await self.rows("SELECT * FROM events WHERE patient_id = :p ORDER BY seq", p=patient_id)
        return [event for event in found if name in (None, event["name"])]


def _staff(connection: Connection) -> None:
    connection.execute(insert(doctors), [{"id": n, "name": f"Dr. {n}"} for n in range(1, 51)])
    services = [
        {"id": CARDIOLOGY, "name": "Cardiology", "exclusive": True, "expected_minutes": 20},
        {"id": X_RAY, "name": "X-ray", "exclusive": False, "expected_minutes": 10},
    ]
    connection.execute(insert(prestations), services)


async def eventually_true(holds: Any, what: str, patience: float = 60.0) -> None:
    """Wait until `await holds()`; fail with `what` when it does not in time."""
    end = time.monotonic() + patience
    while not await holds():
        assert time.monotonic() < end, f"not in {patience} s: {what}"
        await asyncio.sleep(0.02)


__all__ = ["CARDIOLOGY", "X_RAY", "Engine", "eventually", "eventually_true"]

"""The whole engine for a test: Temporal server, worker and API as real processes on free ports, used over HTTP."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, date, datetime, timedelta
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
from tests.support.clocks import morning_zone
from tests.support.ports import free_port
from tests.support.processes import SpawnedProcess
from tests.support.waiting import wait_until_async

SECRET = "a secret of more than thirty-two bytes, for tests alone"
CARDIOLOGY, X_RAY = 1, 2
ROOT = Path(__file__).parents[2]
#: For the clients of plain HTTP. Otherwise each new client reads the certificates of all authorities, which takes longer than a call.
NO_CERTIFICATES = False


class Engine:
    """The running system, HTTP clients with tokens of its staff, and direct access to its database."""

    def __init__(self, folder: Path, **settings: str) -> None:
        ports = {name: str(free_port()) for name in ("HTTP_PORT", "UI_PORT", "TEMPORAL_PORT")}
        overrides = {f"VISIT_{name.upper()}": value for name, value in settings.items()}
        self.folder = folder
        self.environment = {
            **{f"VISIT_{name}": port for name, port in ports.items()},
            "VISIT_DATA_DIR": str(folder),
            "VISIT_JWT_SECRET": SECRET,
            "VISIT_TIMEZONE": morning_zone().key,
            # Whether a worker opens visits ahead depends on the load of the machine.
            "VISIT_OPEN_AHEAD": "0",
            # A test sends faster than a person.
            "VISIT_COMMANDS_PER_MINUTE": "0",
            **overrides,
        }
        values: dict[str, Any] = {
            name.removeprefix("VISIT_").lower(): value for name, value in self.environment.items()
        }
        self.settings = Settings(_env_file=None, **values)
        self.url = f"http://127.0.0.1:{self.settings.http_port}"
        self.temporal = self.new_process("temporal", dev_server.server_command(self.settings))
        self.worker = self.new_process("worker", [sys.executable, "-m", "patient_visit_engine.cli", "worker"])
        self.api = self.new_process("api", [sys.executable, "-m", "patient_visit_engine.cli", "api"])
        self.others: list[SpawnedProcess] = []
        self.database = Database(self.settings.effective_database_url)

    def new_process(self, name: str, command: list[str]) -> SpawnedProcess:
        """A process with the settings of this engine; the caller starts it."""
        return SpawnedProcess(name, command, self.environment, self.folder)

    def faulty_worker(self, fault: str) -> SpawnedProcess:
        """A worker that halts at `fault` and then writes a file (see `faulty_worker.py`)."""
        worker = self.new_process(f"worker-{fault}", [sys.executable, "-m", "tests.support.faulty_worker", fault])
        worker._environment = worker._environment | {"PYTHONPATH": _python_path()}
        self.others.append(worker)
        return worker

    def has_halted(self) -> bool:
        """True when the faulty worker has halted."""
        return (self.folder / "halted").exists()

    @property
    def today(self) -> date:
        """The current hospital day. It is not always the date in UTC."""
        return self.settings.calendar.day_of(datetime.now(UTC))

    async def open(self) -> None:
        """Create the schema and the staff, start all processes, and wait until the API is ready."""
        await asyncio.to_thread(migrations.upgrade, self.settings.effective_database_url)
        await self.database.write(_insert_staff)
        self.temporal.start()
        self.worker.start()
        self.api.start()
        await self.wait_until_ready()

    async def wait_until_ready(self) -> None:
        """Wait until the API and everything that it depends on are ready."""
        try:
            await wait_until_ready(self.url)
        except AssertionError as failure:
            raise AssertionError(f"{failure}; the API's log ends with: {self.api.log.read_text()[-2000:]}") from None

    async def repair(self) -> None:
        """End the other processes of a test, and start again what it stopped."""
        for process in self.others:
            await asyncio.to_thread(process.kill)
        self.others.clear()
        (self.folder / "halted").unlink(missing_ok=True)
        for process in (self.temporal, self.worker, self.api):
            if not process.running:
                process.start()
        await self.wait_until_ready()

    async def close(self) -> None:
        """Stop all processes. Temporal is killed, because its orderly stop takes long and no test needs it."""
        await asyncio.gather(*(asyncio.to_thread(process.stop) for process in (self.api, self.worker, *self.others)))
        await asyncio.to_thread(self.temporal.kill)
        await self.database.close()

    async def admit(self, patient_id: int, doctor_ids: Mapping[int, int], prestation_id: int = CARDIOLOGY) -> None:
        """Add a patient with appointments of today. `doctor_ids` maps each appointment's id to its doctor."""

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
        self, role: str, doctor_id: int | None = None, lifetime: timedelta = timedelta(hours=1)
    ) -> httpx.AsyncClient:
        """A client with the token of one member of staff."""
        claims: dict[str, Any] = {
            "sub": f"{role}-{doctor_id or ''}",
            "exp": datetime.now(UTC) + lifetime,
            "role": role,
            "name": f"{role} {doctor_id or ''}",
        }
        if doctor_id is not None:
            claims["doctor_id"] = doctor_id
        token = jwt.encode(claims, SECRET, "HS256")
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=60, verify=NO_CERTIFICATES)

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

    async def metrics(self) -> str:
        """The metrics of the API, as Prometheus text."""
        async with httpx.AsyncClient(verify=NO_CERTIFICATES) as client:
            return (await client.get(f"{self.url}/metrics")).text

    async def rows(self, query: str, **values: Any) -> list[dict[str, Any]]:
        """Run the query directly on the database."""

        def read(connection: Connection) -> list[dict[str, Any]]:
            return [dict(row) for row in connection.execute(text(query), values).mappings()]

        return await self.database.read(read)

    async def events(self, patient_id: int, name: str | None = None) -> list[dict[str, Any]]:
        """The events of one patient in the log, in order; with `name`, only those."""
        events = await self.rows("SELECT * FROM events WHERE patient_id = :p ORDER BY seq", p=patient_id)
        return [event for event in events if name in (None, event["name"])]


#: Opens an engine with the settings of its keyword arguments.
OpenEngine = Callable[..., Awaitable[Engine]]


def _insert_staff(connection: Connection) -> None:
    connection.execute(insert(doctors), [{"id": n, "name": f"Dr. {n}"} for n in range(1, 51)])
    services = [
        {"id": CARDIOLOGY, "name": "Cardiology", "exclusive": True, "expected_minutes": 20},
        {"id": X_RAY, "name": "X-ray", "exclusive": False, "expected_minutes": 10},
    ]
    connection.execute(insert(prestations), services)


def _python_path() -> str:
    """The repository, so that `tests` can be imported, and the folders that are on the path already."""
    return os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])


async def wait_until_ready(url: str, path: str = "/readyz") -> None:
    """Wait until the API at this address and everything that it depends on are ready. With `/livez` only the API is ready."""
    async with httpx.AsyncClient(verify=NO_CERTIFICATES) as client:

        async def is_ready() -> bool:
            try:
                return (await client.get(f"{url}{path}", timeout=5)).status_code == 200
            except httpx.TransportError:
                return False

        await wait_until_async(is_ready, f"{url}{path} answers")

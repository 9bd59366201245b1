"""The system under test of the scaling benchmark: PostgreSQL, Temporal server, workers and APIs as processes."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import count, cycle
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import Connection, insert

from bench.scale.patient_day import PatientDay, SendRequest
from patient_visit_engine.storage.tables import appointments, patients
from tests.support.engine import CARDIOLOGY, X_RAY
from tests.support.replicas import Replicas

DOCTORS = 30


class MeasuredSystem:
    """The engine on PostgreSQL with `processes` workers and as many APIs."""

    def __init__(self, folder: Path, database_url: str, processes: int) -> None:
        self.engine = Replicas(folder, database_url, processes)
        self._patient_ids = count(1)
        self._clients: dict[tuple[int | None, str], httpx.AsyncClient] = {}

    async def open(self) -> None:
        await self.engine.open()

    async def add_patients(self, number: int) -> Sequence[PatientDay]:
        """Insert new patients with the appointments of a day."""
        days = [_build_day(next(self._patient_ids)) for _ in range(number)]
        await self.engine.database.write(_insert_days, days)
        return days

    def sender(self) -> SendRequest:
        """Sends the requests of one day, each to the next API in turn."""
        urls = cycle(url for _process, url in self.engine.apis)

        async def send(doctor: int | None, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
            response = await self._client(doctor, next(urls)).request(method, path, json=body)
            if response.status_code not in (200, 201, 409):
                raise SystemExit(f"{method} {path}: {response.status_code} {response.text}")
            content: dict[str, Any] = response.json()
            return content

        return send

    def _client(self, doctor: int | None, url: str) -> httpx.AsyncClient:
        if (doctor, url) not in self._clients:
            client = self.engine.staff("reception" if doctor is None else "doctor", doctor)
            client.base_url = httpx.URL(url)
            self._clients[doctor, url] = client
        return self._clients[doctor, url]

    async def close(self) -> None:
        for client in self._clients.values():
            await client.aclose()
        await self.engine.close()


def _build_day(number: int) -> PatientDay:
    doctor = number % (DOCTORS - 2) + 1
    appointment_ids = (number * 10 + 1, number * 10 + 2, number * 10 + 3)
    return PatientDay(number, appointment_ids, (doctor, doctor + 1, doctor + 2))


def _insert_days(connection: Connection, days: Sequence[PatientDay]) -> None:
    connection.execute(
        insert(patients), [{"id": day.patient, "first_name": "John", "last_name": "Doe"} for day in days]
    )
    rows = [
        {
            "id": appointment,
            "patient_id": day.patient,
            "doctor_id": doctor,
            "prestation_id": prestation,
            "scheduled_at": datetime.now(UTC),
            "status": 1,
        }
        for day in days
        for appointment, doctor, prestation in zip(
            day.appointments, day.doctors, (CARDIOLOGY, CARDIOLOGY, X_RAY), strict=True
        )
    ]
    connection.execute(insert(appointments), rows)

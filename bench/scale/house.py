"""The system under measurement: server, database, workers and APIs as processes, asked over HTTP; it must not count anything."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import count, cycle
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import Connection, insert

from bench.scale.day import Day
from patient_visit_engine.storage.tables import appointments, patients
from tests.support.replicas import Replicas

DOCTORS = 30
EXCLUSIVE, BESIDE = 1, 2


class House:
    """A hospital on PostgreSQL with as many workers and APIs as asked for."""

    def __init__(self, folder: Path, database_url: str, processes: int) -> None:
        self.hospital = Replicas(folder, database_url, processes)
        self.workers = self.hospital.workers
        self.apis = self.hospital.apis
        self._ids = count(1)
        self._clients: dict[tuple[int | None, str], httpx.AsyncClient] = {}

    async def open(self) -> None:
        await self.hospital.open()

    async def admit(self, number: int) -> Sequence[Day]:
        """So many patients with the appointments of a day."""
        days = [_a_day(next(self._ids)) for _ in range(number)]
        await self.hospital.database.write(_write, days)
        return days

    async def asking(self, day: Day) -> Any:
        """How this patient's day is asked for: through one API after the other."""
        urls = cycle(url for _part, url in self.apis)

        async def ask(doctor: int | None, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
            answer = await self._client(doctor, next(urls)).request(method, path, json=body)
            if answer.status_code not in (200, 201, 409):
                raise SystemExit(f"{method} {path}: {answer.status_code} {answer.text}")
            found: dict[str, Any] = answer.json()
            return found

        return ask

    def _client(self, doctor: int | None, url: str) -> httpx.AsyncClient:
        if (doctor, url) not in self._clients:
            client = self.hospital.staff("reception" if doctor is None else "doctor", doctor)
            client.base_url = httpx.URL(url)
            self._clients[doctor, url] = client
        return self._clients[doctor, url]

    async def close(self) -> None:
        for client in self._clients.values():
            await client.aclose()
        await self.hospital.close()


def _a_day(number: int) -> Day:
    first = number % (DOCTORS - 2) + 1
    booked = (number * 10 + 1, number * 10 + 2, number * 10 + 3)
    return Day(number, booked, (first, first + 1, first + 2))


def _write(connection: Connection, days: Sequence[Day]) -> None:
    connection.execute(
        insert(patients), [{"id": day.patient, "first_name": "John", "last_name": "Doe"} for day in days]
    )
    booked = [
        {
            "id": appointment,
            "patient_id": day.patient,
            "doctor_id": doctor,
            "prestation_id": BESIDE if place == 2 else EXCLUSIVE,
            "scheduled_at": datetime.now(UTC),
            "status": 1,
        }
        for day in days
        for place, (appointment, doctor) in enumerate(zip(day.appointments, day.doctors, strict=True))
    ]
    connection.execute(insert(appointments), booked)

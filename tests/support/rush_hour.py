"""A rush hour: doctors who press Start through whichever API answers, and screens that come back; it proves nothing."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx

from tests.support.engine import eventually_true
from tests.support.replicas import Replicas

Answer = tuple[int, Any]


@dataclass
class RushHour:
    """What was asked under which key, and what came back; `away` counts answers that said to come again."""

    hospital: Replicas
    chance: Random
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: dict[str, tuple[int, str, dict[str, Any] | None]] = field(default_factory=dict)
    away: int = 0
    strange: list[str] = field(default_factory=list)
    over: bool = False
    doing: list[asyncio.Task[None]] = field(default_factory=list)

    async def ask(self, doctor: int, key: str, path: str, body: dict[str, Any] | None = None) -> Answer:
        """Ask under one key, at one API or another, until it is decided."""
        self.asked[key] = (doctor, path, body)
        async with asyncio.timeout(150):
            while True:
                answer = await self._once(doctor, key, path, body)
                if answer is not None:
                    self.answers[key] = answer
                    return answer
                await asyncio.sleep(0.2)

    async def again(self, key: str) -> Answer:
        """What the same key is answered now."""
        async with asyncio.timeout(60):
            while True:
                answer = await self._once(*self._of(key))
                if answer is not None:
                    return answer
                await asyncio.sleep(0.2)

    def _of(self, key: str) -> tuple[int, str, str, dict[str, Any] | None]:
        doctor, path, body = self.asked[key]
        return doctor, key, path, body

    async def _once(self, doctor: int, key: str, path: str, body: dict[str, Any] | None) -> Answer | None:
        _part, url = self.chance.choice(self.hospital.apis)
        async with self.hospital.staff("doctor", doctor) as client:
            try:
                answer = await client.post(f"{url}{path}", json=body, headers={"Idempotency-Key": key})
            except httpx.TransportError:
                # The process is gone, or not there yet.
                return None
        if answer.status_code == 503:
            self.away += 1
            if "Retry-After" not in answer.headers:
                self.strange.append(f"503 without Retry-After: {answer.text}")
            return None
        if answer.status_code not in (200, 201, 409):
            self.strange.append(f"{answer.status_code} {answer.text}")
        return answer.status_code, answer.json()

    async def go_on(self, by: int) -> None:
        """Wait until so many more requests are decided: what comes next then happens in the thick of it."""
        until = len(self.answers) + by

        async def grown() -> bool:
            for task in self.doing:
                assert not task.done() or self.over, f"a patient's day is over already: {task}"
            return len(self.answers) >= until

        await eventually_true(grown, f"{by} more decisions", patience=90)

    async def whole_day(self, patient: int, doctors: Sequence[int], turns: int) -> None:
        """All these doctors have so many appointments each with the patient, and contend for one after the other."""
        for turn in range(turns):
            booked = {(patient * 100 + turn) * 100 + doctor: doctor for doctor in doctors}
            await self.hospital.admit(patient, booked)
            await self.contend(patient, booked)

    async def contend(self, patient: int, appointments: dict[int, int]) -> None:
        """Have all these doctors start at the same moment, and the one who may complete, until all have or it is over."""
        rounds = 0
        while appointments and not self.over:
            bodies = {
                doctor: {"appointment_id": appointment, "patient_id": patient, "doctor_id": doctor}
                for appointment, doctor in appointments.items()
            }
            starts = [
                self.ask(doctor, f"{body['appointment_id']}/{rounds}", "/api/consultations", body)
                for doctor, body in bodies.items()
            ]
            answers = await asyncio.gather(*starts)
            granted = [body for status, body in answers if status == 201]
            assert len(granted) <= 1, "two at once"
            for one in granted:
                path = f"/api/consultations/{one['id']}/complete"
                await self.ask(one["doctor_id"], f"{one['appointment_id']}/{rounds}/done", path)
                del appointments[one["appointment_id"]]
            rounds += 1


@dataclass
class RushHourScreen:
    """A reader of the stream that comes back at one API or another with its last id."""

    hospital: Replicas
    doctor: int
    chance: Random
    begun_at: int | None = None
    ids: list[int] = field(default_factory=list)
    last_id: str | None = None
    connections: int = 0
    resets: int = 0

    async def read(self) -> None:
        """Read for ever."""
        while True:
            _part, url = self.chance.choice(self.hospital.apis)
            headers = {} if self.last_id is None else {"Last-Event-ID": self.last_id}
            async with self.hospital.staff("doctor", self.doctor) as client:
                try:
                    async with client.stream("GET", f"{url}/api/events", headers=headers, timeout=20) as stream:
                        if stream.status_code == 200:
                            self.connections += 1
                            await self._take(stream)
                except httpx.TransportError:
                    pass
            await asyncio.sleep(0.1)

    async def has(self, ids: Sequence[int]) -> None:
        """Wait until as many events have come."""

        async def came() -> bool:
            return len(self.ids) >= len(ids)

        await eventually_true(came, f"{len(ids)} events on the screen of doctor {self.doctor}")

    async def _take(self, stream: httpx.Response) -> None:
        name, at = "", ""
        newest = -1
        async for line in stream.aiter_lines():
            if line.startswith("event: "):
                name = line[7:]
            elif line.startswith("id: "):
                at = line[4:]
            elif not line and name:
                self.last_id = at or self.last_id
                place = int(at.rpartition("-")[2]) if at else -1
                if name == "ready" and self.begun_at is None:
                    self.begun_at = place
                elif name == "reset":
                    self.resets += 1
                elif "." in name:
                    assert place > newest, "one connection, one event twice or out of order"
                    newest = place
                    if not self.ids or place > self.ids[-1]:
                        self.ids.append(place)
                name, at = "", ""


def as_json(answer: Answer) -> str:
    return json.dumps(answer, sort_keys=True)

"""A rush hour: doctors press Start at any API that answers, and screens reconnect to any API."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, NamedTuple

import httpx
from sqlalchemy.exc import IntegrityError

from patient_visit_engine.storage.database import is_unavailable
from tests.support.replicas import Replicas
from tests.support.waiting import wait_until_async

#: Status and body.
Answer = tuple[int, Any]


class RushHourRequest(NamedTuple):
    """A POST of one doctor."""

    doctor: int
    path: str
    body: dict[str, Any] | None


@dataclass
class RushHour:
    """Requests and their answers, by Idempotency-Key.

    `unavailable` counts answers 503. `unexpected` has the text of every answer that no client should get.
    """

    engine: Replicas
    random: Random
    answers: dict[str, Answer] = field(default_factory=dict)
    requests: dict[str, RushHourRequest] = field(default_factory=dict)
    unavailable: int = 0
    unexpected: list[str] = field(default_factory=list)
    over: bool = False
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def send(self, key: str, request: RushHourRequest) -> Answer:
        """Send the request, each time to a random API, until it is decided."""
        self.requests[key] = request
        self.answers[key] = await self._send_until_decided(key, seconds=150)
        return self.answers[key]

    async def send_again(self, key: str) -> Answer:
        """Send the same request again under the same key."""
        return await self._send_until_decided(key, seconds=60)

    async def _send_until_decided(self, key: str, seconds: float) -> Answer:
        what = f"the request {key} is decided"
        return await wait_until_async(lambda: self._send_once(key), what, seconds)

    async def _send_once(self, key: str) -> Answer | None:
        doctor, path, body = self.requests[key]
        _process, url = self.random.choice(self.engine.apis)
        async with self.engine.staff("doctor", doctor) as client:
            try:
                answer = await client.post(f"{url}{path}", json=body, headers={"Idempotency-Key": key})
            except httpx.TransportError:
                # The process is dead or still starting.
                return None
        if answer.status_code == 503:
            self.unavailable += 1
            if "Retry-After" not in answer.headers:
                self.unexpected.append(f"503 without Retry-After: {answer.text}")
            return None
        if answer.status_code not in (200, 201, 409):
            self.unexpected.append(f"{answer.status_code} {answer.text}")
        return answer.status_code, answer.json()

    async def wait_for_decisions(self, count: int) -> None:
        """Wait for so many more decisions, so that the next fault happens under load."""
        goal = len(self.answers) + count

        def has_grown() -> bool:
            for task in self.tasks:
                assert not task.done() or self.over, f"a patient's day has ended too early: {task}"
            return len(self.answers) >= goal

        await wait_until_async(has_grown, f"{count} more decisions", seconds=240)

    async def run_day(self, patient: int, doctors: Sequence[int], turns: int) -> None:
        """In each turn, all these doctors have an appointment with the patient and try to start it."""
        for turn in range(turns):
            doctor_ids = {(patient * 100 + turn) * 100 + doctor: doctor for doctor in doctors}
            await self._admit(patient, doctor_ids)
            await self.race(patient, doctor_ids)

    async def _admit(self, patient: int, doctor_ids: dict[int, int]) -> None:
        """Add the appointments of a turn, after the outage if the database is stopped now."""

        async def is_admitted() -> bool:
            try:
                await self.engine.admit(patient, doctor_ids)
            except IntegrityError:
                # The attempt before was committed, and the database stopped before its answer.
                return True
            except Exception as error:
                if not is_unavailable(error):
                    raise
                return False
            return True

        await wait_until_async(is_admitted, f"patient {patient} has appointments", seconds=150)

    async def race(self, patient: int, doctor_ids: dict[int, int]) -> None:
        """Have all doctors start at the same moment and the winner complete; repeat until all had their turn.

        Removes each completed appointment from `doctor_ids`. Stops early when the rush hour is over.
        """
        rounds = 0
        while doctor_ids and not self.over:
            starts = []
            for appointment, doctor in doctor_ids.items():
                body = {"appointment_id": appointment, "patient_id": patient, "doctor_id": doctor}
                request = RushHourRequest(doctor, "/api/consultations", body)
                starts.append(self.send(f"{appointment}/{rounds}", request))
            answers = await asyncio.gather(*starts)
            consultations = [body for status, body in answers if status == 201]
            assert len(consultations) <= 1, "two at the same time"
            for consultation in consultations:
                appointment, doctor = consultation["appointment_id"], consultation["doctor_id"]
                path = f"/api/consultations/{consultation['id']}/complete"
                await self.send(f"{appointment}/{rounds}/done", RushHourRequest(doctor, path, None))
                del doctor_ids[appointment]
            rounds += 1


@dataclass
class RushHourScreen:
    """A subscriber that reconnects to a random API with its last event id."""

    engine: Replicas
    doctor: int
    random: Random
    first_position: int | None = None
    positions: list[int] = field(default_factory=list)
    last_id: str | None = None
    connections: int = 0
    resets: int = 0

    async def read(self) -> None:
        """Read until the task is cancelled."""
        while True:
            _process, url = self.random.choice(self.engine.apis)
            headers = {} if self.last_id is None else {"Last-Event-ID": self.last_id}
            async with self.engine.staff("doctor", self.doctor) as client:
                try:
                    async with client.stream("GET", f"{url}/api/events", headers=headers, timeout=20) as stream:
                        if stream.status_code == 200:
                            self.connections += 1
                            await self._read_events(stream)
                except httpx.TransportError:
                    pass
            await asyncio.sleep(0.1)

    async def wait_for_count(self, count: int) -> None:
        """Wait until so many events have come."""
        what = f"{count} events on the screen of doctor {self.doctor}"
        await wait_until_async(lambda: len(self.positions) >= count, what)

    async def _read_events(self, stream: httpx.Response) -> None:
        name, event_id = "", ""
        newest = -1
        async for line in stream.aiter_lines():
            if line.startswith("event: "):
                name = line[7:]
            elif line.startswith("id: "):
                event_id = line[4:]
            elif not line and name:
                self.last_id = event_id or self.last_id
                position = int(event_id.rpartition("-")[2]) if event_id else -1
                if "." in name:
                    assert position > newest, "one connection sent an event twice or out of order"
                    newest = position
                self._add_event(name, position)
                name, event_id = "", ""

    def _add_event(self, name: str, position: int) -> None:
        if name == "ready" and self.first_position is None:
            self.first_position = position
        elif name == "reset":
            self.resets += 1
        elif "." in name and (not self.positions or position > self.positions[-1]):
            self.positions.append(position)


def as_json(answer: Answer) -> str:
    """The answer as text, to compare two answers."""
    return json.dumps(answer, sort_keys=True)

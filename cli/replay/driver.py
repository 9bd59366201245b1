"""Sends the requests of a replay plan to the running system over HTTP, compressed in time.

Each doctor has a separate token and each request has an Idempotency-Key. After an unknown answer (503 or a broken connection) the
driver sends the request again with the same key. So no command is carried out twice and none stays open.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

import httpx

from patient_visit_engine.cli.replay.plan import ReplayPlan, Step
from patient_visit_engine.cli.replay.request_sender import (
    MAX_SENDS,
    RESEND_PAUSE_SECONDS,
    RequestSender,
    problem_code,
)
from patient_visit_engine.cli.replay.tally import ReplayTally
from patient_visit_engine.cli.replay.tokens import Tokens
from patient_visit_engine.visit.calendar import to_rfc3339

#: Codes of refusals that are temporary: the patient will be free again.
TEMPORARY_REFUSALS = frozenset({"patient_in_consultation", "patient_reserved"})


class FeedError(Exception):
    """The system did not accept a record of the master data."""


@dataclass(frozen=True)
class Pace:
    """How much a recorded day is compressed, and how many requests may run at the same time."""

    speed: float
    max_concurrent: int
    retries: int
    #: Recorded seconds before a refused start is requested again.
    retry_after: float


class Driver:
    """Feeds the plan's master data, then starts and completes its steps. `run` is part of each Idempotency-Key."""

    def __init__(self, client: httpx.AsyncClient, tokens: Tokens, plan: ReplayPlan, pace: Pace, run: int) -> None:
        self._tokens, self._plan, self._pace, self._run = tokens, plan, pace, run
        self.tally = ReplayTally()
        self.sender = RequestSender(client, self.tally, pace.max_concurrent)

    async def feed(self, on_progress: Callable[[int], None]) -> None:
        """Send all master data as the hospital's own system would. Calls `on_progress(1)` per record. Raises `FeedError`."""
        plan = self._plan
        people_and_prestations: list[tuple[str, dict[str, Any]]] = [
            *(
                (f"patients/{patient_id}", {"first_name": first, "last_name": last})
                for patient_id, (first, last) in plan.patients.items()
            ),
            *(
                (f"doctors/{doctor_id}", {"name": name, "specialization": specialization})
                for doctor_id, (name, specialization) in plan.doctors.items()
            ),
            *(
                (f"prestations/{prestation_id}", {"name": name, "exclusive": exclusive, "expected_minutes": minutes})
                for prestation_id, (name, exclusive, minutes) in plan.prestations.items()
            ),
        ]
        appointments: list[tuple[str, dict[str, Any]]] = [
            (
                f"appointments/{appointment_id}",
                {
                    "patient_id": patient_id,
                    "doctor_id": doctor_id,
                    "prestation_id": prestation_id,
                    "scheduled_at": to_rfc3339(at),
                },
            )
            for appointment_id, (patient_id, doctor_id, prestation_id, at) in plan.appointments.items()
        ]
        # Appointments refer to the other records, so these come first.
        for records in (people_and_prestations, appointments):
            await _run_all(self._put(path, body, on_progress) for path, body in records)

    @property
    def record_count(self) -> int:
        """The number of records that `feed` sends."""
        plan = self._plan
        return len(plan.patients) + len(plan.doctors) + len(plan.prestations) + len(plan.appointments)

    async def _put(self, path: str, body: dict[str, Any], on_progress: Callable[[int], None]) -> None:
        for _ in range(MAX_SENDS):
            try:
                async with self.sender.slots:
                    answer = await self.sender.client.put(
                        f"/api/{path}", json=body, headers=self._tokens.service_headers()
                    )
            except httpx.ConnectError:
                raise
            except httpx.TransportError:
                # Whether it was carried out is unknown. The same record again changes nothing.
                await asyncio.sleep(RESEND_PAUSE_SECONDS)
            else:
                if answer.status_code != 503:
                    break
                await asyncio.sleep(RESEND_PAUSE_SECONDS)
        else:
            raise FeedError(f"PUT /api/{path} was never answered")
        if answer.status_code not in (200, 201):
            raise FeedError(f"PUT /api/{path} was answered {answer.status_code} {problem_code(answer)}")
        on_progress(1)

    async def run_steps(self, on_progress: Callable[[ReplayTally], None]) -> None:
        """Carry out all steps at their compressed times. Calls `on_progress` with the tally after each step."""
        started_at = time.monotonic()
        await _run_all(self._run_step(step, started_at, on_progress) for step in self._plan.steps)

    async def _run_step(self, step: Step, started_at: float, on_progress: Callable[[ReplayTally], None]) -> None:
        due = started_at + step.at / self._pace.speed
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        consultation_id = await self._start(step, due)
        if consultation_id is not None:
            await asyncio.sleep(step.duration / self._pace.speed)
            await self._complete(step, consultation_id)
        on_progress(self.tally)

    async def _start(self, step: Step, due: float) -> str | None:
        """Start the step's consultation and return its id, or None when it was not granted."""
        body = {"appointment_id": step.appointment_id, "patient_id": step.patient_id, "doctor_id": step.doctor_id}
        for attempt in range(1 + self._pace.retries):
            if attempt:
                await asyncio.sleep(self._pace.retry_after / self._pace.speed)
                self.tally.retried += 1
            self.tally.requested += 1
            # Each attempt has its own key, because a refusal is kept under its key.
            key = f"replay-{self._run}-{step.appointment_id}-start-{attempt}"
            answer = await self._post(
                step, "/api/consultations", body, key, self.tally.start_ms, due if not attempt else None
            )
            if answer is None:
                return None
            if answer.status_code in (200, 201):
                self.tally.granted += 1
                return str(answer.json()["id"])
            if answer.status_code != 409:
                self.tally.errors[f"start {answer.status_code} {problem_code(answer)}"] += 1
                return None
            self.tally.refused[problem_code(answer)] += 1
            if problem_code(answer) not in TEMPORARY_REFUSALS:
                return None
        return None

    async def _complete(self, step: Step, consultation_id: str) -> None:
        key = f"replay-{self._run}-{step.appointment_id}-complete"
        path = f"/api/consultations/{consultation_id}/complete"
        answer = await self._post(step, path, None, key, self.tally.complete_ms)
        if answer is not None and answer.status_code == 200:
            self.tally.completed += 1
        elif answer is not None:
            self.tally.errors[f"complete {answer.status_code} {problem_code(answer)}"] += 1

    async def _post(
        self, step: Step, path: str, body: Any, key: str, latencies_ms: list[float], due: float | None = None
    ) -> httpx.Response | None:
        """Send until the answer is known, and append its latency. None when no answer ever came."""
        headers = {**self._tokens.doctor_headers(step.doctor_id), "Idempotency-Key": key}
        answer = await self.sender.send("POST", path, headers, body)
        if answer is None:
            return None
        latencies_ms.append(answer.milliseconds)
        lateness = answer.sent_at - due if due is not None else 0.0
        self.tally.max_start_lateness = max(self.tally.max_start_lateness, lateness)
        return answer.response


async def _run_all(jobs: Iterable[Awaitable[None]]) -> None:
    async with asyncio.TaskGroup() as group:
        for job in jobs:
            group.create_task(_await(job))


async def _await(job: Awaitable[None]) -> None:
    await job

"""Driving a plan through the running system over HTTP, compressed in time; it must not know a database or where the plan is from.

Every doctor comes with a token of its own and every request with an Idempotency-Key. An answer that is not known (503, or a broken
connection) is asked for again under the same key, so that nothing is done twice and nothing stays open.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import httpx

from patient_visit_engine.cli.replay.plan import Plan, Step
from patient_visit_engine.cli.replay.tokens import Tokens
from patient_visit_engine.visit.calendar import to_rfc3339

#: Refusals that pass: the patient will be free again.
PASSING = frozenset({"patient_in_consultation", "patient_reserved"})
#: How often an unknown answer is asked for again, and seconds in between.
ASKED_AGAIN, BETWEEN = 20, 0.5


@dataclass
class Tally:
    """What was asked and answered; latencies in milliseconds, each the last request's own."""

    asked: int = 0
    granted: int = 0
    retried: int = 0
    completed: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    #: Answers that were unknown at first and were asked for again.
    undecided: int = 0
    #: What should not be: another status, or an answer that never came.
    errors: Counter[str] = field(default_factory=Counter)
    start_ms: list[float] = field(default_factory=list)
    complete_ms: list[float] = field(default_factory=list)
    #: The most that a start went out later than its time, in seconds.
    behind: float = 0.0


@dataclass(frozen=True)
class Pace:
    """How a recorded day is compressed, and how many requests may be under way at once."""

    speed: float
    at_once: int
    retries: int
    #: Recorded seconds before a refused start is asked again.
    retry_after: float


class Driver:
    """Feeds a plan's master data, then starts and completes its steps."""

    def __init__(self, client: httpx.AsyncClient, tokens: Tokens, plan: Plan, pace: Pace, run: int) -> None:
        self._client, self._tokens, self._plan, self._pace, self._run = client, tokens, plan, pace, run
        self._slots = asyncio.Semaphore(pace.at_once)
        self.tally = Tally()

    async def feed(self, told: Callable[[int], None]) -> None:
        """Put all master data as the hospital's own system would; `told` hears of each record. Raises `FeedError`."""
        plan = self._plan
        people: list[tuple[str, dict[str, Any]]] = [
            *((f"patients/{n}", {"first_name": a, "last_name": b}) for n, (a, b) in plan.patients.items()),
            *((f"doctors/{n}", {"name": a, "specialization": b}) for n, (a, b) in plan.doctors.items()),
            *(
                (f"prestations/{n}", {"name": a, "exclusive": b, "expected_minutes": c})
                for n, (a, b, c) in plan.prestations.items()
            ),
        ]
        booked: list[tuple[str, dict[str, Any]]] = [
            (
                f"appointments/{number}",
                {"patient_id": p, "doctor_id": d, "prestation_id": k, "scheduled_at": to_rfc3339(at)},
            )
            for number, (p, d, k, at) in plan.appointments.items()
        ]
        for records in (people, booked):
            await _all(self._put(path, body, told) for path, body in records)

    @property
    def records(self) -> int:
        plan = self._plan
        return len(plan.patients) + len(plan.doctors) + len(plan.prestations) + len(plan.appointments)

    async def _put(self, path: str, body: dict[str, Any], told: Callable[[int], None]) -> None:
        async with self._slots:
            answer = await self._client.put(f"/api/{path}", json=body, headers=self._tokens.service())
        if answer.status_code not in (200, 201):
            raise FeedError(f"PUT /api/{path} was answered {answer.status_code} {_code(answer)}")
        told(1)

    async def drive(self, told: Callable[[Tally], None]) -> None:
        """Carry out all steps at their compressed time; `told` hears of the tally after each step."""
        began = time.monotonic()
        await _all(self._step(step, began, told) for step in self._plan.steps)

    async def _step(self, step: Step, began: float, told: Callable[[Tally], None]) -> None:
        due = began + step.at / self._pace.speed
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        consultation = await self._started(step, due)
        if consultation is not None:
            await asyncio.sleep(step.lasts / self._pace.speed)
            await self._complete(step, consultation)
        told(self.tally)

    async def _started(self, step: Step, due: float) -> str | None:
        body = {"appointment_id": step.appointment_id, "patient_id": step.patient_id, "doctor_id": step.doctor_id}
        for attempt in range(1 + self._pace.retries):
            if attempt:
                await asyncio.sleep(self._pace.retry_after / self._pace.speed)
                self.tally.retried += 1
            self.tally.asked += 1
            # A refusal is kept under its key: to ask anew is another request.
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
                self.tally.errors[f"start {answer.status_code} {_code(answer)}"] += 1
                return None
            self.tally.refused[_code(answer)] += 1
            if _code(answer) not in PASSING:
                return None
        return None

    async def _complete(self, step: Step, consultation: str) -> None:
        key = f"replay-{self._run}-{step.appointment_id}-complete"
        path = f"/api/consultations/{consultation}/complete"
        answer = await self._post(step, path, None, key, self.tally.complete_ms)
        if answer is not None and answer.status_code == 200:
            self.tally.completed += 1
        elif answer is not None:
            self.tally.errors[f"complete {answer.status_code} {_code(answer)}"] += 1

    async def _post(
        self, step: Step, path: str, body: Any, key: str, took: list[float], due: float | None = None
    ) -> httpx.Response | None:
        headers = {**self._tokens.doctor(step.doctor_id), "Idempotency-Key": key}
        for _ in range(ASKED_AGAIN):
            try:
                async with self._slots:
                    sent = time.monotonic()
                    answer = await self._client.post(path, json=body, headers=headers)
            except httpx.TransportError:
                self.tally.undecided += 1
            else:
                if answer.status_code != 503:
                    took.append((time.monotonic() - sent) * 1000)
                    self.tally.behind = max(self.tally.behind, sent - due if due is not None else 0.0)
                    return answer
                self.tally.undecided += 1
            await asyncio.sleep(BETWEEN)
        self.tally.errors["never answered"] += 1
        return None


class FeedError(Exception):
    """The system did not take a record of the master data."""


async def _all(work: Iterable[Awaitable[None]]) -> None:
    async with asyncio.TaskGroup() as group:
        for one in work:
            group.create_task(_await(one))


async def _await(one: Awaitable[None]) -> None:
    await one


def _code(answer: httpx.Response) -> str:
    try:
        return str(answer.json().get("code", ""))
    except (ValueError, AttributeError):
        return ""

"""Sends the actions of a generated day to the running system, each person's actions one after the other."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import httpx

from patient_visit_engine.cli.replay.driver import Pace
from patient_visit_engine.cli.replay.plan import ReplayPlan
from patient_visit_engine.cli.replay.request_sender import RequestSender, problem_code
from patient_visit_engine.cli.replay.staff_actions import CALLS, StaffAction
from patient_visit_engine.cli.replay.tally import ReplayTally
from patient_visit_engine.cli.replay.tokens import Tokens


class StaffDriver:
    """Carries out the plan's actions at their compressed times. An action waits until all earlier ones of its people are answered.

    The ids of walk-ins, called patients and consultations come from the answers. An action without its ids is not sent.
    """

    def __init__(
        self, sender: RequestSender, tokens: Tokens, plan: ReplayPlan, pace: Pace, run: int, tally: ReplayTally
    ) -> None:
        self._sender, self._tokens, self._plan, self._pace, self._run = sender, tokens, plan, pace, run
        self._tally = tally
        self._patients = {patient: patient for patient in plan.patients}
        self._appointments = {appointment: appointment for appointment in plan.appointments}
        self._consultations: dict[int, str] = {}
        self._answered: dict[tuple[str, int], asyncio.Event] = {}

    def patient_ids(self) -> list[int]:
        """The ids of all patients that are known, also of those who walked in."""
        return sorted(self._patients.values())

    async def run_actions(self, on_progress: Callable[[ReplayTally], None]) -> None:
        """Carry out all actions. Calls `on_progress` with the tally after each."""
        started_at = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for number, action in enumerate(self._plan.actions):
                answered = asyncio.Event()
                people = action.people()
                earlier = [self._answered[person] for person in people if person in self._answered]
                self._answered |= dict.fromkeys(people, answered)
                group.create_task(self._carry_out(number, action, earlier, answered, started_at, on_progress))

    async def _carry_out(
        self,
        number: int,
        action: StaffAction,
        earlier: list[asyncio.Event],
        answered: asyncio.Event,
        started_at: float,
        on_progress: Callable[[ReplayTally], None],
    ) -> None:
        for event in earlier:
            await event.wait()
        due = started_at + action.at / self._pace.speed
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        await self._send(number, action, due)
        answered.set()
        on_progress(self._tally)

    async def _send(self, number: int, action: StaffAction, due: float) -> None:
        call, ids = CALLS[action.command], self._ids(action)
        try:
            path = call.path.format_map(ids)
            body = None if action.body is None and not call.ids else {**(action.body or {})}
            if body is not None:
                body |= {name: ids[name] for name in call.ids}
        except KeyError:
            self._tally.skipped += 1
            return
        headers = {**self._tokens.staff_headers(action.staff), "Idempotency-Key": f"replay-{self._run}-action-{number}"}
        answer = await self._sender.send(call.method, path, headers, body)
        if answer is not None:
            self._count(action, answer.response, answer.milliseconds, answer.sent_at - due)

    def _ids(self, action: StaffAction) -> dict[str, Any]:
        """The ids that are known by now, as a path or a body names them."""
        ids = {
            "patient_id": self._patients.get(action.patient or 0),
            "appointment_id": self._appointments.get(action.appointment or 0),
            "doctor_id": action.doctor,
            "consultation_id": self._consultations.get(action.appointment or 0),
        }
        return {name: number for name, number in ids.items() if number is not None}

    def _count(self, action: StaffAction, response: httpx.Response, milliseconds: float, lateness: float) -> None:
        tally, is_granted = self._tally, response.is_success
        tally.commands[action.command] += 1
        if action.command == "start":
            tally.requested += 1
            tally.granted += is_granted
            tally.start_ms.append(milliseconds)
            tally.max_start_lateness = max(tally.max_start_lateness, lateness)
        elif action.command == "complete":
            tally.completed += is_granted
            tally.complete_ms.append(milliseconds)
        if is_granted:
            self._remember_ids(action, response)
        elif response.status_code == 409:
            tally.refused[problem_code(response)] += 1
        else:
            tally.errors[f"{action.command} {response.status_code} {problem_code(response)}"] += 1

    def _remember_ids(self, action: StaffAction, response: httpx.Response) -> None:
        if action.patient is None or action.appointment is None:
            return
        if action.command == "start":
            self._consultations[action.appointment] = response.json()["id"]
        elif action.command == "call next" or CALLS[action.command].path == "/api/walk-ins":
            answer = response.json()
            self._patients.setdefault(action.patient, answer["patient_id"])
            if self._appointments.setdefault(action.appointment, answer["appointment_id"]) != answer["appointment_id"]:
                self._tally.errors[f"{action.command}: another patient"] += 1

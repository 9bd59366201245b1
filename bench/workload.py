"""What is asked and timed, the same of floor and engine; it must not know which of them answers."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic, perf_counter

from bench.http_client import Answer, Connection, connect
from bench.plan import CLIENTS, Appointment, Plan

START = "/api/consultations"
READY_WITHIN = 30.0


class WrongAnswerError(Exception):
    """An answer that the rule does not allow, or none: the figures would mean nothing."""


@dataclass
class Measured:
    """Seconds of each call by what was asked, pairs a second by whose patients, computing seconds a pair by process."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    pairs_per_second: dict[str, float] = field(default_factory=dict)
    computed_a_pair: dict[str, float] = field(default_factory=dict)

    def note(self, what: str, answer: Answer) -> None:
        self.seconds.setdefault(what, []).append(answer.seconds)


class Desk:
    """Doctors, each at a connection of their own."""

    def __init__(self, port: int, headers_of: Callable[[int], dict[str, str]]) -> None:
        self._port = port
        self._headers_of = headers_of
        self._connections: dict[int, Connection] = {}

    async def _of(self, doctor_id: int) -> Connection:
        found = self._connections.get(doctor_id)
        if found is None or found.is_stale:
            if found is not None:
                found.close()
            found = self._connections[doctor_id] = await connect(self._port, self._headers_of(doctor_id))
        return found

    async def start(self, asked: Appointment) -> Answer:
        """Ask for a start, whatever the answer."""
        body = {"appointment_id": asked.id, "patient_id": asked.patient_id, "doctor_id": asked.doctor_id}
        return await (await self._of(asked.doctor_id)).ask("POST", START, body, key=f"start-{asked.id}")

    async def granted(self, asked: Appointment) -> tuple[str, Answer]:
        """Start; the consultation's id and the answer. Raises `WrongAnswerError` unless it was granted."""
        answer = await self.start(asked)
        started: str = expect(answer, 201)["id"]
        return started, answer

    async def refused(self, asked: Appointment, holder: str) -> Answer:
        """Start, and be refused because of `holder`, a consultation's id."""
        answer = await self.start(asked)
        told = expect(answer, 409)
        if told["code"] != "patient_in_consultation" or told["consultation_id"] != holder:
            raise WrongAnswerError(f"refused by {told['code']}, not by who has the patient")
        return answer

    async def complete(self, asked: Appointment, consultation_id: str) -> Answer:
        """End the consultation of this appointment."""
        path = f"{START}/{consultation_id}/complete"
        answer = await (await self._of(asked.doctor_id)).ask("POST", path, key=f"complete-{asked.id}")
        if expect(answer, 200)["id"] != consultation_id:
            raise WrongAnswerError("another consultation was completed")
        return answer

    def close(self) -> None:
        for connection in self._connections.values():
            connection.close()


def expect(answer: Answer, status: int) -> dict[str, str]:
    """The answer's body. Raises `WrongAnswerError` when it has another status."""
    if answer.status != status:
        raise WrongAnswerError(f"{answer.status} where {status} was due: {answer.body[:300]!r}")
    body: dict[str, str] = answer.json()
    return body


async def ready(port: int) -> None:
    """Wait until the server says that it is ready. Raises `WrongAnswerError` when it never does."""
    deadline = monotonic() + READY_WITHIN
    while monotonic() < deadline:
        try:
            probe = await connect(port, {})
        except OSError:
            await asyncio.sleep(0.05)
            continue
        try:
            if (await probe.ask("GET", "/readyz")).status == 200:
                return
        except ConnectionError:
            pass
        finally:
            probe.close()
        await asyncio.sleep(0.05)
    raise WrongAnswerError(f"not ready within {READY_WITHIN:.0f} s")


async def measure(desk: Desk, plan: Plan, cpu_seconds: Callable[[], dict[str, float]]) -> Measured:
    """One round: warm up, let rivals meet, time one call after the other, then 32 clients at once.

    `cpu_seconds` tells how long each process of the subject has computed so far.
    """
    await _warm_up(desk, plan)
    for rivals in plan.contested():
        await _contest(desk, rivals)
    measured = Measured()
    await _one_by_one(desk, plan, measured)
    before = cpu_seconds()
    await _side_by_side(desk, plan, measured)
    for name, seconds in cpu_seconds().items():
        measured.computed_a_pair[name] = (seconds - before[name]) / (2 * plan.pairs)
    return measured


async def _warm_up(desk: Desk, plan: Plan) -> None:
    # The first calls pay for imports, compiled statements and each caller's first request.
    for own, others in plan.warming():
        consultation_id, _ = await desk.granted(own)
        await desk.refused(others, consultation_id)
        await desk.complete(own, consultation_id)


async def _contest(desk: Desk, rivals: list[Appointment]) -> None:
    answers = await asyncio.gather(*(desk.start(rival) for rival in rivals))
    won = [(rival, answer) for rival, answer in zip(rivals, answers, strict=True) if answer.status == 201]
    if len(won) != 1 or any(answer.status not in (201, 409) for answer in answers):
        raise WrongAnswerError(f"{len(won)} of {len(rivals)} simultaneous starts for one patient were granted")
    await desk.complete(won[0][0], won[0][1].json()["id"])


async def _one_by_one(desk: Desk, plan: Plan, measured: Measured) -> None:
    started: dict[int, str] = {}
    for first, _, _ in plan.measured():
        started[first.id], answer = await desk.granted(first)
        measured.note("start, fresh patient", answer)
    for first, _, _ in plan.measured():
        measured.note("complete", await desk.complete(first, started[first.id]))
    for _, second, _ in plan.measured():
        started[second.id], answer = await desk.granted(second)
        measured.note("start, known patient", answer)
    for _, second, other in plan.measured():
        measured.note("start, blocked", await desk.refused(other, started[second.id]))
    for _, second, _ in plan.measured():
        measured.note("complete", await desk.complete(second, started[second.id]))


async def _side_by_side(desk: Desk, plan: Plan, measured: Measured) -> None:
    for turn, whose in enumerate(("fresh patients", "known patients")):
        work: dict[int, list[Appointment]] = {}
        for pair in plan.paired():
            work.setdefault(pair[turn].doctor_id, []).append(pair[turn])
        assert len(work) <= CLIENTS
        began = perf_counter()
        await asyncio.gather(*(_pairs(desk, appointments) for appointments in work.values()))
        measured.pairs_per_second[whose] = plan.pairs / (perf_counter() - began)


async def _pairs(desk: Desk, appointments: list[Appointment]) -> None:
    for appointment in appointments:
        consultation_id, _ = await desk.granted(appointment)
        await desk.complete(appointment, consultation_id)

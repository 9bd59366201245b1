"""The calls of one round, checked and timed. They are the same for floor and engine."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic, perf_counter

from bench.http_client import HttpConnection, Response, connect
from bench.plan import CLIENTS, Appointment, Plan

START_PATH = "/api/consultations"
READY_TIMEOUT = 30.0


class WrongAnswerError(Exception):
    """The system gave a wrong response or none, or left a wrong database. Its figures would mean nothing."""


@dataclass
class RoundResult:
    """The measurements of one round."""

    #: Seconds of each call, by kind of call.
    call_seconds: dict[str, list[float]] = field(default_factory=dict)
    #: A pair is a start and a completion. By kind of patients.
    pairs_per_second: dict[str, float] = field(default_factory=dict)
    #: By process.
    cpu_seconds_per_pair: dict[str, float] = field(default_factory=dict)
    #: By process. Empty for a system that opens no visit ahead.
    cpu_seconds_per_opening: dict[str, float] = field(default_factory=dict)

    def add_call(self, kind: str, response: Response) -> None:
        self.call_seconds.setdefault(kind, []).append(response.seconds)


class DoctorClients:
    """Sends the requests of the doctors. Each doctor has one connection."""

    def __init__(self, port: int, doctor_headers: Callable[[int], dict[str, str]]) -> None:
        self._port = port
        self._doctor_headers = doctor_headers
        self._connections: dict[int, HttpConnection] = {}

    async def _connection(self, doctor_id: int) -> HttpConnection:
        connection = self._connections.get(doctor_id)
        if connection is None or connection.is_stale:
            if connection is not None:
                connection.close()
            connection = await connect(self._port, self._doctor_headers(doctor_id))
            self._connections[doctor_id] = connection
        return connection

    async def request_start(self, appointment: Appointment) -> Response:
        """Request a start and return the response, granted or not."""
        connection = await self._connection(appointment.doctor_id)
        body = {
            "appointment_id": appointment.id,
            "patient_id": appointment.patient_id,
            "doctor_id": appointment.doctor_id,
        }
        return await connection.request("POST", START_PATH, body, key=f"start-{appointment.id}")

    async def start(self, appointment: Appointment) -> tuple[str, Response]:
        """Start a consultation. Returns its id and the response. Raises `WrongAnswerError` when it is not granted."""
        response = await self.request_start(appointment)
        consultation_id: str = expect(response, 201)["id"]
        return consultation_id, response

    async def start_refused(self, appointment: Appointment, running_id: str) -> Response:
        """Request a start that the running consultation must block. Raises `WrongAnswerError` when it does not."""
        response = await self.request_start(appointment)
        body = expect(response, 409)
        if body["code"] != "patient_in_consultation" or body["consultation_id"] != running_id:
            raise WrongAnswerError(f"{body['code']} does not name the running consultation {running_id}")
        return response

    async def complete(self, appointment: Appointment, consultation_id: str) -> Response:
        """Complete the consultation of this appointment. Raises `WrongAnswerError` when it fails."""
        connection = await self._connection(appointment.doctor_id)
        path = f"{START_PATH}/{consultation_id}/complete"
        response = await connection.request("POST", path, key=f"complete-{appointment.id}")
        if expect(response, 200)["id"] != consultation_id:
            raise WrongAnswerError("the server completed another consultation")
        return response

    def close(self) -> None:
        for connection in self._connections.values():
            connection.close()


def expect(response: Response, status: int) -> dict[str, str]:
    """The JSON body of the response. Raises `WrongAnswerError` when the status differs."""
    if response.status != status:
        raise WrongAnswerError(f"status {response.status} instead of {status}: {response.body[:300]!r}")
    body: dict[str, str] = response.json()
    return body


async def wait_until_ready(port: int) -> None:
    """Wait until `/readyz` gives 200. Raises `WrongAnswerError` after `READY_TIMEOUT` seconds."""
    deadline = monotonic() + READY_TIMEOUT
    while monotonic() < deadline:
        try:
            probe = await connect(port, {})
        except OSError:
            await asyncio.sleep(0.05)
            continue
        try:
            if (await probe.request("GET", "/readyz")).status == 200:
                return
        except ConnectionError:
            pass
        finally:
            probe.close()
        await asyncio.sleep(0.05)
    raise WrongAnswerError(f"not ready within {READY_TIMEOUT:.0f} s")


async def measure_round(clients: DoctorClients, plan: Plan, cpu_seconds: Callable[[], dict[str, float]]) -> RoundResult:
    """Run all steps of a round: warm-up, contest, one call after the other, 32 clients at the same time.

    The system has opened the visits of `plan.opened_ahead` before, if it can.

    `cpu_seconds` returns the CPU seconds of each process since its start.
    """
    await _warm_up(clients, plan)
    for rivals in plan.contested():
        await _check_contest(clients, rivals)
    result = RoundResult()
    await _time_sequential_calls(clients, plan, result)
    await _time_concurrent_pairs(clients, "opened ahead", plan.concurrent_opened_ahead(), result)
    # A pair on visits that are opened ahead costs less, because its visit has cost something before.
    before = cpu_seconds()
    await _time_concurrent_pairs(clients, "fresh patients", [first for first, _ in plan.concurrent()], result)
    await _time_concurrent_pairs(clients, "known patients", [second for _, second in plan.concurrent()], result)
    for name, seconds in cpu_seconds().items():
        result.cpu_seconds_per_pair[name] = (seconds - before[name]) / (2 * plan.pairs)
    return result


async def _warm_up(clients: DoctorClients, plan: Plan) -> None:
    # The first calls are slow: imports, compiled statements, and the first request of each caller.
    for own_appointment, other_appointment in plan.warm_up():
        consultation_id, _ = await clients.start(own_appointment)
        await clients.start_refused(other_appointment, consultation_id)
        await clients.complete(own_appointment, consultation_id)


async def _check_contest(clients: DoctorClients, rivals: list[Appointment]) -> None:
    responses = await asyncio.gather(*(clients.request_start(rival) for rival in rivals))
    granted = [(rival, response) for rival, response in zip(rivals, responses, strict=True) if response.status == 201]
    if len(granted) != 1 or any(response.status not in (201, 409) for response in responses):
        raise WrongAnswerError(f"{len(granted)} of {len(rivals)} simultaneous starts for one patient were granted")
    [(winner, response)] = granted
    await clients.complete(winner, response.json()["id"])


async def _time_sequential_calls(clients: DoctorClients, plan: Plan, result: RoundResult) -> None:
    consultation_ids: dict[int, str] = {}
    # In turn, so that a slow phase of the machine slows both.
    for (first, _, _), ahead in zip(plan.sequential(), plan.sequential_opened_ahead(), strict=True):
        for kind, appointment in (("start, opened ahead", ahead), ("start, fresh patient", first)):
            consultation_ids[appointment.id], response = await clients.start(appointment)
            result.add_call(kind, response)
    for appointment in [first for first, _, _ in plan.sequential()] + plan.sequential_opened_ahead():
        result.add_call("complete", await clients.complete(appointment, consultation_ids[appointment.id]))
    for _, second, _ in plan.sequential():
        consultation_ids[second.id], response = await clients.start(second)
        result.add_call("start, known patient", response)
    for _, second, other in plan.sequential():
        result.add_call("start, blocked", await clients.start_refused(other, consultation_ids[second.id]))
    for _, second, _ in plan.sequential():
        result.add_call("complete", await clients.complete(second, consultation_ids[second.id]))


async def _time_concurrent_pairs(
    clients: DoctorClients, patients: str, appointments: list[Appointment], result: RoundResult
) -> None:
    by_doctor: dict[int, list[Appointment]] = {}
    for appointment in appointments:
        by_doctor.setdefault(appointment.doctor_id, []).append(appointment)
    assert len(by_doctor) <= CLIENTS
    start = perf_counter()
    await asyncio.gather(*(_start_and_complete(clients, of_doctor) for of_doctor in by_doctor.values()))
    result.pairs_per_second[patients] = len(appointments) / (perf_counter() - start)


async def _start_and_complete(clients: DoctorClients, appointments: list[Appointment]) -> None:
    for appointment in appointments:
        consultation_id, _ = await clients.start(appointment)
        await clients.complete(appointment, consultation_id)

"""The requests of all staff of a test. Each has an Idempotency-Key and is sent again until it is decided."""

import asyncio
import itertools
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import httpx

from tests.support.engine import Engine
from tests.support.waiting import wait_until_async

#: How long a request may stay without a decision, in seconds. Processes are killed in this time, and hundreds of requests wait for
#: two cores then. It only ends a test in which a request is lost.
PATIENCE = 300.0
#: The pause after a broken connection, in seconds.
RECONNECT_PAUSE = 0.5
#: The doctor of requests that reception sends.
RECEPTION = 0


class StaffAnswer(NamedTuple):
    """Status and body."""

    status: int
    body: Any


class StaffRequest(NamedTuple):
    """A POST of one doctor, or of `RECEPTION`."""

    doctor: int
    path: str
    body: dict[str, Any] | None
    headers: dict[str, str]


@dataclass
class StaffRequests:
    """Requests and their answers, by Idempotency-Key.

    `unavailable` counts answers 503 and broken connections. `unexpected` has the text of every answer that no client should get.
    """

    engine: Engine
    requests: dict[str, StaffRequest] = field(default_factory=dict)
    answers: dict[str, StaffAnswer] = field(default_factory=dict)
    unavailable: int = 0
    unexpected: list[str] = field(default_factory=list)
    _clients: dict[int, httpx.AsyncClient] = field(default_factory=dict)
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    async def close(self) -> None:
        """Close all connections."""
        for client in self._clients.values():
            await client.aclose()

    async def send(self, doctor: int, path: str, body: dict[str, Any] | None = None) -> StaffAnswer:
        """Send a new request until it is decided."""
        key = self._add(doctor, path, body)
        self.answers[key] = await self.send_again(key)
        return self.answers[key]

    async def send_for_later(self, doctor: int, path: str, body: dict[str, Any]) -> StaffAnswer:
        """Send a new request that the API only accepts, and look for its decision until there is one."""
        key = self._add(doctor, path, body, Prefer="respond-async")
        await self.send_again(key)
        self.answers[key] = await wait_until_async(
            lambda: self._find_decision(doctor, key), f"{self.requests[key]} is decided later", PATIENCE
        )
        return self.answers[key]

    async def send_again(self, key: str) -> StaffAnswer:
        """Send the same request under its key, until it is decided."""
        return await wait_until_async(lambda: self._send_once(key), f"{self.requests[key]} is decided", PATIENCE)

    def bodies(self, path_end: str, *statuses: int) -> list[Any]:
        """The bodies of all answers with one of these statuses, to requests whose path ends like this."""
        return [
            answer.body
            for key, answer in self.answers.items()
            if self.requests[key].path.endswith(path_end) and answer.status in statuses
        ]

    def _add(self, doctor: int, path: str, body: dict[str, Any] | None, **headers: str) -> str:
        key = f"request-{next(self._numbers)}"
        self.requests[key] = StaffRequest(doctor, path, body, {"Idempotency-Key": key, **headers})
        return key

    async def _send_once(self, key: str) -> StaffAnswer | None:
        doctor, path, body, headers = self.requests[key]
        answer = await self._call(doctor, "POST", path, json=body, headers=headers)
        if answer is None:
            return None
        if answer.status_code not in (200, 201, 202, 409):
            self.unexpected.append(f"{path}: {answer.status_code} {answer.text}")
        return StaffAnswer(answer.status_code, answer.json())

    async def _find_decision(self, doctor: int, key: str) -> StaffAnswer | None:
        answer = await self._call(doctor, "GET", f"/api/requests/{key}")
        if answer is None or answer.status_code != 200:
            return None
        decision = answer.json()
        assert decision["state"] == "decided", f"{key}: {decision}"
        return StaffAnswer(decision["status"], decision["body"])

    async def _call(self, doctor: int, method: str, path: str, **content: Any) -> httpx.Response | None:
        """The response, or None when a client must send the same again."""
        try:
            answer = await self._client_of(doctor).request(method, path, **content)
        except httpx.TransportError:
            # The API is dead or still starting.
            self.unavailable += 1
            await asyncio.sleep(RECONNECT_PAUSE)
            return None
        if answer.status_code == 503:
            self.unavailable += 1
            # Hundreds of clients that repeat immediately would take the processor from the visits.
            await asyncio.sleep(float(answer.headers["Retry-After"]))
            return None
        return answer

    def _client_of(self, doctor: int) -> httpx.AsyncClient:
        """The one client of this member of staff: a new client costs more than a request."""
        if doctor not in self._clients:
            client = self.engine.staff("reception") if doctor == RECEPTION else self.engine.staff("doctor", doctor)
            self._clients[doctor] = client
        return self._clients[doctor]

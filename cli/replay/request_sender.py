"""Sends one request of a replay until its answer is known."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import httpx

from patient_visit_engine.cli.replay.tally import ReplayTally

#: How many times a request with an unknown answer is sent, and the pause between two of them in seconds.
MAX_SENDS, RESEND_PAUSE_SECONDS = 20, 0.5


class KnownAnswer(NamedTuple):
    """The answer, the time of the send that it answers, and how long that took in milliseconds."""

    response: httpx.Response
    sent_at: float
    milliseconds: float


class RequestSender:
    """At most `max_concurrent` requests run at the same time. A repeat has the same headers, so the same Idempotency-Key."""

    def __init__(self, client: httpx.AsyncClient, tally: ReplayTally, max_concurrent: int) -> None:
        self.client, self.tally = client, tally
        self.slots = asyncio.Semaphore(max_concurrent)

    async def send(self, method: str, path: str, headers: Mapping[str, str], body: Any = None) -> KnownAnswer | None:
        """Send again after 503 and after a broken connection. None when no answer ever came."""
        for _ in range(MAX_SENDS):
            try:
                sent_at, response = await self._send_within_budget(method, path, headers, body)
            except httpx.TransportError:
                self.tally.undecided += 1
            else:
                if response.status_code != 503:
                    return KnownAnswer(response, sent_at, (time.monotonic() - sent_at) * 1000)
                self.tally.undecided += 1
            await asyncio.sleep(RESEND_PAUSE_SECONDS)
        self.tally.errors["never answered"] += 1
        return None

    async def _send_within_budget(
        self, method: str, path: str, headers: Mapping[str, str], body: Any
    ) -> tuple[float, httpx.Response]:
        """Send as soon as the caller's budget of commands allows it. Returns the time of the last send too."""
        while True:
            async with self.slots:
                sent_at = time.monotonic()
                response = await self.client.request(method, path, json=body, headers=headers)
            if problem_code(response) != "too_many_commands":
                return sent_at, response
            await asyncio.sleep(float(response.headers["Retry-After"]))


def problem_code(response: httpx.Response) -> str:
    """The code of a problem; empty for another answer."""
    try:
        return str(response.json().get("code", ""))
    except (ValueError, AttributeError):
        return ""

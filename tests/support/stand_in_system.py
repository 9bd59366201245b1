"""A small stand-in for the running system: it keeps the last body of each record, and answers as a test wants."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

#: A test's answer to a record, or None for the usual one.
Answer = Callable[[str, dict[str, Any]], httpx.Response | None]


def no_answer(_record: str, _body: dict[str, Any]) -> httpx.Response | None:
    return None


@dataclass
class StandInSystem:
    """Takes records by `PUT`. `records` maps `patients system|value` to the body, and `sent` has all of them in their order."""

    timezone: str = "Europe/Paris"
    answer: Answer = no_answer
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)

    def handle(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        self.tokens.add(request.headers.get("Authorization", ""))
        if request.url.path == "/api/session":
            return httpx.Response(200, json={"role": "service", "timezone": self.timezone})
        record = f"{request.url.path.removeprefix('/api/')} {request.url.params['identifier']}"
        body = httpx.Response(200, content=request.content).json()
        self.sent.append(record)
        answer = self.answer(record, body)
        if answer is None:
            created = record not in self.records
            self.records[record] = body
            answer = httpx.Response(201 if created else 200, json={"id": len(self.records), "version": 1})
        return answer

    def client(self, address: str = "http://system", **options: Any) -> httpx.AsyncClient:
        """A client of this system."""
        return httpx.AsyncClient(base_url=address, transport=httpx.MockTransport(self.handle), **options)

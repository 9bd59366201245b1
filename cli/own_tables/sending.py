"""Sends one record after the other to the running system by `PUT`, and repeats what got no answer."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx

from patient_visit_engine.cli.own_tables.records import PATHS, CellRefusal, MappedRecord

#: How many times a record is sent until it gets an answer.
MAX_SENDS = 30
#: Seconds between two sends: the first without an answer that says so, and the most that an answer may ask for.
PAUSE_SECONDS, MAX_PAUSE_SECONDS = 1.0, 30.0
#: The system is there but busy, or does not know yet whether it carried out the request.
BUSY = frozenset({429, 503})
#: Answers about the program that sends, and not about the row.
NOT_ALLOWED = frozenset({401, 403, 404, 405})


class NoAnswerError(Exception):
    """The system gave no answer to a record, or does not accept this program. The message is one line for a person."""


@dataclass(frozen=True)
class SendResult:
    """What became of one record: refused, or accepted. `applied` is false when the system has something newer."""

    refusal: CellRefusal | None = None
    applied: bool = True


class RecordSender:
    """Sends records with one client. `pause` waits for a number of seconds."""

    def __init__(self, client: httpx.AsyncClient, pause: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        self._client, self._pause = client, pause

    async def send(self, record: MappedRecord) -> SendResult:
        """Send the record until it is accepted or refused. Raises `NoAnswerError`."""
        answer: httpx.Response | None = None
        for _ in range(MAX_SENDS):
            try:
                answer = await self._client.put(
                    f"/api/{PATHS[record.section]}", params={"identifier": record.identifier}, json=dict(record.body)
                )
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.status_code not in BUSY:
                return _result(record, answer)
            await self._pause(_seconds_until_retry(answer))
        if answer is not None and _text(answer, "code") == "undecided":
            # Only this patient's visit is stuck. The next rows may go on.
            return SendResult(_refusal_of(record, "identifiers", "no answer: it is unknown whether it was carried out"))
        raise NoAnswerError("the system gives no answer" if answer is None else "the system is not available")


def _seconds_until_retry(answer: httpx.Response | None) -> float:
    try:
        seconds = float(answer.headers.get("Retry-After", "")) if answer is not None else PAUSE_SECONDS
    except ValueError:
        return PAUSE_SECONDS
    return min(MAX_PAUSE_SECONDS, max(PAUSE_SECONDS, seconds))


def _result(record: MappedRecord, answer: httpx.Response) -> SendResult:
    if answer.is_success:
        return SendResult(applied=_json(answer).get("applied") is not False)
    code = _text(answer, "code")
    if answer.status_code in NOT_ALLOWED:
        raise NoAnswerError(f"the system does not accept this program: {answer.status_code} {code}")
    field, detail = _invalid_field(answer)
    return SendResult(_refusal_of(record, field, f"{answer.status_code} {code}: {detail}".rstrip(": ")))


def _invalid_field(answer: httpx.Response) -> tuple[str, str]:
    """The field that the system refuses, and why."""
    problem = _json(answer)
    errors = problem.get("errors")
    if isinstance(errors, list) and errors and isinstance(errors[0], dict):
        return str(errors[0].get("field", "")), str(errors[0].get("message", ""))
    if problem.get("code") == "as_of_ahead":
        return "as_of", _text(answer, "title")
    # A reference is named `patient`, `patient_id` or `patient.identifier`.
    return str(problem.get("field", "")), _text(answer, "detail") or _text(answer, "title")


def _refusal_of(record: MappedRecord, field: str, reason: str) -> CellRefusal:
    name = field.partition(".")[0].removesuffix("_id")
    column, value = record.origins.get(name, record.origins["identifiers"])
    return CellRefusal(column, value, f"{record.section}: {reason}")


def _text(answer: httpx.Response, key: str) -> str:
    value = _json(answer).get(key, "")
    return value if isinstance(value, str) else ""


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}

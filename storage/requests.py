"""Requests and their answers, stored so that the same key gets the same answer again.

An open request (`decided_at` is null) is stored before it is sent. Its `command` is one JSON object: the fields of the command,
and `type`, the name of its class in `visit.commands`. Example: `{"type": "StartConsultation", "request": {...}, ...}`.
`parse_command` reads it back.

`command` can be null. Such a request is stored only because the ledger reads its reason here: no person's text may enter a
workflow. Only the client sends such a request again.
"""

import json
import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any, get_args

from sqlalchemy import Connection, Row, bindparam, select

from patient_visit_engine.storage.inserting import insert_if_new
from patient_visit_engine.storage.tables import requests
from patient_visit_engine.visit.commands import Command, Request

logger = logging.getLogger(__name__)

COMMANDS: dict[str, type[Command]] = {command.__name__: command for command in get_args(Command)}

SELECT_REQUEST = select(requests.c.fingerprint, requests.c.status, requests.c.body, requests.c.location).where(
    requests.c.request_id == bindparam("request_id")
)


@dataclass(frozen=True)
class StoredRequest:
    """A stored request. `status` is None while it is open. `body` is JSON text, or None for an empty answer."""

    fingerprint: str
    status: int | None
    body: str | None
    location: str | None

    @property
    def decided(self) -> bool:
        return self.status is not None


def find_request(connection: Connection, request_id: str) -> StoredRequest | None:
    """Return the request with this id, decided or open, or None."""
    row = connection.execute(SELECT_REQUEST, {"request_id": request_id}).one_or_none()
    return None if row is None else _to_request(row)


def _to_request(row: Row[*tuple[Any, ...]]) -> StoredRequest:
    return StoredRequest(row.fingerprint, row.status, row.body, row.location)


def open_request(
    connection: Connection, request: Request, at: datetime, *, command: Command | None = None, reason: str | None = None
) -> StoredRequest:
    """Store the request before it is sent, unless it exists. Returns the stored request."""
    insert_if_new(
        connection,
        requests,
        request_id=request.id,
        caller_id=request.caller_id,
        fingerprint=request.fingerprint,
        created_at=at,
        command=None if command is None else write_command(command),
        reason=reason,
    )
    return _to_request(connection.execute(SELECT_REQUEST, {"request_id": request.id}).one())


def find_open_commands(connection: Connection, older_than: datetime, limit: int) -> list[Command]:
    """Return the commands of open requests stored before `older_than`, oldest first, at most `limit`."""
    query = (
        select(requests.c.command)
        .where(requests.c.decided_at.is_(None), requests.c.created_at < older_than, requests.c.command.is_not(None))
        .order_by(requests.c.created_at, requests.c.request_id)
        .limit(limit)
    )
    return [command for text in connection.scalars(query) if (command := _parse_or_skip(str(text))) is not None]


def _parse_or_skip(text: str) -> Command | None:
    """Return the command, or None if it is of another version. One such row must not block all other requests."""
    try:
        return parse_command(text)
    except ValueError:
        logger.warning("an open request cannot be read")
        return None


def write_command(command: Command) -> str:
    """Return the command as JSON text for `parse_command`."""
    return json.dumps({"type": type(command).__name__} | command.model_dump(mode="json"))


def parse_command(text: str) -> Command:
    """Parse the text of `write_command`. Raises ValueError when it is not a command."""
    fields = json.loads(text)
    command_class = COMMANDS.get(fields.pop("type", None)) if isinstance(fields, dict) else None
    if command_class is None:
        raise ValueError("not a command")
    return command_class.model_validate(fields)

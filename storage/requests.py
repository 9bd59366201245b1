"""Requests and their answers, kept so that the same key gets the same answer again; it must not know HTTP, nor decide anything.

An open request (`decided_at` is null) was written down before it was sent. Its `command` is one JSON object, the command's own
fields beside `type`, the name of its class in `visit.commands`: `{"type": "StartConsultation", "request": {...}, ...}`.
`parse_command` reads it back. A request whose `command` is null is open only to carry its reason to the ledger, for no text of
a person may travel through a workflow: nobody sends it again but the client.
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

log = logging.getLogger(__name__)

COMMANDS: dict[str, type[Command]] = {command.__name__: command for command in get_args(Command)}

FIND = select(requests.c.fingerprint, requests.c.status, requests.c.body, requests.c.location).where(
    requests.c.request_id == bindparam("request_id")
)


@dataclass(frozen=True)
class KeptRequest:
    """A request as it is kept; `status` is None while it is open, `body` is JSON text or None for an empty answer."""

    fingerprint: str
    status: int | None
    body: str | None
    location: str | None

    @property
    def decided(self) -> bool:
        return self.status is not None


def find_request(connection: Connection, request_id: str) -> KeptRequest | None:
    """The request with this id, decided or open."""
    row = connection.execute(FIND, {"request_id": request_id}).one_or_none()
    return None if row is None else _kept(row)


def _kept(row: Row[*tuple[Any, ...]]) -> KeptRequest:
    return KeptRequest(row.fingerprint, row.status, row.body, row.location)


def open_request(
    connection: Connection, request: Request, at: datetime, *, command: Command | None = None, reason: str | None = None
) -> KeptRequest:
    """Write the request down before it is sent, unless it is there; how it stands now."""
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
    return _kept(connection.execute(FIND, {"request_id": request.id}).one())


def find_open_commands(connection: Connection, older_than: datetime, limit: int) -> list[Command]:
    """The commands of open requests written before `older_than`, the oldest first, at most `limit`."""
    query = (
        select(requests.c.command)
        .where(requests.c.decided_at.is_(None), requests.c.created_at < older_than, requests.c.command.is_not(None))
        .order_by(requests.c.created_at, requests.c.request_id)
        .limit(limit)
    )
    return [command for text in connection.scalars(query) if (command := _readable(str(text))) is not None]


def _readable(text: str) -> Command | None:
    """The command, or None for one of another version: a single such row must not keep all others from being sent."""
    try:
        return parse_command(text)
    except ValueError:
        log.warning("an open request cannot be read")
        return None


def write_command(command: Command) -> str:
    """The command as the text that `parse_command` reads."""
    return json.dumps({"type": type(command).__name__} | command.model_dump(mode="json"))


def parse_command(text: str) -> Command:
    """The command that `write_command` wrote. Raises ValueError when the text is not one."""
    fields = json.loads(text)
    kind = COMMANDS.get(fields.pop("type", None)) if isinstance(fields, dict) else None
    if kind is None:
        raise ValueError("not a command")
    return kind.model_validate(fields)

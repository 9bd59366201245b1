"""Requests and their answers, stored so that the same key gets the same answer again.

An open request (`decided_at` is null) is stored before it is sent. Its `command` is one JSON object: the fields of the command,
and `type`, the name of its class in the union `visit.commands.Command`. Example: `{"type": "StartConsultation", "request": {...}, ...}`.
`parse_command` reads it back.

`asked_at` is the database's time when the API got the request. A repeat with the same key does not change it, unless the request
was set aside.

A request that can never be recorded is set aside (`set_aside_at`): it stays open, but only the client can send it again.

`command` can be null. Such a request is stored only because the ledger reads its reason or its material here: no person's text may
enter a workflow. Only the client sends such a request again.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, get_args

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, bindparam, func, literal, or_, select, update

from patient_visit_engine.storage.clock import DATABASE_NOW
from patient_visit_engine.storage.inserting import insert_if_new
from patient_visit_engine.storage.prepared_statements import PreparedQuery
from patient_visit_engine.storage.tables import requests
from patient_visit_engine.visit.commands import ASYNC_VALID_FOR, Command, ExpiringCommand
from patient_visit_engine.visit.request import Request

COMMANDS: dict[str, type[Command]] = {command.__name__: command for command in get_args(Command)}

#: A request that the sweep sends. A request that is set aside was found to be one that can never be recorded.
IS_SENT_BY_SWEEP = and_(
    requests.c.decided_at.is_(None), requests.c.command.is_not(None), requests.c.set_aside_at.is_(None)
)
IS_SET_ASIDE = and_(requests.c.decided_at.is_(None), requests.c.set_aside_at.is_not(None))


def request_with_clock(*columns: ColumnElement[Any]) -> Select[Any]:
    """A query for these columns of a request, for its `request_id` and for the database's time, `now`.

    The result always has one row. When the request is not stored, only `now` has a value.
    """
    one_row = select(literal(1)).subquery()
    stored = one_row.outerjoin(requests, requests.c.request_id == bindparam("request_id"))
    return select(DATABASE_NOW.label("now"), requests.c.request_id, *columns).select_from(stored)


COLUMNS = (
    requests.c.fingerprint,
    requests.c.status,
    requests.c.body,
    requests.c.location,
    requests.c.set_aside_at,
    requests.c.asked_at,
    requests.c.command.is_not(None).label("asynchronous"),
)
SELECT_REQUEST = select(*COLUMNS).where(requests.c.request_id == bindparam("request_id"))
SELECT_REQUEST_AND_TIME = PreparedQuery(request_with_clock(*COLUMNS))
SELECT_DECIDED = select(requests.c.request_id, *COLUMNS).where(
    requests.c.request_id.in_(bindparam("ids", expanding=True)), requests.c.status.is_not(None)
)


@dataclass(frozen=True)
class StoredRequest:
    """A stored request. `status` is None while it is open. `body` is JSON text, or None for an empty answer.

    `asked_at` is None in requests of earlier versions. `asynchronous`: it has a command, which the sweep sends again.
    """

    fingerprint: str
    status: int | None
    body: str | None
    location: str | None
    set_aside_at: datetime | None
    asked_at: datetime | None
    asynchronous: bool

    @property
    def decided(self) -> bool:
        return self.status is not None

    @property
    def is_set_aside(self) -> bool:
        """Whether it has no decision, and the sweep does not send it any more."""
        return self.set_aside_at is not None and not self.decided


def find_request(connection: Connection, request_id: str) -> StoredRequest | None:
    """Return the request with this id, decided or open, or None."""
    row = connection.execute(SELECT_REQUEST, {"request_id": request_id}).one_or_none()
    return None if row is None else _to_request(row)


def find_request_and_time(connection: Connection, request_id: str) -> tuple[StoredRequest | None, datetime]:
    """Return the request with this id, and the database's time."""
    [row] = SELECT_REQUEST_AND_TIME.rows(connection, {"request_id": request_id})
    now: datetime = row.pop("now")
    return None if row.pop("request_id") is None else StoredRequest(**row), now


def find_decided_requests(connection: Connection, request_ids: Sequence[str]) -> dict[str, StoredRequest]:
    """Return those of these requests that are decided, by their ids."""
    return {row.request_id: _to_request(row) for row in connection.execute(SELECT_DECIDED, {"ids": request_ids})}


def _to_request(row: Row[*tuple[Any, ...]]) -> StoredRequest:
    return StoredRequest(
        fingerprint=row.fingerprint,
        status=row.status,
        body=row.body,
        location=row.location,
        set_aside_at=row.set_aside_at,
        asked_at=row.asked_at,
        asynchronous=row.asynchronous,
    )


def open_request(
    connection: Connection,
    request: Request,
    at: datetime,
    *,
    command: Command | None = None,
    reason: str | None = None,
    material: str | None = None,
) -> StoredRequest:
    """Store the request before it is sent, unless it exists. Returns the stored request.

    When it was set aside, it is open again, with the text of this command: the client has sent it again.
    """
    text = None if command is None else write_command(command)
    insert_if_new(
        connection,
        requests,
        request_id=request.id,
        caller_id=request.caller_id,
        fingerprint=request.fingerprint,
        created_at=at,
        asked_at=request.asked_at,
        command=text,
        reason=reason,
        http_request_id=request.http_request_id,
        material=material,
    )
    stored = _to_request(connection.execute(SELECT_REQUEST, {"request_id": request.id}).one())
    if not stored.is_set_aside or text is None or stored.fingerprint != request.fingerprint:
        return stored
    is_this = requests.c.request_id == request.id
    newest = {"asked_at": request.asked_at, "command": text, "http_request_id": request.http_request_id}
    connection.execute(update(requests).where(is_this, IS_SET_ASIDE).values(set_aside_at=None, **newest))
    return _to_request(connection.execute(SELECT_REQUEST, {"request_id": request.id}).one())


def set_request_aside(connection: Connection, request_id: str, at: datetime) -> bool:
    """Stop sending an open request that can never be recorded. Returns False when another process did it, or decided it."""
    is_this = requests.c.request_id == request_id
    return connection.execute(update(requests).where(is_this, IS_SENT_BY_SWEEP).values(set_aside_at=at)).rowcount == 1


def count_set_aside(connection: Connection) -> int:
    """Return the number of requests that are set aside."""
    return connection.execute(select(func.count()).select_from(requests).where(IS_SET_ASIDE)).scalar_one()


@dataclass(frozen=True)
class OpenRequest:
    """A request that waits for its decision. `command` is None when this version cannot read the stored text."""

    id: str
    created_at: datetime
    command: Command | None

    @property
    def key(self) -> tuple[datetime, str]:
        """Its place in the order of `find_open_requests`."""
        return self.created_at, self.id


def find_open_requests(
    connection: Connection, older_than: datetime, after: tuple[datetime, str] | None, limit: int
) -> list[OpenRequest]:
    """Return the requests that the sweep sends, stored before `older_than`, oldest first, from the one after `after` on."""
    stored = requests.c
    query = select(stored.request_id, stored.created_at, stored.command).where(
        IS_SENT_BY_SWEEP, stored.created_at < older_than
    )
    if after is not None:
        created_at, request_id = after
        is_later = and_(stored.created_at == created_at, stored.request_id > request_id)
        query = query.where(or_(stored.created_at > created_at, is_later))
    rows = connection.execute(query.order_by(stored.created_at, stored.request_id).limit(limit))
    return [
        OpenRequest(row.request_id, row.created_at, _parse_if_readable(row.command, row.created_at)) for row in rows
    ]


def _parse_if_readable(text: str, created_at: datetime) -> Command | None:
    try:
        command = parse_command(text)
    except ValueError:
        return None
    if not isinstance(command, ExpiringCommand) or command.request.valid_until is not None:
        return command
    # An older version stored no end of validity. Without one, its start would be carried out however late it comes.
    limit = {"valid_until": created_at + ASYNC_VALID_FOR, "asynchronous": True}
    return command.model_copy(update={"request": command.request.model_copy(update=limit)})


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

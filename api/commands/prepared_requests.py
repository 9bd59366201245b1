"""A request before its command is sent: its identity, and its earlier response or what the command needs from the database."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from sqlalchemy import Connection
from starlette.responses import Response

from patient_visit_engine.api.problems import Problem
from patient_visit_engine.storage.requests import StoredRequest, find_request_and_time
from patient_visit_engine.visit.request import Request

T = TypeVar("T")


@dataclass(frozen=True)
class PreparedRequest(Generic[T]):
    """A request before it is sent. It has its earlier response, or else what its command needs from the database."""

    request: Request
    earlier_response: Response | None
    optional_lookup: T | None

    @property
    def looked_up(self) -> T:
        """The result of `look_up`. Only for a request without an earlier response."""
        assert self.optional_lookup is not None
        return self.optional_lookup


def find_or_look_up(
    connection: Connection, request_id: str, look_up: Callable[[Connection], T]
) -> tuple[StoredRequest | None, datetime, T | None]:
    """The stored request, the database's time, and what `look_up` finds. Raises what it raises, unless the request is decided."""
    problem, looked_up = None, None
    try:
        looked_up = look_up(connection)
    except Problem as error:
        problem = error
    # After the look-up. If the request is decided and its appointment changes between the two reads, its answer still stands.
    stored, now = find_request_and_time(connection, request_id)
    if problem is not None and not (stored is not None and stored.decided):
        raise problem
    return stored, now, looked_up

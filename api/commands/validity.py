"""How long a command is valid. What starts, reserves or gives away expires. What ends or notes something stays valid."""

from datetime import datetime, timedelta
from typing import Any

from patient_visit_engine.api.problems import Problem
from patient_visit_engine.visit.commands import ASYNC_VALID_FOR, Command, ExpiringCommand
from patient_visit_engine.visit.request import Request

#: The latest `valid_until`, counted from the asking.
LONGEST_VALIDITY = timedelta(hours=24)


def with_expiry(command: Command, valid_for: timedelta) -> Command:
    """The command with the end of its validity, `valid_for` after it was asked. Unchanged when it does not expire.

    A repeat of an open asynchronous request is valid for as long as that request.
    """
    request = command.request
    if not isinstance(command, ExpiringCommand) or request.asked_at is None or request.valid_until is not None:
        return command
    return _with(command, valid_until=request.asked_at + (ASYNC_VALID_FOR if request.asynchronous else valid_for))


def for_later(command: Command) -> Command:
    """The command of a client that does not wait for the decision."""
    return with_expiry(_with(command, asynchronous=True), ASYNC_VALID_FOR)


def check_valid_until(valid_until: datetime | None, request: Request, *, prefers_async: bool) -> None:
    """Raise Problem 422 `invalid` for a `valid_until` that has passed, is too far ahead, or comes with a call that waits."""
    if valid_until is None or request.asked_at is None:
        return
    if not prefers_async:
        raise _invalid("only with the header Prefer: respond-async")
    if not request.asked_at < valid_until <= request.asked_at + LONGEST_VALIDITY:
        raise _invalid(f"must be in the next {LONGEST_VALIDITY // timedelta(hours=1)} hours")


def _invalid(message: str) -> Problem:
    errors = [{"field": "valid_until", "message": message}]
    return Problem(422, "invalid", "The request is not valid", errors=errors)


def _with(command: Command, **fields: Any) -> Command:
    return command.model_copy(update={"request": command.request.model_copy(update=fields)})

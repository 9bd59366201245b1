"""The id of an HTTP request (`X-Request-ID`). It is in the answer, in the log, and in the command that the request sends."""

import re
import secrets
from collections.abc import Iterable

from starlette.types import Scope
from structlog.contextvars import bind_contextvars, get_contextvars

HEADER = b"x-request-id"
#: An id that a caller may choose. Any other one would let a caller write lines or control characters into the log.
VALID_ID = re.compile(rb"[\x21-\x7e]{1,128}")
#: Random bytes of an id that the API makes.
RANDOM_ID_BYTES = 12


def begin_request(scope: Scope) -> None:
    """Take the caller's id, or make one, and add it as `http_request_id` to each line that this task logs.

    Call it once, in the task of the request.
    """
    bind_contextvars(http_request_id=choose_request_id(scope["headers"]))


def choose_request_id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The id that the caller sent, or a new one. `headers` have names in lower case."""
    sent = [value for name, value in headers if name == HEADER]
    is_valid = len(sent) == 1 and VALID_ID.fullmatch(sent[0]) is not None
    return sent[0].decode() if is_valid else secrets.token_urlsafe(RANDOM_ID_BYTES)


def current_request_id() -> str:
    """The id of the request that this task answers. Empty outside of a request."""
    request_id: str = get_contextvars().get("http_request_id", "")
    return request_id


def id_header() -> tuple[bytes, bytes]:
    """The header of the answer."""
    return HEADER, current_request_id().encode()

"""The problems that a client gets before its request reaches the application, and their bytes on the connection."""

import json
from collections.abc import Iterable
from http import HTTPStatus

from patient_visit_engine.api.problems import COMMON_HEADERS, PROBLEM_JSON, Problem
from patient_visit_engine.api.request_ids import HEADER, choose_request_id
from patient_visit_engine.wire.problems import problem_body

#: Seconds after which a client that was refused for a moment may try again.
RETRY_AFTER = {"Retry-After": "5"}


def malformed_request() -> Problem:
    return Problem(400, "malformed_request", "The request is not well-formed HTTP/1.1")


def bad_host() -> Problem:
    return Problem(400, "bad_host", "A request must have exactly one Host header, with a host and an optional port")


def request_too_slow(seconds: float) -> Problem:
    return Problem(408, "request_too_slow", f"The request did not arrive completely within {seconds:g} seconds")


def sent_body_too_large(limit: int) -> Problem:
    return Problem(413, "body_too_large", f"A body may have at most {limit} bytes, with the sizes of its chunks")


def url_too_long(limit: int) -> Problem:
    return Problem(414, "url_too_long", f"Path and query may have at most {limit} bytes")


def headers_too_large(limit: int) -> Problem:
    return Problem(431, "headers_too_large", f"Request line and headers may have at most {limit} bytes")


def too_many_headers(limit: int) -> Problem:
    return Problem(431, "headers_too_large", f"A request may have at most {limit} headers")


def too_many_connections(limit: int) -> Problem:
    title = f"At most {limit} connections of one address may be open without a request or an event stream"
    return Problem(429, "too_many_connections", title, headers=RETRY_AFTER)


def connections_exhausted() -> Problem:
    title = "The process has no file descriptor for another connection"
    return Problem(503, "connections_exhausted", title, headers=RETRY_AFTER)


def encode_refusal(
    problem: Problem,
    server_headers: Iterable[tuple[bytes, bytes]] = (),
    request_headers: Iterable[tuple[bytes, bytes]] = (),
) -> bytes:
    """Return the whole response of a connection that closes after it. `request_headers` are those that were read."""
    request_id = choose_request_id(request_headers)
    more = {"http_request_id": request_id} if problem.status == 503 else {}
    content = json.dumps(problem_body(problem.status, problem.code, problem.title, **more)).encode()
    headers = [
        *server_headers,
        *((name.lower().encode(), value.encode()) for name, value in problem.headers.items()),
        *COMMON_HEADERS,
        (HEADER, request_id.encode()),
        (b"content-type", PROBLEM_JSON.encode()),
        (b"content-length", b"%d" % len(content)),
        (b"connection", b"close"),
    ]
    lines = [b"HTTP/1.1 %d %s" % (problem.status, HTTPStatus(problem.status).phrase.encode())]
    lines += [b"%b: %b" % header for header in headers]
    return b"\r\n".join([*lines, b"", content])

"""Sizes and shapes of requests that the server refuses before the application sees them, each on a real socket."""

from collections.abc import AsyncIterator

import pytest

from patient_visit_engine.api.serving.open_connections import OpenConnections
from tests.support.limited_server import (
    CHUNKED,
    POST,
    LimitedServer,
    limited_server,
    small_limits,
)
from tests.support.raw_http import HOST, get
from tests.support.waiting import wait_until_async


@pytest.fixture(scope="module")
async def running_server() -> AsyncIterator[LimitedServer]:
    async with limited_server(OpenConnections(small_limits())) as running:
        yield running


@pytest.fixture
def server(running_server: LimitedServer) -> LimitedServer:
    """A server in which no time ends. Its application has no request yet."""
    running_server.app.clear()
    return running_server


@pytest.mark.parametrize(
    ("request_start", "status", "code"),
    [
        (b"GET / HTTP/1.1\r\n" + HOST.encode() + b"\r\nX: " + b"a" * 5_000, 431, "headers_too_large"),
        (b"GET / HTTP/1.1\r\n" + HOST.encode() + b"\r\n" + b"a" * 5_000, 431, "headers_too_large"),
        (b"\r\n" * 2_500, 431, "headers_too_large"),
        (get("/", *(f"X{number}: 1" for number in range(20))), 431, "headers_too_large"),
        (b"GET /" + b"a" * 5_000, 414, "url_too_long"),
        (b"GET /" + b"a" * 600 + b" HTTP/1.1\r\n", 414, "url_too_long"),
        (b"A" * 5_000, 400, "malformed_request"),
        (f"{POST}Content-Length: 3001\r\n\r\n".encode(), 413, "body_too_large"),
        (CHUNKED + b"1;" + b"a" * 5_000, 413, "body_too_large"),
        (CHUNKED + b"1\r\na\r\n0\r\n" + b"T: 1\r\n" * 700, 413, "body_too_large"),
    ],
)
async def test_too_much_is_refused_and_closed(
    server: LimitedServer, request_start: bytes, status: int, code: str
) -> None:
    connection = await server.connect()

    response = await connection.answer(request_start)
    await connection.send(b"a" * 100_000)

    assert (response.status, response.problem["code"], response.problem["status"]) == (status, code, status)
    assert response.headers["connection"] == "close"
    assert (response.headers["cache-control"], response.headers["x-content-type-options"]) == ("no-store", "nosniff")
    assert len(response.headers["x-request-id"]) == 16
    assert await connection.rest() == b""


async def test_the_largest_head_is_accepted(server: LimitedServer) -> None:
    connection = await server.connect()
    start = b"GET / HTTP/1.1\r\n" + HOST.encode() + b"\r\nX: "
    for size, status in ((2_000, 200), (2_001, 431)):
        response = await connection.answer(start + b"a" * (size - len(start) - 4) + b"\r\n\r\n")

        assert response.status == status


@pytest.mark.parametrize(
    "head",
    [
        "GET / HTTP/1.1\r\n",
        f"GET / HTTP/1.1\r\n{HOST}\r\n{HOST}\r\n",
        "GET / HTTP/1.1\r\nHost:\r\n",
        "GET / HTTP/1.1\r\nHost: a b\r\n",
        "GET / HTTP/1.1\r\nHost: a/b\r\n",
        "GET / HTTP/1.1\r\nHost: user@a\r\n",
        f"GET / HTTP/1.0\r\n{HOST}\r\n{HOST}\r\n",
    ],
)
async def test_a_request_without_one_host_is_refused(server: LimitedServer, head: str) -> None:
    response = await (await server.connect()).answer(f"{head}\r\n".encode())

    assert (response.status, response.problem["code"]) == (400, "bad_host")
    assert server.app.paths == []


@pytest.mark.parametrize("host", ["a", "a:8000", "127.0.0.1:8000", "[::1]", "[::1]:8000", "visits.hospital.example."])
async def test_a_valid_host_is_accepted(server: LimitedServer, host: str) -> None:
    response = await (await server.connect()).answer(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())

    assert response.status == 200


async def test_http_1_0_needs_no_host(server: LimitedServer) -> None:
    connection = await server.connect()

    response = await connection.answer(b"GET / HTTP/1.0\r\n\r\n")

    assert (response.status, response.headers["connection"]) == (200, "close")
    assert await connection.rest() == b""


@pytest.mark.parametrize(
    "request_bytes",
    [
        f"{POST}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        f"{POST}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
        f"{POST}Content-Length: 4\r\nContent-Length: 5\r\n\r\nhello",
        f"{POST}Content-Length: 4\r\nContent-Length: 4\r\n\r\nhell",
        f"{POST}Content-Length: 4, 4\r\n\r\nhell",
        f"{POST}Content-Length: +4\r\n\r\nhell",
        f"{POST}Content-Length: 99999999999999999999999\r\n\r\nhell",
        f"{POST}Transfer-Encoding: gzip\r\n\r\nhell",
        f"{POST}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        f"{POST}Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
        f"{POST}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        f"{POST}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        f"{POST}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        f"{POST}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
        f"{POST}X: a\r\n b\r\n\r\n",
        f"{POST}X: a\rContent-Length: 4\r\n\r\nhell",
        f"POST / HTTP/1.1\n{HOST}\nContent-Length: 4\n\nhell",
        f"POST / HTTP/1.0\r\n{HOST}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        f"POST / HTTP/2.0\r\n{HOST}\r\n\r\n",
        "GET /\r\n\r\n",
    ],
)
async def test_an_ambiguous_request_is_refused(server: LimitedServer, request_bytes: str) -> None:
    """A proxy and this server could disagree where such a request ends. So a second request must not get through behind it."""
    connection = await server.connect()

    response = await connection.answer(request_bytes.encode() + get("/second"))

    assert (response.status, response.problem["code"]) == (400, "malformed_request")
    assert await connection.rest() == b""
    assert server.app.paths == []


@pytest.mark.parametrize("bad_chunk", [b"4\nhell\r\n0\r\n\r\n", b"0x4\r\nhell\r\n0\r\n\r\n", b"4\r\nhello0\r\n\r\n"])
async def test_a_wrong_chunk_ends_the_request(server: LimitedServer, bad_chunk: bytes) -> None:
    connection = await server.connect()

    response = await connection.answer(CHUNKED + bad_chunk + get("/second"))

    assert (response.status, response.problem["code"]) == (400, "malformed_request")
    await wait_until_async(lambda: server.app.disconnects == 1, "the application to see the end")
    assert server.app.paths == ["/echo"]


async def test_trailers_are_no_headers(server: LimitedServer) -> None:
    connection = await server.connect()

    response = await connection.answer(CHUNKED + b"4;name=value\r\nhell\r\n0\r\nX-Forwarded-For: 10.0.0.1\r\n\r\n")

    assert (response.status, response.body) == (200, b"hell")
    assert [name for name, _ in server.app.headers[0]] == [b"host", b"transfer-encoding"]


async def test_the_body_is_sent_after_100_continue(server: LimitedServer) -> None:
    connection = await server.connect()

    await connection.send(f"{POST}Content-Length: 4\r\nExpect: 100-continue\r\n\r\n".encode())

    assert await connection.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert (await connection.answer(b"hell")).body == b"hell"


async def test_a_connection_serves_many_requests(server: LimitedServer) -> None:
    connection = await server.connect()
    for number in range(5):
        assert (await connection.answer(get(f"/{number}"))).status == 200

    assert server.app.paths == [f"/{number}" for number in range(5)]


async def test_an_upgrade_is_answered_and_closed(server: LimitedServer) -> None:
    connection = await server.connect()

    upgrade = get("/", "Connection: Upgrade", "Upgrade: websocket")
    response = await connection.answer(upgrade + get("/second"))

    assert (response.status, response.headers["connection"]) == (200, "close")
    assert await connection.rest() == b""
    assert server.app.paths == ["/"]


@pytest.mark.parametrize(("sent", "is_kept"), [(["mine"], True), (["mine", "other"], False), (["two words"], False)])
async def test_a_refusal_has_the_id_that_was_read(server: LimitedServer, sent: list[str], is_kept: bool) -> None:
    connection = await server.connect()
    ids = "".join(f"X-Request-ID: {value}\r\n" for value in sent)

    response = await connection.answer(f"{POST}{ids}Content-Length: 3001\r\n\r\n".encode())

    assert response.status == 413
    assert (response.headers["x-request-id"] == "mine") is is_kept

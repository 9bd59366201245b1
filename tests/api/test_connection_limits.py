"""Limits of connections and requests, each on a real socket."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from patient_visit_engine.api.serving.limits import ConnectionLimits
from patient_visit_engine.api.serving.open_connections import OpenConnections
from patient_visit_engine.runtime.open_files import OpenFileLimit
from tests.support.limited_server import EchoApp, LimitedServer, limited_server
from tests.support.raw_http import HOST, get
from tests.support.waiting import wait_until_async

#: Long enough for a busy machine, so that only the phase that a test is about can end.
LONG = 60.0
SHORT = 0.3
POST = f"POST /echo HTTP/1.1\r\n{HOST}\r\n"
CHUNKED = f"{POST}Transfer-Encoding: chunked\r\n\r\n".encode()


def limits(**changed: float) -> ConnectionLimits:
    """Small sizes and long times, except those that the test changes."""
    sizes = {"max_head": 2_000, "max_url": 500, "max_headers": 20, "max_sent_body": 3_000, "max_pipelined": 3}
    times = {"first_byte": LONG, "head": LONG, "body": LONG, "answer": LONG, "linger": LONG, "excess_after": 0.1}
    all_limits: dict[str, float] = {"piece": 1_000, "check_interval": 0.05, **sizes, **times, **changed}
    return ConnectionLimits(**all_limits)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
async def running_server() -> AsyncIterator[LimitedServer]:
    async with limited_server(OpenConnections(limits())) as running:
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


async def test_silent_connections_are_closed() -> None:
    counted: list[str] = []
    async with limited_server(OpenConnections(limits(first_byte=SHORT), count_refusal=counted.append)) as server:
        connections = [await server.connect() for _ in range(20)]

        received = [await connection.rest() for connection in connections]

    assert received == [b""] * 20
    assert counted == ["silent"] * 20


@pytest.mark.parametrize("started_again", [False, True])
@pytest.mark.parametrize(
    ("phase", "start", "disconnects"), [("head", b"GET / HT", 0), ("body", CHUNKED + b"4\r\nhe", 1)]
)
async def test_slow_requests_get_408(phase: str, start: bytes, disconnects: int, started_again: bool) -> None:
    async with limited_server(OpenConnections(limits(**{phase: SHORT}))) as server:
        connection = await server.connect()
        if started_again:
            await connection.answer(get())

        response = await connection.answer(start)

        assert (response.status, response.problem["code"]) == (408, "request_too_slow")
        assert await connection.rest() == b""
        assert server.app.disconnects == disconnects


async def test_a_slow_body_that_is_answered_gets_no_second_answer() -> None:
    async with limited_server(OpenConnections(limits(body=SHORT))) as server:
        connection = await server.connect()

        response = await connection.answer(f"POST /unread HTTP/1.1\r\n{HOST}\r\nContent-Length: 9\r\n\r\nhalf".encode())

        assert response.status == 200
        assert await connection.rest() == b""


async def test_the_time_for_a_head_is_not_extended_by_bytes() -> None:
    async with limited_server(OpenConnections(limits(head=1.0))) as server:
        connection = await server.connect()

        async def drip() -> None:
            while True:
                await connection.send(b"a")
                await asyncio.sleep(0.05)

        await connection.send(b"GET / HTTP/1.1\r\nX: ")
        dripping = asyncio.create_task(drip())
        response = await connection.response()
        dripping.cancel()

    assert response.status == 408


async def test_a_client_that_does_not_read_is_closed() -> None:
    counted: list[str] = []
    async with limited_server(OpenConnections(limits(answer=SHORT), count_refusal=counted.append)) as server:
        connection = await server.connect()
        connection.writer.transport.pause_reading()  # type: ignore[attr-defined]

        await connection.send(get("/size/30000000"))

        await wait_until_async(lambda: server.connections.count == 0, "the connection to be closed")
    assert counted == ["answer_not_read"]


async def test_no_time_ends_while_the_application_works() -> None:
    app = EchoApp()
    times = {"first_byte": SHORT, "head": SHORT, "body": SHORT, "answer": SHORT}
    async with limited_server(OpenConnections(limits(**times)), app) as server:
        app.gate.clear()
        waiting, silent = await server.connect(), await server.connect()
        await waiting.send(get())

        await silent.rest()
        await (await server.connect()).rest()
        app.gate.set()

        assert (await waiting.response()).status == 200


async def test_the_last_accepted_request_is_answered_before_a_bad_one() -> None:
    app = EchoApp()
    async with limited_server(OpenConnections(limits()), app) as server:
        app.gate.clear()
        connection = await server.connect()
        await connection.send(get("/1") + get("/2") + b"GET / HTTP/1.1\r\n\r\n" + get("/3"))
        await wait_until_async(lambda: app.paths, "the first request")
        app.gate.set()

        first, second = await connection.response(), await connection.response()

        assert (first.status, second.status, second.headers["connection"]) == (200, 200, "close")
        assert await connection.rest() == b""
        assert app.paths == ["/1", "/2"]


async def test_waiting_requests_are_limited() -> None:
    app = EchoApp()
    async with limited_server(OpenConnections(limits()), app) as server:
        app.gate.clear()
        connection = await server.connect()
        await connection.send(b"".join(get(f"/{number}") for number in range(10)))
        await wait_until_async(lambda: app.paths, "the first request")
        app.gate.set()

        await connection.rest()

        assert app.paths == ["/0", "/1", "/2", "/3"]


async def test_an_upgrade_is_answered_and_closed(server: LimitedServer) -> None:
    connection = await server.connect()

    upgrade = get("/", "Connection: Upgrade", "Upgrade: websocket")
    response = await connection.answer(upgrade + get("/second"))

    assert (response.status, response.headers["connection"]) == (200, "close")
    assert await connection.rest() == b""
    assert server.app.paths == ["/"]


async def test_waiting_connections_of_an_address_are_limited() -> None:
    counted: list[str] = []
    async with limited_server(OpenConnections(limits(), per_address=2, count_refusal=counted.append)) as server:
        first, second, third = [await server.connect() for _ in range(3)]

        refused = await first.response()

        assert (refused.status, refused.problem["code"]) == (429, "too_many_connections")
        assert refused.headers["retry-after"] == "5"
        assert await first.rest() == b""
        assert counted == ["too_many_connections"]
        assert [(await connection.answer(get())).status for connection in (second, third)] == [200, 200]


async def test_requests_that_arrive_together_are_answered() -> None:
    app = EchoApp()
    async with limited_server(OpenConnections(limits(burst=3), per_address=2), app) as server:
        app.gate.clear()
        connections = [await server.connect() for _ in range(6)]
        for connection in connections:
            await connection.send(get())
        await wait_until_async(lambda: len(app.paths) == 6, "all requests")

        refused = await (await server.connect()).answer(get())
        app.gate.set()

        assert (refused.status, refused.problem["code"]) == (429, "too_many_connections")
        assert [(await connection.response()).status for connection in connections] == [200] * 6


async def test_idle_connections_are_closed_without_an_answer() -> None:
    async with limited_server(OpenConnections(limits(), per_address=1)) as server:
        first = await server.connect()
        await first.answer(get())
        second = await server.connect()

        assert await first.rest() == b""
        assert (await second.answer(get())).status == 200


@pytest.mark.parametrize("options", [{"per_address": 0}, {"per_address": 1, "is_trusted": "127.0.0.1".__eq__}])
async def test_proxies_have_no_limit(options: dict[str, object]) -> None:
    async with limited_server(OpenConnections(limits(first_byte=SHORT), **options)) as server:  # type: ignore[arg-type]
        connections = [await server.connect() for _ in range(5)]
        # Each is answered once, and then waits while the server checks all connections several times.
        for connection in connections:
            await connection.answer(get())
        await (await server.connect()).rest()

        assert [(await connection.answer(get())).status for connection in connections] == [200] * 5


async def test_a_stream_has_no_time_limit_and_does_not_count() -> None:
    app = EchoApp()
    times = {"first_byte": SHORT, "head": SHORT, "body": SHORT, "answer": SHORT}
    async with limited_server(OpenConnections(limits(**times), per_address=1), app) as server:
        app.gate.clear()
        stream = await server.connect()
        await stream.send(get("/stream"))
        await wait_until_async(lambda: server.connections.count == 0, "the stream to leave the counted connections")
        silent = await server.connect()
        await silent.rest()

        app.gate.set()

        assert (await stream.response()).status == 200
        assert server.connections.count == 1
        assert (await stream.answer(get())).status == 200


async def test_an_idle_connection_is_closed(server: LimitedServer) -> None:
    connection = await server.connect()
    await connection.answer(get())

    assert await connection.rest() == b""


async def test_a_refused_client_is_read_for_a_limited_time() -> None:
    async with limited_server(OpenConnections(limits(linger=SHORT))) as server:
        connection = await server.connect()
        await connection.answer(b"GET /" + b"a" * 5_000)

        await wait_until_async(lambda: server.connections.count == 0, "the connection to be closed")

        assert server.connections.lingering == 0


async def test_a_refused_client_cannot_send_without_end() -> None:
    async with limited_server(OpenConnections(limits(max_lingered=100_000))) as server:
        connection = await server.connect()
        await connection.answer(b"GET /" + b"a" * 5_000)

        with suppress(ConnectionError):
            await connection.send(b"a" * 5_000_000)

        await wait_until_async(lambda: server.connections.count == 0, "the connection to be closed")


async def test_few_refused_connections_linger() -> None:
    async with limited_server(OpenConnections(limits(max_lingering=2), per_address=1)) as server:
        connections = [await server.connect() for _ in range(6)]

        assert [(await connection.response()).status for connection in connections[:5]] == [429] * 5
        await wait_until_async(lambda: server.connections.count == 3, "the others to be closed")
        assert server.connections.lingering == 2


async def test_a_flood_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        async with limited_server(OpenConnections(limits(), per_address=1)) as server:
            connections = [await server.connect() for _ in range(6)]
            for connection in connections[:5]:
                await connection.response()

    assert caplog.messages == [
        "refused 1 times: too_many_connections, last from 127.0.0.1 (VISIT_CONNECTIONS_PER_ADDRESS is 1)"
    ]


async def test_the_last_file_descriptors_are_not_for_clients(caplog: pytest.LogCaptureFixture) -> None:
    async with limited_server(OpenConnections(limits(), open_files=OpenFileLimit(limit=40, reserve=39))) as server:
        connection = await server.connect()

        response = await connection.response()

        assert (response.status, response.problem["code"]) == (503, "connections_exhausted")
        assert response.problem["http_request_id"] == response.headers["x-request-id"]
    assert caplog.messages[-1].startswith(
        "refused 1 connections: all but 39 of the 40 files that this process may open are open. "
        "Raise the limit of open files: LimitNOFILE"
    )

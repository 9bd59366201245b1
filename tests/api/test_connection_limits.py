"""Times and numbers of connections, each on a real socket."""

import asyncio
import logging
from contextlib import suppress

import pytest

from patient_visit_engine.api.serving.limits import DEFAULT_LIMITS
from patient_visit_engine.api.serving.open_connections import OpenConnections
from patient_visit_engine.runtime.open_files import OpenFileLimit
from tests.support.limited_server import (
    CHUNKED,
    SHORT,
    EchoApp,
    limited_server,
    small_limits,
)
from tests.support.raw_http import HOST, get
from tests.support.waiting import wait_until_async


async def test_silent_connections_are_closed() -> None:
    counted: list[str] = []
    async with limited_server(OpenConnections(small_limits(first_byte=SHORT), count_refusal=counted.append)) as server:
        connections = [await server.connect() for _ in range(20)]

        received = [await connection.rest() for connection in connections]

    assert received == [b""] * 20
    assert counted == ["silent"] * 20


@pytest.mark.parametrize("started_again", [False, True])
@pytest.mark.parametrize(
    ("phase", "start", "disconnects"), [("head", b"GET / HT", 0), ("body", CHUNKED + b"4\r\nhe", 1)]
)
async def test_slow_requests_get_408(phase: str, start: bytes, disconnects: int, started_again: bool) -> None:
    async with limited_server(OpenConnections(small_limits(**{phase: SHORT}))) as server:
        connection = await server.connect()
        if started_again:
            await connection.answer(get())

        response = await connection.answer(start)

        assert (response.status, response.problem["code"]) == (408, "request_too_slow")
        assert await connection.rest() == b""
        assert server.app.disconnects == disconnects


async def test_a_slow_body_that_is_answered_gets_no_second_answer() -> None:
    async with limited_server(OpenConnections(small_limits(body=SHORT))) as server:
        connection = await server.connect()

        response = await connection.answer(f"POST /unread HTTP/1.1\r\n{HOST}\r\nContent-Length: 9\r\n\r\nhalf".encode())

        assert response.status == 200
        assert await connection.rest() == b""


async def test_the_time_for_a_head_is_not_extended_by_bytes() -> None:
    async with limited_server(OpenConnections(small_limits(head=1.0))) as server:
        connection = await server.connect()
        await connection.send(b"GET / HTTP/1.1\r\nX: ")
        response = asyncio.ensure_future(connection.response())

        # The server may close the connection between two bytes.
        with suppress(ConnectionError):
            while not response.done():
                await connection.send(b"a")
                await asyncio.wait([response], timeout=0.05)

        assert (await response).status == 408


async def test_a_client_that_does_not_read_is_closed() -> None:
    counted: list[str] = []
    async with limited_server(OpenConnections(small_limits(answer=SHORT), count_refusal=counted.append)) as server:
        connection = await server.connect()
        connection.writer.transport.pause_reading()  # type: ignore[attr-defined]

        await connection.send(get("/size/30000000"))

        await wait_until_async(lambda: server.connections.count == 0, "the connection to be closed")
    assert counted == ["answer_not_read"]


async def test_no_time_ends_while_the_application_works() -> None:
    app = EchoApp()
    times = {"first_byte": SHORT, "head": SHORT, "body": SHORT, "answer": SHORT}
    async with limited_server(OpenConnections(small_limits(**times)), app) as server:
        app.gate.clear()
        waiting, silent = await server.connect(), await server.connect()
        await waiting.send(get())

        await silent.rest()
        await (await server.connect()).rest()
        app.gate.set()

        assert (await waiting.response()).status == 200


async def test_the_last_accepted_request_is_answered_before_a_bad_one() -> None:
    app = EchoApp()
    async with limited_server(OpenConnections(small_limits()), app) as server:
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
    async with limited_server(OpenConnections(small_limits()), app) as server:
        app.gate.clear()
        connection = await server.connect()
        await connection.send(b"".join(get(f"/{number}") for number in range(10)))
        await wait_until_async(lambda: app.paths, "the first request")
        app.gate.set()

        await connection.rest()

        assert app.paths == ["/0", "/1", "/2", "/3"]


async def test_waiting_connections_of_an_address_are_limited() -> None:
    counted: list[str] = []
    async with limited_server(OpenConnections(small_limits(), per_address=2, count_refusal=counted.append)) as server:
        first, second, third = [await server.connect() for _ in range(3)]

        refused = await first.response()

        assert (refused.status, refused.problem["code"]) == (429, "too_many_connections")
        assert refused.headers["retry-after"] == "5"
        assert await first.rest() == b""
        assert counted == ["too_many_connections"]
        assert [(await connection.answer(get())).status for connection in (second, third)] == [200, 200]


async def test_requests_that_arrive_together_are_answered() -> None:
    app = EchoApp()
    async with limited_server(OpenConnections(small_limits(burst=3), per_address=2), app) as server:
        app.gate.clear()
        connections = [await server.connect() for _ in range(6)]
        for connection in connections:
            await connection.send(get())
        await wait_until_async(lambda: len(app.paths) == 6, "all requests")

        refused = await (await server.connect()).answer(get())
        app.gate.set()

        assert (refused.status, refused.problem["code"]) == (429, "too_many_connections")
        assert [(await connection.response()).status for connection in connections] == [200] * 6


async def test_a_connection_ends_when_it_has_been_idle_too_long() -> None:
    async with limited_server(OpenConnections(small_limits(keep_alive=1))) as server:
        connection = await server.connect()
        await connection.answer(get())

        assert await connection.rest() == b""


def test_clients_and_proxies_close_an_idle_connection_first() -> None:
    # Caddy keeps one for two minutes. Go, nginx and httpx keep one for a shorter time.
    assert DEFAULT_LIMITS.keep_alive > 120


async def test_idle_connections_are_closed_without_an_answer() -> None:
    async with limited_server(OpenConnections(small_limits(), per_address=1)) as server:
        first = await server.connect()
        await first.answer(get())
        second = await server.connect()

        assert await first.rest() == b""
        assert (await second.answer(get())).status == 200


@pytest.mark.parametrize("options", [{"per_address": 0}, {"per_address": 1, "is_trusted": "127.0.0.1".__eq__}])
async def test_proxies_have_no_limit(options: dict[str, object]) -> None:
    async with limited_server(OpenConnections(small_limits(first_byte=SHORT), **options)) as server:  # type: ignore[arg-type]
        connections = [await server.connect() for _ in range(5)]
        # Each is answered once, and then waits while the server checks all connections several times.
        for connection in connections:
            await connection.answer(get())
        await (await server.connect()).rest()

        assert [(await connection.answer(get())).status for connection in connections] == [200] * 5


async def test_a_stream_has_no_time_limit_and_does_not_count() -> None:
    app = EchoApp()
    times = {"first_byte": SHORT, "head": SHORT, "body": SHORT, "answer": SHORT}
    async with limited_server(OpenConnections(small_limits(**times), per_address=1), app) as server:
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


async def test_a_refused_client_is_read_for_a_limited_time() -> None:
    async with limited_server(OpenConnections(small_limits(linger=SHORT))) as server:
        connection = await server.connect()
        await connection.answer(b"GET /" + b"a" * 5_000)

        await wait_until_async(lambda: server.connections.count == 0, "the connection to be closed")

        assert server.connections.lingering == 0


async def test_a_refused_client_cannot_send_without_end() -> None:
    async with limited_server(OpenConnections(small_limits(max_lingered=100_000))) as server:
        connection = await server.connect()
        await connection.answer(b"GET /" + b"a" * 5_000)

        with suppress(ConnectionError):
            await connection.send(b"a" * 5_000_000)

        await wait_until_async(lambda: server.connections.count == 0, "the connection to be closed")


async def test_few_refused_connections_linger() -> None:
    async with limited_server(OpenConnections(small_limits(max_lingering=2), per_address=1)) as server:
        connections = [await server.connect() for _ in range(6)]

        assert [(await connection.response()).status for connection in connections[:5]] == [429] * 5
        await wait_until_async(lambda: server.connections.count == 3, "the others to be closed")
        assert server.connections.lingering == 2


async def test_a_flood_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        async with limited_server(OpenConnections(small_limits(), per_address=1)) as server:
            connections = [await server.connect() for _ in range(6)]
            for connection in connections[:5]:
                await connection.response()

    assert caplog.messages == [
        "refused 1 times: too_many_connections, last from 127.0.0.1 (VISIT_CONNECTIONS_PER_ADDRESS is 1)"
    ]


async def test_the_last_file_descriptors_are_not_for_clients(caplog: pytest.LogCaptureFixture) -> None:
    async with limited_server(
        OpenConnections(small_limits(), open_files=OpenFileLimit(limit=40, reserve=39))
    ) as server:
        connection = await server.connect()

        response = await connection.response()

        assert (response.status, response.problem["code"]) == (503, "connections_exhausted")
        assert response.problem["http_request_id"] == response.headers["x-request-id"]
    assert caplog.messages[-1].startswith(
        "refused 1 connections: all but 39 of the 40 files that this process may open are open. "
        "Raise the limit of open files: LimitNOFILE"
    )

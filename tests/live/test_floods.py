"""Strangers flood the port of a real API process, while its streams and its other callers go on."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from patient_visit_engine.storage.database import Database
from tests.support.api_processes import GONE, ApiProcess, ApiProcesses, raise_file_limit
from tests.support.floods import Strangers, ends_of, peak_megabytes, send_header
from tests.support.raw_http import get
from tests.support.stream_server import StreamClient, an_event, append_events
from tests.support.waiting import wait_until_async

#: A head and a body that never end, and no byte at all.
SLOW_STARTS = {
    "silent": b"",
    "head": b"GET /livez HTTP/1.1\r\nHost: a\r\nX: 1",
    "body": b"POST /api/session HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{",
}
#: Megabytes that the process may need for all floods together. A header alone has 60.
MEMORY_FOR_FLOODS = 40
OPEN_FILES = 160

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
async def strangers() -> AsyncIterator[Strangers]:
    all_strangers = Strangers()
    yield all_strangers
    await all_strangers.close()


async def open_streams(api_processes: ApiProcesses, api: ApiProcess, count: int) -> list[StreamClient]:
    gate = asyncio.Semaphore(100)

    async def open_one(number: int) -> StreamClient:
        async with gate:
            return await api_processes.open_live(api, f"user-{number}")

    return list(await asyncio.gather(*(open_one(number) for number in range(count))))


@pytest.mark.parametrize(
    ("streams", "slow"),
    [(200, ("silent", "head")), pytest.param(2_000, ("silent", "head", "body"), marks=pytest.mark.long)],
)
async def test_streams_go_on_during_floods(
    api_processes: ApiProcesses, writer_database: Database, strangers: Strangers, streams: int, slow: tuple[str, ...]
) -> None:
    assert raise_file_limit(streams + 1_000) >= streams + 1_000, "too few files may be open on this machine"
    # The process raises this limit itself: it has more connections than that.
    api = await api_processes.start(["sh", "-c", f'ulimit -Sn {streams}; exec "$@"', "sh"])
    clients = await open_streams(api_processes, api, streams)
    assert api.process is not None
    memory_before = peak_megabytes(api.process.pid)

    slow_connections = {name: await strangers.open(api.port, SLOW_STARTS[name], 150 // len(slow)) for name in slow}
    answers = asyncio.gather(*(asyncio.to_thread(send_header, api.port, 60) for _ in range(4)))
    statuses = []
    for number in range(1, 21):
        await append_events(writer_database, an_event(number))
        statuses.append((await api.answer("/livez"))[0])
    await asyncio.gather(*(client.read_events(20) for client in clients))
    ends = {name: await ends_of(connections) for name, connections in slow_connections.items()}

    assert statuses == [200] * 20
    assert {tuple(client.numbers) for client in clients} == {tuple(range(1, 21))}
    assert [answer.split(b" ")[1] for answer in await answers] == [b"431"] * 4
    assert peak_megabytes(api.process.pid) - memory_before < MEMORY_FOR_FLOODS
    assert ends.pop("silent") == [b""] * (150 // len(slow))
    for name, received in ends.items():
        assert [response.split(b" ")[1] for response in received] == [b"408"] * (150 // len(slow)), name
    assert await api.count("visit_stream_subscribers") == streams
    assert await api.count("visit_http_refused_total", code="headers_too_large") == 4


async def test_a_request_behind_a_stream_ends_it(api_processes: ApiProcesses) -> None:
    """It would never be answered. The stream must not stay open in the process when its client is gone."""
    api = await api_processes.start()
    clients = await open_streams(api_processes, api, 2)

    await clients[0].send(get("/livez"))

    await clients[0].read_to_the_end()
    assert await api.count("visit_stream_subscribers") == 1


async def test_one_address_has_a_limit_that_streams_do_not_use(
    api_processes: ApiProcesses, strangers: Strangers
) -> None:
    api = await api_processes.start(["env", "VISIT_CONNECTIONS_PER_ADDRESS=50"])
    # All at the same moment: until its request is read, such a connection looks like a silent one.
    clients = await asyncio.gather(*(api_processes.open_live(api, f"user-{number}") for number in range(200)))

    silent = await strangers.open(api.port, b"", 150)
    ends = await ends_of(silent[:100])

    assert [end.split(b" ")[1] for end in ends] == [b"429"] * 100
    assert (await api.answer("/livez"))[0] == 200
    assert await api.count("visit_http_refused_total", code="too_many_connections") >= 100
    assert await api.count("visit_stream_subscribers") == len(clients)


async def test_the_api_survives_without_file_descriptors(
    api_processes: ApiProcesses, writer_database: Database, strangers: Strangers
) -> None:
    limited = ["sh", "-c", f'ulimit -n {OPEN_FILES}; exec "$@"', "sh"]
    api = await api_processes.start(limited)
    clients = await open_streams(api_processes, api, 20)
    early = await strangers.open_one(api.port)
    await early.answer(get("/livez"))

    await strangers.open(api.port, b"", 2 * OPEN_FILES)
    await append_events(writer_database, an_event(1))
    await asyncio.gather(*(client.read_events(1) for client in clients))
    ready = await early.answer(get("/readyz"))
    await strangers.close()
    await wait_until_async(lambda: _answers(api), "the API to answer again")

    assert json.loads(ready.body)["database"] == "up"
    assert [client.numbers for client in clients] == [[1]] * 20
    lines = [line for line in api.log.read_text().splitlines() if "files that this process may open" in line]
    assert len(lines) == 1
    assert f"of the {OPEN_FILES} files" in lines[0]
    assert "LimitNOFILE" in lines[0]
    assert "Traceback" not in api.log.read_text()
    assert await api.count("visit_stream_subscribers") == 20


async def _answers(api: ApiProcess) -> bool:
    with suppress(*GONE):
        return (await api.answer("/livez"))[0] == 200
    return False

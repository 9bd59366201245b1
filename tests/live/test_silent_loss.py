"""A network that drops every packet silently: the server gives its clients up, and they resume without loss."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from patient_visit_engine.storage.database import Database
from tests.support.api_processes import ApiProcess, ApiProcesses
from tests.support.networks import HERE, Network, missing_requirement
from tests.support.stream_server import StreamClient, an_event, append_events, client_on
from tests.support.waiting import wait_until_async

LARGE = "x" * 60_000


@pytest.fixture
def network() -> Iterator[Network]:
    """Two network namespaces with a cable between them."""
    if reason := missing_requirement():
        pytest.skip(reason)
    namespaces = Network()
    try:
        namespaces.open()
        yield namespaces
    finally:
        namespaces.close()


class ApiHere(ApiProcess):
    """An API process in the namespace `here`, with clients in the same namespace."""

    network: Network

    async def connect(self, receive_buffer: int | None = None) -> StreamClient:
        return await client_on(await self.network.connect(self.network.here, self.port), receive_buffer)


async def test_lost_clients_are_given_up_and_resume(on_sqlite: Database, tmp_path: Path, network: Network) -> None:
    api_processes = ApiProcesses(on_sqlite, tmp_path)
    api = ApiHere("api", on_sqlite, tmp_path, HERE, network.within_here)
    api.network = network
    try:
        await api_processes.start_process(api)
        await _cut_and_repair(api_processes, api, network)
    finally:
        await api_processes.close()


async def _cut_and_repair(api_processes: ApiProcesses, api: ApiHere, network: Network) -> None:
    async def connect_from_there(doctor: int, channels: str | None = None, last_id: str | None = None) -> StreamClient:
        client = await client_on(await network.connect(network.there, api.port))
        return await api_processes.open_live(
            api, f"doctor-{doctor}", doctor, channels=channels, last_id=last_id, client=client
        )

    # `quiet` gets few bytes, which the kernel sends and no one acknowledges. `busy` gets more than all buffers can store.
    quiet, busy = await connect_from_there(7, "doctor.7"), await connect_from_there(8)
    unaffected = await api_processes.open_live(api, "desk")
    await append_events(api_processes.database, an_event(1), an_event(2, "doctor.7"))
    await quiet.read_events(1)
    await busy.read_events(1)

    network.cut()
    for number in range(3, 33):
        await append_events(api_processes.database, an_event(number, text=LARGE), an_event(100 + number, "doctor.7"))
    await unaffected.read_events(31)
    assert await api.count("visit_stream_subscribers") == 3

    async def only_one_is_left() -> bool:
        return await api.count("visit_stream_subscribers") == 1

    await wait_until_async(only_one_is_left, "the server to give up both lost clients", seconds=45)
    # Not counted as clients that left: an operator must see in the counters that the network drops packets. The kernel gives up a
    # connection after 20 seconds or at the retransmission that follows, and the hub one that has stalled for 30 seconds.
    given_up = await api.count("visit_stream_dropped_total", reason="given_up")
    stalled = await api.count("visit_stream_dropped_total", reason="stalled")
    assert given_up >= 1
    assert given_up + stalled == 2
    await append_events(api_processes.database, an_event(200))
    await unaffected.read_events(32)
    assert (len(quiet.events), len(busy.events)) == (1, 1)

    network.repair()
    quiet_again = await connect_from_there(7, "doctor.7", quiet.blocks.last_id)
    busy_again = await connect_from_there(8, None, busy.blocks.last_id)
    await asyncio.gather(quiet_again.read_events(30), busy_again.read_events(31))

    assert quiet.numbers + quiet_again.numbers == [2, *range(103, 133)]
    assert busy.numbers + busy_again.numbers == unaffected.numbers == [1, *range(3, 33), 200]
    assert quiet_again.ready["resume"] == busy_again.ready["resume"] == "exact"

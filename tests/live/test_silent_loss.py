"""A cable that swallows every packet and tells nobody: the server gives its readers up, and they come back and miss nothing."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from patient_visit_engine.storage.database import Database
from tests.support.api_processes import ApiProcess, ApiProcesses, eventually_true
from tests.support.networks import HERE, Network, why_not
from tests.support.stream_server import StreamClient, an_event, over, tell

LARGE = "x" * 60_000


@pytest.fixture
def network() -> Iterator[Network]:
    """Two machines with a cable between them."""
    if reason := why_not():
        pytest.skip(reason)
    made = Network()
    try:
        made.open()
        yield made
    finally:
        made.close()


class ApiHere(ApiProcess):
    """An API process in the namespace `here`, spoken to from there."""

    network: Network

    async def connect(self, receive_buffer: int | None = None) -> StreamClient:
        return await over(await self.network.connected(self.network.here, self.port), receive_buffer)


async def test_readers_behind_a_silent_cable_are_given_up_and_miss_nothing(
    on_sqlite: Database, tmp_path: Path, network: Network
) -> None:
    hospital = ApiProcesses(on_sqlite, tmp_path)
    api = ApiHere("api", on_sqlite, tmp_path, HERE, network.within_here)
    api.network = network
    try:
        await hospital.have(api)
        await _cut_and_mend(hospital, api, network)
    finally:
        await hospital.close()


async def _cut_and_mend(hospital: ApiProcesses, api: ApiHere, network: Network) -> None:
    async def from_there(doctor: int, channels: str | None = None, last_id: str | None = None) -> StreamClient:
        client = await over(await network.connected(network.there, api.port))
        return await hospital.live(api, f"doctor-{doctor}", doctor, channels=channels, last_id=last_id, over=client)

    # One is written little, which its kernel takes and nobody acknowledges; the other more than any buffer holds.
    quiet, busy = await from_there(7, "doctor.7"), await from_there(8)
    spared = await hospital.live(api, "desk")
    await tell(hospital.database, an_event(1), an_event(2, "doctor.7"))
    await quiet.read_events(1)
    await busy.read_events(1)

    network.cut()
    for number in range(3, 33):
        await tell(hospital.database, an_event(number, text=LARGE), an_event(100 + number, "doctor.7"))
    await spared.read_events(31)
    assert await api.count("visit_stream_subscribers") == 3

    async def given_up() -> bool:
        return await api.count("visit_stream_subscribers") == 1

    await eventually_true(given_up, "the server to give up the two behind the cable", patience=45)
    # Not as readers that went by themselves: who watches the counters must see a network that swallows.
    assert await api.count("visit_stream_dropped_total", reason="given_up") == 2
    await tell(hospital.database, an_event(200))
    await spared.read_events(32)
    assert (len(quiet.events), len(busy.events)) == (1, 1)

    network.mend()
    quiet_again = await from_there(7, "doctor.7", quiet.blocks.last_id)
    busy_again = await from_there(8, None, busy.blocks.last_id)
    await asyncio.gather(quiet_again.read_events(30), busy_again.read_events(31))

    assert quiet.numbers + quiet_again.numbers == [2, *range(103, 133)]
    assert busy.numbers + busy_again.numbers == spared.numbers == [1, *range(3, 33), 200]
    assert quiet_again.ready["resume"] == busy_again.ready["resume"] == "exact"

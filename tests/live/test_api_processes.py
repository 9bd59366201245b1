"""API processes that stop, die and stand in for each other, and writers that die: what their readers are left with."""

import asyncio
import signal
from contextlib import suppress

import pytest

from patient_visit_engine.storage.database import Database
from tests.support.api_processes import GONE, ApiProcesses, eventually_true, raised_file_limit
from tests.support.stream_server import StreamClient, an_event, of_channel, tell, whole_log

STREAMS = 2_000


@pytest.mark.parametrize("killed", [False, True], ids=["while the first goes on", "after the first was killed"])
async def test_who_comes_back_on_another_process_has_exactly_what_was_missed(
    hospital: ApiProcesses, database: Database, elsewhere: Database, *, killed: bool
) -> None:
    first, second = await asyncio.gather(hospital.start(), hospital.start())
    client = await hospital.live(first, "amrani", 7)
    for number in range(1, 6):
        await tell(elsewhere, an_event(number, "doctor.7" if number % 2 else "consultations"))
    await client.read_events(5)

    if killed:
        first.kill()
    else:
        client.close()
    for number in range(6, 31):
        await tell(elsewhere, an_event(number, f"doctor.{number % 3 + 6}" if number % 2 else "consultations"))
    again = await hospital.live(second, "amrani", 7, last_id=client.blocks.last_id)
    wanted = of_channel(await database.read(whole_log), "consultations", "doctor.7")
    await again.read_events(len(wanted) - 5)
    await tell(elsewhere, an_event(31))
    await again.read_events(len(wanted) - 4)

    assert again.ready["resume"] == "exact"
    assert client.seqs + again.seqs == [*wanted, 31]


async def test_a_process_that_stops_ends_two_thousand_streams_in_order(
    hospital: ApiProcesses, elsewhere: Database
) -> None:
    assert raised_file_limit(STREAMS + 1_000) >= STREAMS + 1_000, "too few files may be open on this machine"
    api = await hospital.start()
    gate = asyncio.Semaphore(200)
    clients: list[StreamClient] = []

    async def one(number: int) -> None:
        async with gate:
            clients.append(await hospital.live(api, f"reader-{number}", number % 50 + 1))

    await asyncio.gather(*(one(number) for number in range(STREAMS)))
    assert await api.count("visit_stream_subscribers") == STREAMS
    await tell(elsewhere, an_event(1))

    api.signal(signal.SIGTERM)

    async def draining() -> bool:
        with suppress(*GONE):
            return '"code":"draining"' in (await api.answer("/readyz"))[1]
        return True

    await eventually_true(draining, "readiness to say so")
    await asyncio.gather(*(client.read_to_the_end() for client in clients))
    code = await api.exited()

    assert code == 0
    assert all(client.complete for client in clients)
    assert {tuple(client.numbers) for client in clients} <= {(1,), ()}
    delays = [client.blocks.retry for client in clients]
    assert all(2000 <= delay <= 6000 for delay in delays)
    assert len(set(delays)) > 1000
    # There is no Temporal here, which readiness says when it is asked.
    log = [line for line in api.log.read_text().lower().splitlines() if "temporal cannot be reached" not in line]
    bad = ("traceback", "exception", '"error"', '"warning"', '"critical"')
    assert not [line for line in log if any(word in line for word in bad)]


async def test_readers_that_take_nothing_do_not_keep_a_process_from_stopping_in_order(hospital: ApiProcesses) -> None:
    api = await hospital.start()
    stalled = [await hospital.live(api, f"amrani-{number}", 7, receive_buffer=4096) for number in range(3)]
    well = await hospital.live(api, "haddad", 8)
    for number in range(1, 31):
        await tell(hospital.database, an_event(number, text="x" * 60_000))
    await well.read_events(30)
    assert await api.count("visit_stream_behind") == len(stalled)

    api.signal(signal.SIGTERM)
    await well.read_to_the_end()

    assert await api.exited() == 0
    log = api.log.read_text().lower()
    # Not a word of "timeout graceful shutdown exceeded": whoever waited for them would be killed before it has tidied up.
    assert not [word for word in ("traceback", "exceeded", '"error"', '"critical"') if word in log], log


async def test_a_writer_that_dies_before_its_commit_leaves_nothing_and_no_gap(
    hospital: ApiProcesses, database: Database, elsewhere: Database
) -> None:
    api, writer = await asyncio.gather(hospital.start(), hospital.writer())
    client = await hospital.live(api, "amrani", 7)
    await tell(elsewhere, an_event(1))

    await writer.tell("halt inside", ("consultations", 2), ("doctor.7", 3))
    await writer.kill()
    await tell(elsewhere, an_event(4))
    await client.read_events(2)
    await tell(elsewhere, an_event(5))
    await client.read_events(3)

    assert client.seqs == [1, 2, 3]
    assert client.numbers == [1, 4, 5]
    assert await database.read(whole_log) == [(1, "consultations", 1), (2, "consultations", 4), (3, "consultations", 5)]
    assert await api.count("visit_stream_holds_total") == 0


async def test_a_writer_that_dies_behind_its_commit_leaves_its_event_once(
    hospital: ApiProcesses, elsewhere: Database
) -> None:
    api, writer = await asyncio.gather(hospital.start(), hospital.writer())
    client = await hospital.live(api, "amrani", 7)

    await writer.tell("halt behind", ("doctor.7", 1))
    await writer.kill()
    await client.read_events(1)
    await tell(elsewhere, an_event(2))
    await client.read_events(2)

    assert client.numbers == [1, 2]
    assert await api.count("visit_stream_holds_total") == 0

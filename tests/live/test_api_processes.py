"""Streams stay complete when an API process stops or dies, and when a writer dies."""

import asyncio
import signal
from contextlib import suppress

import pytest

from patient_visit_engine.storage.database import Database
from tests.support.api_processes import GONE, ApiProcesses, raise_file_limit
from tests.support.databases import ON_SQLITE
from tests.support.log_lines import lines_without_temporal
from tests.support.stream_server import StreamClient, an_event, append_events, positions_of, whole_log
from tests.support.waiting import wait_until_async

STREAMS = 2_000


@pytest.mark.parametrize(
    ("database", "killed"),
    [("sqlite", True), pytest.param("postgres", False, marks=pytest.mark.long)],
    indirect=["database"],
    ids=["sqlite, first process killed", "postgres, first process runs"],
)
async def test_resumes_exactly_on_another_process(
    api_processes: ApiProcesses, database: Database, writer_database: Database, *, killed: bool
) -> None:
    first, second = await asyncio.gather(api_processes.start(), api_processes.start())
    client = await api_processes.open_live(first, "amrani", 7)
    for number in range(1, 6):
        await append_events(writer_database, an_event(number, "doctor.7" if number % 2 else "consultations"))
    await client.read_events(5)

    if killed:
        first.kill()
    else:
        client.close()
    for number in range(6, 31):
        await append_events(
            writer_database, an_event(number, f"doctor.{number % 3 + 6}" if number % 2 else "consultations")
        )
    again = await api_processes.open_live(second, "amrani", 7, last_id=client.blocks.last_id)
    expected = positions_of(await database.read(whole_log), "consultations", "doctor.7")
    await again.read_events(len(expected) - 5)
    await append_events(writer_database, an_event(31))
    await again.read_events(len(expected) - 4)

    assert again.ready["resume"] == "exact"
    assert client.seqs + again.seqs == [*expected, 31]


@pytest.mark.long
async def test_stop_ends_two_thousand_streams_in_order(api_processes: ApiProcesses, writer_database: Database) -> None:
    assert raise_file_limit(STREAMS + 1_000) >= STREAMS + 1_000, "too few files may be open on this machine"
    api = await api_processes.start()
    gate = asyncio.Semaphore(200)
    clients: list[StreamClient] = []

    async def open_one(number: int) -> None:
        async with gate:
            clients.append(await api_processes.open_live(api, f"user-{number}", number % 50 + 1))

    await asyncio.gather(*(open_one(number) for number in range(STREAMS)))
    assert await api.count("visit_stream_subscribers") == STREAMS
    await append_events(writer_database, an_event(1))

    api.signal(signal.SIGTERM)

    async def is_draining() -> bool:
        with suppress(*GONE):
            return '"code":"draining"' in (await api.answer("/readyz"))[1]
        return True

    await wait_until_async(is_draining, "readiness to report draining")
    await asyncio.gather(*(client.read_to_the_end() for client in clients))
    code = await api.exited()

    assert code == 0
    assert all(client.complete for client in clients)
    assert {tuple(client.numbers) for client in clients} <= {(1,), ()}
    delays = [client.blocks.retry or 0 for client in clients]
    assert all(2000 <= delay <= 6000 for delay in delays)
    assert len(set(delays)) > 1000
    log = lines_without_temporal(api.log)
    bad = ("traceback", "exception", '"error"', '"warning"', '"critical"')
    assert not [line for line in log if any(word in line for word in bad)]


@ON_SQLITE
async def test_stalled_clients_do_not_delay_a_stop(api_processes: ApiProcesses) -> None:
    api = await api_processes.start()
    stalled = [await api_processes.open_live(api, f"amrani-{number}", 7, receive_buffer=4096) for number in range(3)]
    healthy = await api_processes.open_live(api, "haddad", 8)
    for number in range(1, 31):
        await append_events(api_processes.database, an_event(number, text="x" * 60_000))
    await healthy.read_events(30)
    assert await api.count("visit_stream_behind") == len(stalled)

    api.signal(signal.SIGTERM)
    await healthy.read_to_the_end()

    assert await api.exited() == 0
    log = "\n".join(lines_without_temporal(api.log))
    # No "timeout graceful shutdown exceeded": a process that waited for them would be killed before it cleaned up.
    assert not [word for word in ("traceback", "exceeded", '"error"', '"critical"') if word in log], log


async def test_killed_transaction_leaves_no_gap(
    api_processes: ApiProcesses, database: Database, writer_database: Database
) -> None:
    api, writer = await asyncio.gather(api_processes.start(), api_processes.start_writer())
    client = await api_processes.open_live(api, "amrani", 7)
    await append_events(writer_database, an_event(1))

    await writer.write("halt before commit", ("consultations", 2), ("doctor.7", 3))
    await writer.kill()
    await append_events(writer_database, an_event(4))
    await client.read_events(2)
    await append_events(writer_database, an_event(5))
    await client.read_events(3)

    assert client.seqs == [1, 2, 3]
    assert client.numbers == [1, 4, 5]
    assert await database.read(whole_log) == [(1, "consultations", 1), (2, "consultations", 4), (3, "consultations", 5)]
    assert await api.count("visit_stream_holds_total") == 0


async def test_commit_survives_killed_writer_once(api_processes: ApiProcesses, writer_database: Database) -> None:
    api, writer = await asyncio.gather(api_processes.start(), api_processes.start_writer())
    client = await api_processes.open_live(api, "amrani", 7)

    await writer.write("halt after commit", ("doctor.7", 1))
    await writer.kill()
    await client.read_events(1)
    await append_events(writer_database, an_event(2))
    await client.read_events(2)

    assert client.numbers == [1, 2]
    assert await api.count("visit_stream_holds_total") == 0


@ON_SQLITE
async def test_setting_limits_streams_of_one_user(api_processes: ApiProcesses) -> None:
    api = await api_processes.start(VISIT_STREAMS_PER_USER="18")
    for _ in range(18):
        await api_processes.open_live(api, "desk")

    refused = await api_processes.open(api, "desk")
    other_user = await api_processes.open_live(api, "ward")

    assert (refused.status, (await refused.problem())["code"]) == (429, "too_many_streams")
    assert other_user.status == 200
    assert await api.count("visit_stream_refused_total", reason="too_many_streams") == 1

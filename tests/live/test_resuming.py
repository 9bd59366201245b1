"""A client that resumes gets all its events, once, in order, and no event of another user."""

import asyncio
import itertools
import json
from functools import partial

import pytest

from patient_visit_engine.live.cursor import read_cursor
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.log_reader import read_bounds
from tests.support.api_processes import WriterProcess
from tests.support.stream_server import (
    BlockParser,
    Serve,
    StreamClient,
    an_event,
    append_events,
    positions_of,
    whole_log,
)
from tests.support.waiting import wait_until_async


async def test_streams_events_of_other_process_in_order(serve: Serve, database: Database) -> None:
    server = await serve()
    client = await server.live_client()

    writer = await WriterProcess.start(database)
    await writer.send_order(
        "commit one by one", *(("consultations" if number % 5 else "doctor.7", number) for number in range(1, 61))
    )
    await client.read_events(60)
    await writer.kill()

    assert client.seqs == list(range(1, 61))
    assert client.numbers == list(range(1, 61))


async def test_snapshot_and_stream_are_the_whole_log(
    serve: Serve, database: Database, writer_database: Database
) -> None:
    server = await serve()
    total = 150
    numbers = iter(range(1, total + 1))

    async def write(count: int) -> None:
        for number in itertools.islice(numbers, count):
            await append_events(writer_database, an_event(number))

    async def read() -> list[int]:
        snapshot = await database.read(lambda c: (read_bounds(c), whole_log(c)))
        client = await server.client(last_id=f"{snapshot[0].epoch}-{snapshot[0].head}")
        await client.read_until(lambda: client.received and len(snapshot[1]) + len(client.events) >= total)
        assert client.ready["resume"] == "exact"
        return [seq for seq, _, _ in snapshot[1]] + client.seqs

    reads: list[asyncio.Task[list[int]]] = []
    for _ in range(12):
        # The subscriber starts while the next events are written.
        reads.append(asyncio.create_task(read()))
        await write(total // 12)
    await write(total)
    for read_task in reads:
        assert await read_task == list(range(1, total + 1))


async def test_resumes_exactly_after_cut_at_any_byte(serve: Serve, writer_database: Database) -> None:
    server = await serve(max_streams_per_user=500)
    whole = await server.live_client()
    epoch = server.hub.window.epoch
    for number in range(1, 9):
        await append_events(writer_database, an_event(number, text="é\u2028𝄞" * number))
    await whole.read_events(8)

    for offset in range(len(whole.body) + 1):
        first_part = BlockParser()
        first_part.feed(whole.body[:offset])
        again = await server.client(last_id=first_part.last_id or f"{epoch}-0")
        before = [event for event in first_part.received if event.name == "patient.updated"]
        await again.read_events(8 - len(before))
        ids = [event.id for event in [*before, *again.events]]
        again.close()

        assert ids == [f"{epoch}-{seq}" for seq in range(1, 9)], f"cut at byte {offset}"


@pytest.mark.parametrize("ring", [2, 8, 4096], ids=["from log", "from log and ring", "from ring"])
async def test_resume_brings_missed_own_events(
    serve: Serve, database: Database, writer_database: Database, ring: int
) -> None:
    server = await serve(ring_frames=ring, catch_up_page_size=7)
    for number in range(1, 41):
        await append_events(
            writer_database, an_event(number, f"doctor.{number % 3 + 6}" if number % 2 else "consultations")
        )
    await wait_until_async(lambda: server.hub.window.position == 40, "the tailer")
    log = await database.read(whole_log)

    client = await server.client(7, last_id=f"{server.hub.window.epoch}-3")
    expected = [seq for seq in positions_of(log, "consultations", "doctor.7") if seq > 3]
    await client.read_events(len(expected))
    await append_events(writer_database, an_event(99, "doctor.7"))
    await client.read_events(len(expected) + 1)

    assert client.seqs == [*expected, 41]


def has_second_event(client: StreamClient) -> bool:
    return 2 in client.numbers


async def test_private_event_reaches_only_its_doctor(serve: Serve, writer_database: Database) -> None:
    server = await serve()
    hers = await server.live_client(7)
    his = await server.live_client(8)
    desk = await server.live_client(None)

    await append_events(writer_database, an_event(1, "doctor.7", message="private"), an_event(2))
    for client in (hers, his, desk):
        await client.read_until(partial(has_second_event, client))
    replayed = await server.client(8, last_id=f"{server.hub.window.epoch}-0")
    await replayed.read_events(1)

    assert hers.numbers == [1, 2]
    for client in (his, desk, replayed):
        assert client.numbers == [2]
        assert b"private" not in client.body


@pytest.mark.parametrize(
    "cursor", ["x", "-", "{epoch}-", "{epoch}-01", "{epoch}--1", "{epoch}-99", "other-3", "{epoch}-\xb2", "9" * 900]
)
async def test_unknown_cursor_resets_without_events(serve: Serve, writer_database: Database, cursor: str) -> None:
    server = await serve()
    for number in range(1, 6):
        await append_events(writer_database, an_event(number, "doctor.8", message="foreign"))
    await wait_until_async(lambda: server.hub.window.position == 5, "the tailer")
    epoch = server.hub.window.epoch

    client = await server.live_client(7, last_id=cursor.format(epoch=epoch))
    await append_events(writer_database, an_event(6))
    await client.read_events(1)

    assert client.status == 200
    assert [event.name for event in client.received] == ["ready", "reset", "patient.updated"]
    assert client.ready == {"resume": "reset", "cursor": f"{epoch}-5"}
    assert (client.received[0].id, client.received[1].id) == ("", f"{epoch}-5")
    assert b"foreign" not in client.body
    assert server.hub.counters.resets == 1


async def test_cursor_of_pruned_events_causes_reset(
    serve: Serve, database: Database, writer_database: Database
) -> None:
    for number in range(1, 31):
        await append_events(writer_database, an_event(number))
    await database.write(lambda c: c.exec_driver_sql("DELETE FROM events WHERE seq <= 10"))
    server = await serve(ring_frames=4)
    epoch = server.hub.window.epoch

    pruned = await server.client(last_id=f"{epoch}-9")
    retained = await server.client(last_id=f"{epoch}-10")
    await pruned.read_until(lambda: len(pruned.received) == 2)
    await retained.read_events(20)

    assert pruned.ready["resume"] == "reset"
    assert retained.ready["resume"] == "exact"
    assert retained.seqs == list(range(11, 31))


async def test_stream_without_cursor_starts_at_head(serve: Serve, writer_database: Database) -> None:
    await append_events(writer_database, an_event(1), an_event(2))
    server = await serve()

    client = await server.live_client()
    await append_events(writer_database, an_event(3))
    await client.read_events(1)

    assert client.ready == {"resume": "exact", "cursor": f"{server.hub.window.epoch}-2"}
    assert client.blocks.retry == 2000
    assert client.seqs == [3]


async def test_header_cursor_wins_over_address(serve: Serve, writer_database: Database) -> None:
    await append_events(writer_database, an_event(1), an_event(2), an_event(3))
    server = await serve()
    epoch = server.hub.window.epoch

    both = await server.client(channels=f"consultations&last_event_id={epoch}-0", last_id=f"{epoch}-2")
    address = await server.client(channels=f"consultations&last_event_id={epoch}-1")
    await both.read_events(1)
    await address.read_events(2)

    assert both.seqs == [3]
    assert address.seqs == [2, 3]


@pytest.mark.parametrize(
    "text",
    ["a\rb", "a\nb", "a\r\nb", "a\n\nid: 9\n\nb", "a\u2028\u2029\x85b", "𝄞\U0010ffff", "\x00\x1b", "é" * 32_768],
    ids=["CR", "LF", "CRLF", "an injected block", "U+2028", "astral", "control", "64 KiB"],
)
async def test_delivers_any_text_unchanged(serve: Serve, writer_database: Database, text: str) -> None:
    server = await serve()
    client = await server.live_client()

    await append_events(writer_database, an_event(1, text=text), an_event(2))
    await client.read_events(2)

    assert json.loads(client.events[0].data)["text"] == text
    assert client.numbers == [1, 2]


async def test_heartbeat_passes_other_channels(serve: Serve, writer_database: Database) -> None:
    server = await serve(heartbeat_interval=0.05)
    client = await server.live_client(7, channels="doctor.7")

    for number in range(1, 6):
        await append_events(writer_database, an_event(number, "doctor.8"))
    await client.read_until(lambda: client.received[-1].id.endswith("-5"))

    assert client.received[-1].name == "heartbeat"
    assert client.received[-1].data == "{}"
    assert client.events == []
    cursors = [cursor for event in client.received if (cursor := read_cursor(event.id))]
    assert len(cursors) == len(client.received)
    assert cursors == sorted(cursors)

"""What a reader gets, from wherever it comes back: all of it, once, in order, and nobody else's."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from patient_visit_engine.live.cursor import read_cursor
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.log_reader import read_bounds
from tests.support.stream_server import BlockParser, Serve, an_event, of_channel, tell, until, whole_log

ROOT = Path(__file__).parents[2]
WRITER = """
import asyncio, sys
sys.path.insert(0, "tests/live")
from tests.live.stream_rig import an_event, tell
from storage.database import Database

async def main(url, first, count):
    database = Database(url)
    for number in range(first, first + count):
        await tell(database, an_event(number, "doctor.7" if number % 5 == 0 else "consultations"))
    await database.close()

asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
"""


async def test_what_another_process_commits_is_on_the_stream_in_the_order_of_the_log(
    serve: Serve, database: Database
) -> None:
    served = await serve()
    client = await served.live_client()

    writing = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITER, database.url.render_as_string(), "1", "60", cwd=ROOT
    )
    await client.read_events(60)

    assert await writing.wait() == 0
    assert client.seqs == list(range(1, 61))
    assert client.numbers == list(range(1, 61))


async def test_a_snapshots_cursor_and_the_stream_from_it_are_the_whole_log_whenever_it_is_taken(
    serve: Serve, database: Database, elsewhere: Database
) -> None:
    served = await serve()
    wanted = 150

    async def write() -> None:
        for number in range(1, wanted + 1):
            await tell(elsewhere, an_event(number))

    async def read() -> list[int]:
        snapshot = await database.read(lambda c: (read_bounds(c), whole_log(c)))
        client = await served.client(last_id=f"{snapshot[0].epoch}-{snapshot[0].head}")
        await client.read_until(lambda: client.told and len(snapshot[1]) + len(client.events) >= wanted)
        assert client.ready["resume"] == "exact"
        return [seq for seq, _, _ in snapshot[1]] + client.seqs

    writing = asyncio.create_task(write())
    readers = []
    while not writing.done():
        readers.append(asyncio.create_task(read()))
        if len(readers) == 12:
            break
        await asyncio.sleep(0.02)
    await writing
    for reader in readers:
        assert await reader == list(range(1, wanted + 1))


async def test_a_stream_cut_at_any_byte_is_resumed_exactly(serve: Serve, elsewhere: Database) -> None:
    served = await serve(streams_per_user=500)
    whole = await served.live_client()
    epoch = served.hub.window.epoch
    for number in range(1, 9):
        await tell(elsewhere, an_event(number, text="é\u2028𝄞" * number))
    await whole.read_events(8)

    for offset in range(len(whole.body) + 1):
        had = BlockParser()
        had.feed(whole.body[:offset])
        again = await served.client(last_id=had.last_id or f"{epoch}-0")
        before = [one for one in had.told if one.name == "patient.updated"]
        await again.read_events(8 - len(before))
        seen = [one.id for one in [*before, *again.events]]
        again.close()

        assert seen == [f"{epoch}-{seq}" for seq in range(1, 9)], f"cut at byte {offset}"


@pytest.mark.parametrize("ring", [2, 8, 4096], ids=["from the log", "from both", "from the ring"])
async def test_who_comes_back_gets_what_was_missed_of_its_own_channels(
    serve: Serve, database: Database, elsewhere: Database, ring: int
) -> None:
    served = await serve(ring_frames=ring, page=7)
    for number in range(1, 41):
        await tell(elsewhere, an_event(number, f"doctor.{number % 3 + 6}" if number % 2 else "consultations"))
    await until(lambda: served.hub.window.position == 40, "the tailer")
    log = await database.read(whole_log)

    client = await served.client(7, last_id=f"{served.hub.window.epoch}-3")
    wanted = [seq for seq in of_channel(log, "consultations", "doctor.7") if seq > 3]
    await client.read_events(len(wanted))
    await tell(elsewhere, an_event(99, "doctor.7"))
    await client.read_events(len(wanted) + 1)

    assert client.seqs == [*wanted, 41]


async def test_a_private_event_reaches_its_doctor_and_nobody_else(serve: Serve, elsewhere: Database) -> None:
    served = await serve()
    hers = await served.live_client(7)
    his = await served.live_client(8)
    desk = await served.live_client(None)

    await tell(elsewhere, an_event(1, "doctor.7", message="private"), an_event(2))
    for client in (hers, his, desk):
        await client.read_until(lambda client=client: 2 in client.numbers)
    replayed = await served.client(8, last_id=f"{served.hub.window.epoch}-0")
    await replayed.read_events(1)

    assert hers.numbers == [1, 2]
    for client in (his, desk, replayed):
        assert client.numbers == [2]
        assert b"private" not in client.body


@pytest.mark.parametrize(
    "cursor", ["x", "-", "{epoch}-", "{epoch}-01", "{epoch}--1", "{epoch}-99", "other-3", "{epoch}-\xb2", "9" * 900]
)
async def test_a_cursor_that_the_log_never_gave_out_resets_the_reader_and_discloses_nothing(
    serve: Serve, elsewhere: Database, cursor: str
) -> None:
    served = await serve()
    for number in range(1, 6):
        await tell(elsewhere, an_event(number, "doctor.8", message="foreign"))
    await until(lambda: served.hub.window.position == 5, "the tailer")
    epoch = served.hub.window.epoch

    client = await served.live_client(7, last_id=cursor.format(epoch=epoch))
    await tell(elsewhere, an_event(6))
    await client.read_events(1)

    assert client.status == 200
    assert [one.name for one in client.told] == ["ready", "reset", "patient.updated"]
    assert client.ready == {"resume": "reset", "cursor": f"{epoch}-5"}
    assert (client.told[0].id, client.told[1].id) == ("", f"{epoch}-5")
    assert b"foreign" not in client.body
    assert served.hub.counters.resets == 1


async def test_a_cursor_whose_events_are_pruned_resets_the_reader(
    serve: Serve, database: Database, elsewhere: Database
) -> None:
    for number in range(1, 31):
        await tell(elsewhere, an_event(number))
    await database.write(lambda c: c.exec_driver_sql("DELETE FROM events WHERE seq <= 10"))
    served = await serve(ring_frames=4)
    epoch = served.hub.window.epoch

    pruned = await served.client(last_id=f"{epoch}-9")
    kept = await served.client(last_id=f"{epoch}-10")
    await pruned.read_until(lambda: len(pruned.told) == 2)
    await kept.read_events(20)

    assert pruned.ready["resume"] == "reset"
    assert kept.ready["resume"] == "exact"
    assert kept.seqs == list(range(11, 31))


async def test_a_reader_without_a_cursor_begins_at_the_head(serve: Serve, elsewhere: Database) -> None:
    await tell(elsewhere, an_event(1), an_event(2))
    served = await serve()

    client = await served.live_client()
    await tell(elsewhere, an_event(3))
    await client.read_events(1)

    assert client.ready == {"resume": "exact", "cursor": f"{served.hub.window.epoch}-2"}
    assert client.blocks.retry == 2000
    assert client.seqs == [3]


async def test_the_header_wins_over_the_address(serve: Serve, elsewhere: Database) -> None:
    await tell(elsewhere, an_event(1), an_event(2), an_event(3))
    served = await serve()
    epoch = served.hub.window.epoch

    both = await served.client(channels=f"consultations&last_event_id={epoch}-0", last_id=f"{epoch}-2")
    address = await served.client(channels=f"consultations&last_event_id={epoch}-1")
    await both.read_events(1)
    await address.read_events(2)

    assert both.seqs == [3]
    assert address.seqs == [2, 3]


@pytest.mark.parametrize(
    "text",
    ["a\rb", "a\nb", "a\r\nb", "a\n\nid: 9\n\nb", "a\u2028\u2029\x85b", "𝄞\U0010ffff", "\x00\x1b", "é" * 32_768],
    ids=["CR", "LF", "CRLF", "an injected block", "U+2028", "astral", "control", "64 KiB"],
)
async def test_any_text_comes_out_as_it_went_in(serve: Serve, elsewhere: Database, text: str) -> None:
    served = await serve()
    client = await served.live_client()

    await tell(elsewhere, an_event(1, text=text), an_event(2))
    await client.read_events(2)

    assert json.loads(client.events[0].data)["text"] == text
    assert client.numbers == [1, 2]


async def test_heartbeats_carry_the_readers_own_cursor_past_events_of_others(serve: Serve, elsewhere: Database) -> None:
    served = await serve(heartbeat_every=0.05)
    client = await served.live_client(7, channels="doctor.7")

    for number in range(1, 6):
        await tell(elsewhere, an_event(number, "doctor.8"))
    await client.read_until(lambda: client.told[-1].id.endswith("-5"))

    assert client.told[-1].name == "heartbeat"
    assert client.told[-1].data == "{}"
    assert client.events == []
    cursors = [read_cursor(one.id) for one in client.told]
    assert cursors == sorted(cursors)

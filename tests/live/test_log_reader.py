"""Pages of the log: complete, from one snapshot, and read without a scan of other channels."""

from typing import Any

from sqlalchemy import Connection

from patient_visit_engine.live.hub_tasks import run_hub
from patient_visit_engine.live.subscriber import Message, Subscription
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.log_hints import hints_of
from patient_visit_engine.storage.log_reader import LogPage, LogReader, read_page, read_page_of_all
from tests.support.statements import recorded_statements
from tests.support.stream_server import BlockParser, an_event, append_events
from tests.support.touched_rows import touched_rows
from tests.support.waiting import wait_until_async

#: Far more than the rows that a page may touch, and few enough for one statement on a busy machine.
FOREIGN = 50_000
FOREIGN_EVENTS = f"""
    WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i <= {FOREIGN})
    INSERT INTO events (seq, dedup_key, at, channel, name, data, patient_id)
    SELECT i, 'foreign/' || i, (SELECT at FROM events), 'doctor.8', 'patient.updated', '{{}}', 1 FROM n
"""


def add_foreign_events(connection: Connection) -> None:
    """Add many events of another doctor after the first event, in one statement."""
    connection.exec_driver_sql(FOREIGN_EVENTS)
    connection.exec_driver_sql(f"UPDATE log_head SET seq = {FOREIGN + 1}")
    connection.exec_driver_sql("ANALYZE events")


async def test_reads_quiet_channel_without_full_scan(database: Database) -> None:
    await append_events(database, an_event(1, "doctor.7"))
    await database.write(add_foreign_events)
    await append_events(database, an_event(2, "doctor.7"))

    def read(connection: Connection) -> tuple[LogPage, int]:
        with touched_rows(connection, "events") as count_touched:
            page = read_page(connection, 1, 100, {"consultations", "doctor.7"})
            return page, count_touched()

    page, touched = await database.read(read)

    assert [event.seq for event in page.entries] == [FOREIGN + 2]
    assert page.reached == FOREIGN + 2
    assert touched < 200


async def test_quiet_channel_catches_up_with_one_page(
    database: Database,
) -> None:
    await append_events(database, an_event(1, "doctor.7"))
    await database.write(add_foreign_events)
    await append_events(database, an_event(2, "doctor.7"))
    blocks = BlockParser()
    pages = 0

    class CountingLogReader(LogReader):
        async def read_after(self, *arguments: Any) -> LogPage:
            nonlocal pages
            pages += arguments[2] is not None
            return await super().read_after(*arguments)

    async def send(message: Message) -> None:
        blocks.feed(message["body"])

    hints = hints_of(database)
    async with run_hub(CountingLogReader(database), hints) as hub:
        await wait_until_async(lambda: hub.started, "the first read")
        channels = frozenset({"doctor.7"})
        subscriber = hub.admit(Subscription("u", "s", "n", "r", channels, channels.__contains__), send, lambda: None)
        hub.start_stream(subscriber, f"{hub.window.epoch}-1")
        await wait_until_async(lambda: subscriber.live, "a live subscriber")
    hints.close()

    assert [event.id.rpartition("-")[2] for event in blocks.received if event.name == "patient.updated"] == [
        str(FOREIGN + 2)
    ]
    assert '"resume":"exact"' in blocks.received[0].data
    assert pages == 1


async def test_pages_of_several_channels_are_complete(database: Database) -> None:
    channels = ["consultations", "doctor.7", "doctor.8"]
    await append_events(database, *(an_event(number, channels[number * number % 3]) for number in range(1, 60)))
    log = LogReader(database)

    position, positions = 0, list[int]()
    while position < 59:
        page = await log.read_after(position, 7, {"consultations", "doctor.7"})
        assert page.reached > position
        positions += [event.seq for event in page.entries]
        position = page.reached

    assert positions == [
        event.seq for event in (await log.read_after(0, 100, None)).entries if event.channel != "doctor.8"
    ]
    assert positions == sorted(positions)


async def test_page_of_all_channels_is_one_statement(database: Database) -> None:
    await append_events(database, an_event(1))
    await database.write(add_foreign_events)
    log = LogReader(database)

    def read(connection: Connection) -> tuple[LogPage, int]:
        with touched_rows(connection, "events") as count_touched:
            return read_page_of_all(connection, 1, 2), count_touched()

    with recorded_statements() as statements:
        full, last, empty = [await log.read_after(position, 2, None) for position in (0, FOREIGN, FOREIGN + 9)]
    _, touched = await database.read(read)

    assert [[event.seq for event in page.entries] for page in (full, last, empty)] == [[1, 2], [FOREIGN + 1], []]
    assert [page.reached for page in (full, last, empty)] == [2, FOREIGN + 1, FOREIGN + 9]
    assert {page.bounds for page in (full, last, empty)} == {await log.bounds()}
    assert len([text for text in statements if "log_head" in text or "events" in text]) == 3
    assert touched < 200


async def test_page_without_events_reaches_head(database: Database) -> None:
    await append_events(database, an_event(1), an_event(2))

    page = await LogReader(database).read_after(0, 10, {"doctor.7"})

    assert (page.entries, page.reached) == ([], 2)


async def test_oldest_of_empty_log_is_after_head(database: Database) -> None:
    log = LogReader(database)

    empty = await log.bounds()
    await append_events(database, an_event(1), an_event(2))
    await database.write(lambda c: c.exec_driver_sql("DELETE FROM events"))
    pruned = await log.bounds()

    assert (empty.oldest, empty.head) == (1, 0)
    assert (pruned.oldest, pruned.head) == (3, 2)
    assert pruned.epoch == empty.epoch

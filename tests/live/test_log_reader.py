"""Pages of the log: complete, of one snapshot, and found without walking past what was not asked for."""

from typing import Any

from sqlalchemy import Connection

from patient_visit_engine.live.running import running
from patient_visit_engine.live.subscriber import Message, Subscription
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.log_changes import changes_of
from patient_visit_engine.storage.log_reader import LogPage, LogReader, read_page
from tests.support.stream_server import BlockParser, an_event, tell, until
from tests.support.touched_rows import touched_rows

MILLION = 1_000_000
FOREIGN_EVENTS = f"""
    WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i <= {MILLION})
    INSERT INTO events (seq, dedup_key, at, channel, name, data, patient_id)
    SELECT i, 'foreign/' || i, (SELECT at FROM events), 'doctor.8', 'patient.updated', '{{}}', 1 FROM n
"""


def a_million_foreign_events(connection: Connection) -> None:
    """Another doctor's million behind the first event, as one statement: event by event takes minutes."""
    connection.exec_driver_sql(FOREIGN_EVENTS)
    connection.exec_driver_sql(f"UPDATE log_head SET seq = {MILLION + 1}")
    connection.exec_driver_sql("ANALYZE events")


async def test_a_quiet_channel_behind_a_million_foreign_events_is_read_without_walking_them(database: Database) -> None:
    await tell(database, an_event(1, "doctor.7"))
    await database.write(a_million_foreign_events)
    await tell(database, an_event(2, "doctor.7"))

    def read(connection: Connection) -> tuple[LogPage, int]:
        with touched_rows(connection, "events") as done:
            page = read_page(connection, 1, 100, {"consultations", "doctor.7"})
            return page, done()

    page, work = await database.read(read)

    assert [one.seq for one in page.entries] == [MILLION + 2]
    assert page.reached == MILLION + 2
    assert work < 200


async def test_a_reader_of_a_quiet_channel_comes_back_past_a_million_foreign_events_in_one_page(
    database: Database,
) -> None:
    await tell(database, an_event(1, "doctor.7"))
    await database.write(a_million_foreign_events)
    await tell(database, an_event(2, "doctor.7"))
    blocks = BlockParser()
    pages = 0

    class Counted(LogReader):
        async def read_after(self, *asked: Any) -> LogPage:
            nonlocal pages
            pages += asked[2] is not None
            return await super().read_after(*asked)

    async def send(message: Message) -> None:
        blocks.feed(message["body"])

    changes = changes_of(database)
    async with running(Counted(database), changes) as hub:
        await until(lambda: hub.started, "the first reading")
        channels = frozenset({"doctor.7"})
        reader = hub.admit(Subscription("u", "s", "n", "r", channels, channels.__contains__), send, lambda: None)
        hub.start_stream(reader, f"{hub.window.epoch}-1")
        await until(lambda: reader.live, "a live reader")
    changes.close()

    assert [one.id.rpartition("-")[2] for one in blocks.told if one.name == "patient.updated"] == [str(MILLION + 2)]
    assert '"resume":"exact"' in blocks.told[0].data
    assert pages == 1


async def test_pages_of_several_channels_are_in_the_order_of_the_log_and_lose_nothing(database: Database) -> None:
    channels = ["consultations", "doctor.7", "doctor.8"]
    await tell(database, *(an_event(number, channels[number * number % 3]) for number in range(1, 60)))
    log = LogReader(database)

    position, seen = 0, []
    while position < 59:
        page = await log.read_after(position, 7, {"consultations", "doctor.7"})
        assert page.reached > position
        seen += [one.seq for one in page.entries]
        position = page.reached

    assert seen == [one.seq for one in (await log.read_after(0, 100, None)).entries if one.channel != "doctor.8"]
    assert seen == sorted(seen)


async def test_a_page_without_events_reaches_the_head(database: Database) -> None:
    await tell(database, an_event(1), an_event(2))

    page = await LogReader(database).read_after(0, 10, {"doctor.7"})

    assert (page.entries, page.reached) == ([], 2)


async def test_an_empty_and_a_pruned_log_have_their_oldest_behind_the_head(database: Database) -> None:
    log = LogReader(database)

    empty = await log.bounds()
    await tell(database, an_event(1), an_event(2))
    await database.write(lambda c: c.exec_driver_sql("DELETE FROM events"))
    pruned = await log.bounds()

    assert (empty.oldest, empty.head) == (1, 0)
    assert (pruned.oldest, pruned.head) == (3, 2)
    assert pruned.epoch == empty.epoch

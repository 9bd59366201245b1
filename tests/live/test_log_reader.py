"""Pages of the log: complete, of one snapshot, and found without walking past what was not asked for."""

from sqlalchemy import Connection

from storage.database import Database
from storage.log_reader import LogReader, read_page
from tests.live.stream_rig import an_event, tell


async def test_a_quiet_channel_behind_many_foreign_events_is_found_by_its_index(database: Database) -> None:
    await tell(database, an_event(0, "doctor.7"), *(an_event(number) for number in range(1, 400)))
    await tell(database, an_event(400, "doctor.7"))

    def steps(connection: Connection) -> tuple[list[int], int]:
        counted = 0

        def count() -> int:
            nonlocal counted
            counted += 1
            return 0

        driver = connection.connection.driver_connection
        assert driver is not None
        driver.set_progress_handler(count, 1)
        page = read_page(connection, 1, 100, {"doctor.7"})
        driver.set_progress_handler(None, 0)
        return [one.seq for one in page.entries], counted

    found, counted = await database.read(steps)

    assert found == [401]
    assert counted < 150


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

"""The watch of stored answers reads for all callers together, and only while there are callers."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from sqlalchemy import insert, text

from patient_visit_engine.api.commands.answer_watch import STATEMENT_LENGTHS, AnswerWatch
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.log_hints import SqliteHints, sqlite_hints
from patient_visit_engine.storage.requests import StoredRequest
from patient_visit_engine.storage.tables import requests
from tests.support.builders import NOON, RECEPTIONIST, seed
from tests.support.databases import database_on
from tests.support.hints import NoHints
from tests.support.statements import recorded_statements
from tests.support.waiting import wait_until_async

#: Seconds within which no read comes without a hint.
NEVER = 600.0

database = database_on("sqlite")
Reads = Callable[[], list[str]]


@pytest.fixture
async def hints(database: Database) -> AsyncIterator[SqliteHints]:
    """The detector of a process, as its tailer uses it."""
    await database.write(seed)
    detector = sqlite_hints(database)
    yield detector
    detector.close()


@pytest.fixture
def watch(database: Database, hints: SqliteHints) -> Iterator[AnswerWatch]:
    """A watch that reads only after a commit."""
    watch = AnswerWatch(database, hints.for_answers(), NEVER)
    yield watch
    watch.close()


@pytest.fixture
def reads() -> Iterator[Reads]:
    """Returns the statements that looked for answers until now."""
    with recorded_statements() as statements:
        yield lambda: [statement for statement in statements if "requests.request_id IN" in statement]


async def decide(database: Database, *request_ids: str, status: int | None = 201) -> None:
    """Store these requests with their answers, in one commit. Without a status they are open."""
    values = {"caller_id": RECEPTIONIST, "fingerprint": "f", "created_at": NOON, "status": status}
    rows = [
        values | {"request_id": request_id, "decided_at": None if status is None else NOON}
        for request_id in request_ids
    ]
    await database.write(lambda connection: connection.execute(insert(requests), rows))


async def stored_within_a_minute(*answers: "asyncio.Future[StoredRequest | None]") -> list[int | None]:
    """The statuses of these answers."""
    async with asyncio.timeout(60):
        stored = await asyncio.gather(*answers)
    return [None if request is None else request.status for request in stored]


async def test_many_callers_cost_one_read_a_commit(database: Database, watch: AnswerWatch, reads: Reads) -> None:
    callers = [watch.expect(f"r{number}") for number in range(20)]

    for commit in range(5):
        group = range(4 * commit, 4 * commit + 4)
        await decide(database, *(f"r{number}" for number in group))
        await stored_within_a_minute(*(callers[number] for number in group))

    assert await stored_within_a_minute(*callers) == [201] * 20
    assert 1 <= len(reads()) <= 5


async def test_open_request_and_unrelated_commit_are_no_answer(
    database: Database, watch: AnswerWatch, reads: Reads
) -> None:
    answer = watch.expect("r1")
    await decide(database, "r1", status=None)
    await decide(database, "other")
    await wait_until_async(reads, "a read after a commit")

    assert not answer.done()


async def test_nothing_is_read_while_no_caller_waits(
    database: Database, watch: AnswerWatch, hints: SqliteHints, reads: Reads
) -> None:
    answer = watch.expect("r1")
    await decide(database, "r1")
    await stored_within_a_minute(answer)
    watch.forget("r1", answer)
    before = len(reads())

    for number in range(2, 5):
        while await hints.wait_for_hint(0):
            pass
        await decide(database, f"r{number}")
        # The tailer, which shares the detector, has seen this commit.
        assert await hints.wait_for_hint(60)

    assert len(reads()) == before == 1


async def test_commits_before_first_caller_cost_no_read(database: Database, watch: AnswerWatch, reads: Reads) -> None:
    await decide(database, "earlier")
    answer = watch.expect("r1")
    await decide(database, "r1")

    assert await stored_within_a_minute(answer) == [201]
    assert len(reads()) == 1


async def test_caller_that_gave_up_is_not_looked_for(database: Database, watch: AnswerWatch, reads: Reads) -> None:
    gone, waiting = watch.expect("r1"), watch.expect("r2")
    gone.cancel()
    watch.forget("r1", gone)

    await decide(database, "r1", "r2")

    assert await stored_within_a_minute(waiting) == [201]
    # One id in the statement, not two.
    assert [statement.count("?") for statement in reads()] == [1]


async def test_last_caller_ends_the_task(watch: AnswerWatch) -> None:
    before = asyncio.all_tasks()
    answer = watch.expect("r1")
    (task,) = asyncio.all_tasks() - before
    watch.forget("r1", answer)

    await asyncio.wait([task], timeout=60)
    assert task.cancelled()


async def test_two_callers_of_one_request_get_its_answer(database: Database, watch: AnswerWatch) -> None:
    first, second = watch.expect("r1"), watch.expect("r1")

    await decide(database, "r1")

    assert await stored_within_a_minute(first, second) == [201, 201]


async def test_statements_have_a_bounded_number_of_ids(database: Database, watch: AnswerWatch, reads: Reads) -> None:
    ids = [f"r{number}" for number in range(STATEMENT_LENGTHS[-1] + 3)]
    answers = [watch.expect(request_id) for request_id in ids]

    await decide(database, *ids)

    assert await stored_within_a_minute(*answers) == [201] * len(ids)
    # The short list is filled up to a length that was prepared before.
    assert [statement.count("?") for statement in reads()] == [512, 8]


async def test_watch_survives_failing_reads(
    database: Database, watch: AnswerWatch, reads: Reads, caplog: pytest.LogCaptureFixture
) -> None:
    answer = watch.expect("r1")
    await database.write(lambda connection: connection.execute(text("ALTER TABLE requests RENAME TO away")))
    await wait_until_async(reads, "a read that fails")
    await database.write(lambda connection: connection.execute(text("ALTER TABLE away RENAME TO requests")))
    await decide(database, "r1")

    assert await stored_within_a_minute(answer) == [201]
    assert [record.levelno for record in caplog.records if "answers cannot be read" in record.message] == [
        logging.WARNING
    ]


async def test_answer_is_read_without_hint(database: Database, hints: SqliteHints) -> None:
    watch = AnswerWatch(database, NoHints(), 0.02)
    answer = watch.expect("r1")

    await decide(database, "r1")

    assert await stored_within_a_minute(answer) == [201]

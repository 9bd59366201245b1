"""A failure in the middle leaves all of a decision or nothing: rows, events, answer and story."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from patient_visit_engine.storage import event_log
from patient_visit_engine.storage.database import Database
from tests.support.builders import DR_AMRANI, JOHN_DOE, NOON, a_completion, a_start, an_appointment, minutes, seed
from tests.support.ledger import LedgerDriver, column, everything

MINE = an_appointment(DR_AMRANI)
ROOT = Path(__file__).parents[2]


async def killed(database: Database, point: str) -> str:
    """What the dying writer printed."""
    writer = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.support.dying_writer",
        database.url.render_as_string(hide_password=False),
        point,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    printed, errors = await asyncio.wait_for(writer.communicate(), 120)
    assert writer.returncode == 0, errors.decode()
    return printed.decode().strip()


async def test_an_error_after_the_last_row_takes_all_of_it_back(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await database.write(seed, MINE)
    desk = LedgerDriver(database)
    before = await database.read(everything)
    append = event_log.append

    def and_then_fail(*arguments: Any) -> None:
        append(*arguments)
        raise OSError("the disk is gone")

    with monkeypatch.context() as broken:
        broken.setattr(event_log, "append", and_then_fail)
        with pytest.raises(OSError, match="disk"):
            await desk.ask(a_start(MINE))
    after = await database.read(everything)
    answer = await desk.ask(a_start(MINE))

    assert after == before
    assert answer.status == 201
    assert await database.read(column, "events", "seq") == [1]


@pytest.mark.parametrize("step", ["start", "completion"])
async def test_a_writer_killed_after_any_statement_leaves_nothing(database: Database, step: str) -> None:
    await database.write(seed, MINE)
    if step == "completion":
        await LedgerDriver(database).ask(a_start(MINE))
    already = len(await database.read(column, "events", "seq"))

    deaths = int(await killed(database, "statement"))

    seqs = await database.read(column, "events", "seq")
    assert deaths >= 8, "it was to die between the statements, not before or after them"
    assert seqs == list(range(1, already + 2))
    assert len(await database.read(column, "timeline", "id")) == already + 1
    assert len(await database.read(column, "requests", "request_id")) == already + 1
    assert await database.read(column, "patient_trackings", "status") == [
        "in_progress" if step == "start" else "completed"
    ]


async def test_a_writer_killed_between_commit_and_answer_has_done_all_and_is_answered_the_same(
    database: Database,
) -> None:
    await database.write(seed, MINE)

    await killed(database, "commit")
    left_behind = await database.read(everything)
    desk = LedgerDriver(database)
    answer = await desk.ask(a_start(MINE))

    assert [len(left_behind[name]) for name in ("patient_trackings", "events", "timeline", "requests")] == [1] * 4
    assert await database.read(everything) == left_behind
    assert answer.status == 201
    assert desk.state.facts.in_progress[0].id == answer.body["id"]


async def test_what_was_killed_can_be_carried_on_by_another_writer(database: Database) -> None:
    await database.write(seed, MINE)
    await killed(database, "commit")
    desk = LedgerDriver(database)
    desk.know(await desk.ledger.load(JOHN_DOE.id))

    answer = await desk.ask(a_completion(desk.state.facts.in_progress[0]), NOON + minutes(5))

    assert (answer.status, answer.body["outcome"]) == (200, "done")

"""After a failure in the middle, the database has all of a decision or nothing: rows, events, answer and timeline."""

import asyncio
from typing import Any

import pytest

from patient_visit_engine.storage import event_log
from patient_visit_engine.storage.database import Database
from tests.support.builders import DR_AMRANI, MARIA_SILVA, NOON, an_appointment, minutes, seed
from tests.support.commands import a_call, a_completion, a_start
from tests.support.ledger import LedgerDriver, all_rows, column
from tests.support.preloaded import run_preloaded

OF_AMRANI = an_appointment(DR_AMRANI)


async def run_dying_writer(database: Database, *arguments: str) -> str:
    """Run `dying_writer.py` and return its output."""
    url = database.url.render_as_string(hide_password=False)
    writer = await asyncio.to_thread(run_preloaded, "tests.support.dying_writer", url, *arguments, patience=120)
    assert writer.returncode == 0, writer.stderr
    return writer.stdout.strip()


async def test_error_after_last_row_rolls_all_back(
    database: Database, ledger: LedgerDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    await database.write(seed, OF_AMRANI)
    before = await database.read(all_rows)
    append = event_log.append

    def append_and_fail(*arguments: Any) -> None:
        append(*arguments)
        raise OSError("the disk is gone")

    with monkeypatch.context() as patch:
        patch.setattr(event_log, "append", append_and_fail)
        with pytest.raises(OSError, match="disk"):
            await ledger.send(a_start(OF_AMRANI))
    after = await database.read(all_rows)
    answer = await ledger.send(a_start(OF_AMRANI))

    assert after == before
    assert answer.status == 201
    assert await database.read(column, "events", "seq") == [1]


@pytest.mark.parametrize("step", ["start", "completion"])
async def test_kill_between_statements_leaves_nothing(database: Database, step: str) -> None:
    await database.write(seed, OF_AMRANI)
    if step == "completion":
        await LedgerDriver(database).send(a_start(OF_AMRANI))
    events_before = len(await database.read(column, "events", "seq"))

    deaths = int(await run_dying_writer(database, "statement"))

    seqs = await database.read(column, "events", "seq")
    assert deaths >= 8, "no writer was killed between two statements"
    assert seqs == list(range(1, events_before + 2))
    assert len(await database.read(column, "timeline", "id")) == events_before + 1
    assert len(await database.read(column, "requests", "request_id")) == events_before + 1
    assert await database.read(column, "patient_trackings", "status") == [
        "in_progress" if step == "start" else "completed"
    ]


async def test_kill_after_commit_keeps_the_answer(database: Database, ledger: LedgerDriver) -> None:
    await database.write(seed, OF_AMRANI)

    await run_dying_writer(database, "commit")
    rows_after_kill = await database.read(all_rows)
    answer = await ledger.send(a_start(OF_AMRANI))

    assert [len(rows_after_kill[name]) for name in ("patient_trackings", "events", "timeline", "requests")] == [1] * 4
    assert await database.read(all_rows) == rows_after_kill
    assert answer.status == 201
    assert ledger.running.id == answer.body["id"]


async def test_another_writer_continues_after_kill(database: Database, ledger: LedgerDriver) -> None:
    await database.write(seed, OF_AMRANI)
    await run_dying_writer(database, "commit")
    await ledger.load_facts()

    answer = await ledger.send(a_completion(ledger.running), NOON + minutes(5))

    assert (answer.status, answer.body["outcome"]) == (200, "done")


async def test_kill_between_statements_of_a_call_leaves_nothing(database: Database) -> None:
    await database.write(seed, OF_AMRANI)

    deaths = int(await run_dying_writer(database, "statement", "call"))

    assert deaths >= 8, "no writer was killed between two statements"
    for table, name, rows in (("reservations", "kind", 1), ("events", "seq", 2), ("requests", "status", 1)):
        assert len(await database.read(column, table, name)) == rows
    assert set(await database.read(column, "doctors", "called_appointment_id")) == {OF_AMRANI.id, None}


async def test_crash_after_the_grant_reserves_no_second_patient(database: Database, ledger: LedgerDriver) -> None:
    """The same key has the stored answer, and another key finds the open call."""
    of_maria = an_appointment(DR_AMRANI, number=2, patient=MARIA_SILVA)
    await database.write(seed, OF_AMRANI, of_maria)
    await run_dying_writer(database, "commit", "call")
    rows_after_kill = await database.read(all_rows)
    other_visit = LedgerDriver(database, patient_id=MARIA_SILVA.id)

    same_key = await ledger.send(a_call(OF_AMRANI))
    after_repeat = await database.read(all_rows)
    refused = await other_visit.record(other_visit.entry(a_call(of_maria, "other patient")))
    again = await ledger.send(a_call(OF_AMRANI, "other key"))

    assert after_repeat == rows_after_kill
    assert (same_key.status, again.body) == (200, same_key.body)
    assert refused.overtaken
    assert refused.call is not None
    assert refused.call.open_appointment(NOON) == OF_AMRANI.id
    assert await database.read(column, "reservations", "appointment_id") == [OF_AMRANI.id]

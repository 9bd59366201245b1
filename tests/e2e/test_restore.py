"""The database is restored from a copy. The state of the copy is valid again, and work continues."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from patient_visit_engine.storage.database import Database
from tests.support.backup import Backup, engine_with_backup, run_command
from tests.support.databases import LATER_ON_POSTGRES, on_kind
from tests.support.decisions import send_until_decided
from tests.support.staff_subscriber import StaffSubscriber


# tests/e2e/test_restore_across_days.py restores both kinds too.
@pytest.fixture(params=["sqlite", LATER_ON_POSTGRES])
async def backup(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Backup]:
    """The backup of a running engine, on SQLite and on PostgreSQL."""
    async with engine_with_backup(tmp_path, request.param, decision_timeout="5", sweep_every="1") as opened:
        yield opened


async def test_engine_continues_from_restored_copy(backup: Backup) -> None:
    engine = backup.engine
    await engine.admit(1, {11: 1, 12: 2})
    await engine.admit(2, {21: 1})
    running = await send_until_decided(lambda: engine.start(1, 1, 11, "before-the-copy"))
    await asyncio.to_thread(backup.create)
    # The restore loses these three decisions, but Temporal's workflows still have them.
    assert (await engine.complete(1, running.json()["id"], "after-the-copy")).status_code == 200
    assert (await engine.start(2, 1, 12, "lost")).status_code == 201
    assert (await engine.start(1, 2, 21, "lost-too")).status_code == 201
    [head] = await engine.rows("SELECT seq, epoch FROM log_head")
    cursor = f"{head['epoch']}-{head['seq']}"

    for process in (engine.api, engine.worker):
        await asyncio.to_thread(process.stop)
    await engine.database.close()
    await asyncio.to_thread(backup.restore)
    engine.database = Database(engine.settings.effective_database_url)
    output = await asyncio.to_thread(run_command, engine, "restored")
    for process in (engine.worker, engine.api):
        process.start()
    await engine.wait_until_ready()

    [new_head] = await engine.rows("SELECT seq, epoch FROM log_head")
    assert new_head["epoch"] in output
    assert (new_head["epoch"] == head["epoch"], new_head["seq"] < head["seq"]) == (False, True)
    async with StaffSubscriber(engine, "reception", cursor=cursor) as screen:
        await screen.next("ready", resume="reset")
        await screen.next("reset")
        repeated = await send_until_decided(lambda: engine.start(1, 1, 11, "before-the-copy"))
        refused = await send_until_decided(lambda: engine.start(2, 1, 12, "a-new-press"))
        completed = await engine.complete(1, running.json()["id"], "at-last")
        await screen.next("consultation.completed", patient_id=1)
    accepted = await send_until_decided(lambda: engine.start(2, 1, 12, "another-press"))
    repeated_lost_start = await send_until_decided(lambda: engine.start(1, 2, 21, "lost-too"))

    assert (repeated.status_code, repeated.json()) == (running.status_code, running.json())
    assert (refused.status_code, refused.json()["code"]) == (409, "patient_in_consultation")
    assert (completed.status_code, completed.json()["outcome"]) == (200, "done")
    assert (accepted.status_code, repeated_lost_start.status_code) == (201, 201)
    assert "the rule holds" in await asyncio.to_thread(run_command, engine, "audit")
    assert json.loads(repeated_lost_start.text)["patient_id"] == 2


@pytest.mark.long
@on_kind("backup", "postgres")
async def test_copy_of_older_version_can_be_restored(backup: Backup) -> None:
    engine = backup.engine
    await engine.admit(1, {11: 1})
    running = await send_until_decided(lambda: engine.start(1, 1, 11, "before-the-copy"))
    for process in (engine.api, engine.worker):
        await asyncio.to_thread(process.stop)
    await asyncio.to_thread(run_command, engine, "migrate", "--back-to", "0001")
    await asyncio.to_thread(backup.create)
    await asyncio.to_thread(run_command, engine, "migrate", "--database-only")
    await engine.database.close()

    await asyncio.to_thread(backup.restore)
    for command in (["migrate", "--database-only"], ["restored"]):
        await asyncio.to_thread(run_command, engine, *command)
    engine.database = Database(engine.settings.effective_database_url)
    for process in (engine.worker, engine.api):
        process.start()
    await engine.wait_until_ready()

    completed = await engine.complete(1, running.json()["id"], "done")
    assert (completed.status_code, completed.json()["outcome"]) == (200, "done")
    assert "the rule holds" in await asyncio.to_thread(run_command, engine, "audit")

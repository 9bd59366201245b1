"""The database is restored from a copy. The state of the copy is valid again, and work continues."""

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from patient_visit_engine.storage.database import Database
from tests.support.decisions import send_until_decided
from tests.support.engine import Engine
from tests.support.postgres import ThrowawayPostgres
from tests.support.staff_subscriber import StaffSubscriber


@dataclass
class Backup:
    """Copies the engine's database while it runs, and restores it while nothing uses it."""

    engine: Engine
    server: ThrowawayPostgres | None
    copy: Path

    def create(self) -> None:
        if self.server is not None:
            self._run("pg_dump", "--format=custom", f"--file={self.copy}", self._address("visits"))
            return
        with closing(sqlite3.connect(self._file)) as source, closing(sqlite3.connect(self.copy)) as target:
            source.backup(target)

    def restore(self) -> None:
        if self.server is not None:
            self.server.drop_database("visits")
            self.server.create_database("visits")
            self._run("pg_restore", "--exit-on-error", f"--dbname={self._address('visits')}", str(self.copy))
            return
        for suffix in ("-wal", "-shm"):
            Path(f"{self._file}{suffix}").unlink(missing_ok=True)
        self._file.write_bytes(self.copy.read_bytes())

    @property
    def _file(self) -> Path:
        return self.engine.folder / "visits.db"

    def _address(self, name: str) -> str:
        assert self.server is not None
        return f"postgresql://visit@127.0.0.1:{self.server.port}/{name}"

    def _run(self, *command: str) -> None:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)


@pytest.fixture(params=["sqlite", "postgres"])
async def backup(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Backup]:
    """The backup of a running engine, on SQLite and on PostgreSQL."""
    server = None
    if request.param == "postgres":
        if reason := ThrowawayPostgres.missing_requirement():
            pytest.skip(reason)
        server = ThrowawayPostgres("-c fsync=off")
        await asyncio.to_thread(server.open)
        await asyncio.to_thread(server.create_database, "visits")
    url = "" if server is None else f"{server.url}/visits"
    engine = Engine(tmp_path, database_url=url, decision_timeout="5", sweep_every="1")
    try:
        await engine.open()
        yield Backup(engine, server, tmp_path / "copy")
    finally:
        await engine.close()
        if server is not None:
            await asyncio.to_thread(server.close)


def run_command(engine: Engine, *arguments: str) -> str:
    """Run `visit-engine` with these arguments and return its output; it must succeed."""
    command = [sys.executable, "-m", "patient_visit_engine.cli", *arguments]
    environment = os.environ | engine.environment
    process = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


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

"""A database is put back from a copy of this morning: what was so then is so again, and the hospital works on."""

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

import httpx
import pytest

from patient_visit_engine.storage.database import Database
from tests.support.engine import Engine
from tests.support.postgres import ThrowawayPostgres
from tests.support.stream_reader import StreamReader


@dataclass
class Copies:
    """How this hospital's database is copied while it runs, and put back while nothing runs on it."""

    hospital: Engine
    server: ThrowawayPostgres | None
    copy: Path

    def make(self) -> None:
        if self.server is not None:
            self._run("pg_dump", "--format=custom", f"--file={self.copy}", self._address("visits"))
            return
        with closing(sqlite3.connect(self._file)) as source, closing(sqlite3.connect(self.copy)) as target:
            source.backup(target)

    def put_back(self) -> None:
        if self.server is not None:
            self.server.drop_database("visits")
            self.server.create_database("visits")
            self._run("pg_restore", "--exit-on-error", f"--dbname={self._address('visits')}", str(self.copy))
            return
        for beside in ("-wal", "-shm"):
            Path(f"{self._file}{beside}").unlink(missing_ok=True)
        self._file.write_bytes(self.copy.read_bytes())

    @property
    def _file(self) -> Path:
        return self.hospital.folder / "visits.db"

    def _address(self, name: str) -> str:
        assert self.server is not None
        return f"postgresql://visit@127.0.0.1:{self.server.port}/{name}"

    def _run(self, *command: str) -> None:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)


@pytest.fixture(params=["sqlite", "postgres"])
async def copies(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Copies]:
    """A running hospital on one of the databases, and how it is copied."""
    server = None
    if request.param == "postgres":
        if reason := ThrowawayPostgres.why_not():
            pytest.skip(reason)
        server = ThrowawayPostgres("-c fsync=off")
        await asyncio.to_thread(server.open)
        await asyncio.to_thread(server.create_database, "visits")
    url = "" if server is None else f"{server.url}/visits"
    hospital = Engine(tmp_path, database_url=url, decision_timeout="5", sweep_every="1")
    try:
        await hospital.open()
        yield Copies(hospital, server, tmp_path / "copy")
    finally:
        await hospital.close()
        if server is not None:
            await asyncio.to_thread(server.close)


def program(hospital: Engine, *asked: str) -> str:
    """What a command of the program prints; it must succeed."""
    command = [sys.executable, "-m", "patient_visit_engine.cli", *asked]
    environment = os.environ | hospital.environment
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


async def decided(hospital: Engine, doctor: int, patient: int, appointment: int, key: str) -> httpx.Response:
    """Start until it is decided."""
    async with asyncio.timeout(60):
        while True:
            answer = await hospital.start(doctor, patient, appointment, key)
            if answer.status_code != 503:
                return answer
            await asyncio.sleep(0.2)


async def test_after_a_restore_the_hospital_goes_on_from_the_copy(copies: Copies) -> None:
    hospital = copies.hospital
    await hospital.admit(1, {11: 1, 12: 2})
    await hospital.admit(2, {21: 1})
    running = await decided(hospital, 1, 1, 11, "before-the-copy")
    await asyncio.to_thread(copies.make)
    # What happens now is lost with the database, while Temporal knows of it.
    assert (await hospital.complete(1, running.json()["id"], "after-the-copy")).status_code == 200
    assert (await hospital.start(2, 1, 12, "lost")).status_code == 201
    assert (await hospital.start(1, 2, 21, "lost-too")).status_code == 201
    [head] = await hospital.rows("SELECT seq, epoch FROM log_head")
    cursor = f"{head['epoch']}-{head['seq']}"

    for part in (hospital.api, hospital.worker):
        await asyncio.to_thread(part.stop)
    await hospital.database.close()
    await asyncio.to_thread(copies.put_back)
    hospital.database = Database(hospital.settings.database)
    told = await asyncio.to_thread(program, hospital, "restored")
    for part in (hospital.worker, hospital.api):
        part.start()
    await hospital.ready()

    [now] = await hospital.rows("SELECT seq, epoch FROM log_head")
    assert now["epoch"] in told
    assert (now["epoch"] == head["epoch"], now["seq"] < head["seq"]) == (False, True)
    async with StreamReader(hospital, "reception", cursor=cursor) as screen:
        await screen.next("ready", resume="reset")
        await screen.next("reset")
        again = await decided(hospital, 1, 1, 11, "before-the-copy")
        refused = await decided(hospital, 2, 1, 12, "a-new-press")
        completed = await hospital.complete(1, running.json()["id"], "at-last")
        await screen.next("consultation.completed", patient_id=1)
    granted = await decided(hospital, 2, 1, 12, "another-press")
    anew = await decided(hospital, 1, 2, 21, "lost-too")

    assert (again.status_code, again.json()) == (running.status_code, running.json())
    assert (refused.status_code, refused.json()["code"]) == (409, "patient_in_consultation")
    assert (completed.status_code, completed.json()["outcome"]) == (200, "done")
    assert (granted.status_code, anew.status_code) == (201, 201)
    assert "the rule holds" in await asyncio.to_thread(program, hospital, "audit")
    assert json.loads(anew.text)["patient_id"] == 2


async def test_a_copy_of_an_older_program_is_put_back_for_a_newer_one(copies: Copies) -> None:
    hospital = copies.hospital
    await hospital.admit(1, {11: 1})
    running = await decided(hospital, 1, 1, 11, "before-the-copy")
    for part in (hospital.api, hospital.worker):
        await asyncio.to_thread(part.stop)
    await asyncio.to_thread(program, hospital, "migrate", "--back-to", "0001")
    await asyncio.to_thread(copies.make)
    await asyncio.to_thread(program, hospital, "migrate", "--database-only")
    await hospital.database.close()

    await asyncio.to_thread(copies.put_back)
    for command in (["migrate", "--database-only"], ["restored"]):
        await asyncio.to_thread(program, hospital, *command)
    hospital.database = Database(hospital.settings.database)
    for part in (hospital.worker, hospital.api):
        part.start()
    await hospital.ready()

    completed = await hospital.complete(1, running.json()["id"], "done")
    assert (completed.status_code, completed.json()["outcome"]) == (200, "done")
    assert "the rule holds" in await asyncio.to_thread(program, hospital, "audit")

"""An engine whose database is copied while it runs, and restored while nothing uses it."""

import asyncio
import os
import sqlite3
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from patient_visit_engine.storage.database import Database
from tests.support.engine import Engine
from tests.support.postgres import ThrowawayPostgres
from tests.support.preloaded import CLI, run_preloaded


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

    async def stop_and_restore(self) -> None:
        """Stop API and worker, restore the copy, and give the log a new epoch. The caller starts the processes again."""
        for process in (self.engine.api, self.engine.worker):
            await asyncio.to_thread(process.stop)
        await self.engine.database.close()
        await asyncio.to_thread(self.restore)
        self.engine.database = Database(self.engine.settings.effective_database_url)
        await asyncio.to_thread(run_command, self.engine, "restored")

    @property
    def _file(self) -> Path:
        return self.engine.folder / "visits.db"

    def _address(self, name: str) -> str:
        assert self.server is not None
        return f"postgresql://visit@127.0.0.1:{self.server.port}/{name}"

    def _run(self, *command: str) -> None:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)


@asynccontextmanager
async def engine_with_backup(folder: Path, database: str, **settings: str) -> AsyncIterator[Backup]:
    """The backup of a running engine, on `sqlite` or on `postgres`."""
    server = None
    if database == "postgres":
        if reason := ThrowawayPostgres.missing_requirement():
            pytest.skip(reason)
        server = ThrowawayPostgres("-c fsync=off")
        await asyncio.to_thread(server.open)
        await asyncio.to_thread(server.create_database, "visits")
    url = "" if server is None else f"{server.url}/visits"
    engine = Engine(folder, database_url=url, **settings)
    try:
        await engine.open()
        yield Backup(engine, server, folder / "copy")
    finally:
        await engine.close()
        if server is not None:
            await asyncio.to_thread(server.close)


def run_command(engine: Engine, *arguments: str) -> str:
    """Run `visit-engine` with these arguments and return its output; it must succeed."""
    process = run_preloaded(CLI, *arguments, environment=os.environ | engine.environment)
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout

"""The engine as in production: several API and worker processes on one PostgreSQL and one Temporal server."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

from tests.support.engine import Engine, wait_until_ready
from tests.support.ports import free_port
from tests.support.processes import SpawnedProcess


class Replicas(Engine):
    """`apis` are the API processes with their addresses, `workers` the worker processes.

    The first of each is the engine's own `api` and `worker`.
    """

    def __init__(self, folder: Path, database_url: str, processes: int = 2, **settings: str) -> None:
        super().__init__(folder, database_url=database_url, **settings)
        self.workers = [self.worker]
        self.apis = [(self.api, self.url)]
        for number in range(2, processes + 1):
            port = free_port()
            self.workers.append(self._copy(self.worker, number))
            self.apis.append((self._copy(self.api, number, port), f"http://127.0.0.1:{port}"))

    def _copy(self, original: SpawnedProcess, number: int, port: int | None = None) -> SpawnedProcess:
        overrides = {} if port is None else {"VISIT_HTTP_PORT": str(port)}
        process = SpawnedProcess(
            f"{original.name}-{number}", original._command, self.environment | overrides, self.folder
        )
        self.others.append(process)
        return process

    async def open(self) -> None:
        """Start all processes and wait until every API is ready."""
        await super().open()
        for process in self.others:
            process.start()
        for _process, url in self.apis:
            await wait_until_ready(url)

    async def run_command(self, *arguments: str, patience: float = 150) -> tuple[int | None, str]:
        """Run `visit-engine` with these arguments; return its exit code and output."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "patient_visit_engine.cli",
            *arguments,
            env=os.environ | self.environment,
            cwd=self.folder,
            stdout=PIPE,
            stderr=STDOUT,
        )
        try:
            output, _ = await asyncio.wait_for(process.communicate(), patience)
        finally:
            if process.returncode is None:
                process.kill()
        return process.returncode, output.decode()

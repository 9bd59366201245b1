"""The engine as in production: several API and worker processes on one PostgreSQL and one Temporal server."""

import asyncio
import os
from pathlib import Path
from typing import Any

from tests.support.engine import Engine, wait_until_ready
from tests.support.ports import free_port
from tests.support.preloaded import CLI, run_preloaded
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

    async def run_command(self, *arguments: str, patience: float = 150) -> tuple[int, str]:
        """Run `visit-engine` with these arguments; return its exit code and output."""
        environment = os.environ | self.environment
        options: dict[str, Any] = {"environment": environment, "folder": self.folder, "patience": patience}
        ended = await asyncio.to_thread(run_preloaded, CLI, *arguments, **options)
        return ended.returncode, ended.stdout + ended.stderr

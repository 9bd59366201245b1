"""A hospital in production's shape: several API and worker processes on one PostgreSQL and one Temporal server; it proves nothing."""

from pathlib import Path

import httpx

from tests.support.engine import Engine, eventually_true
from tests.support.processes import SpawnedProcess, free_port


class Replicas(Engine):
    """`apis` are the processes with their addresses, `workers` the others; the first of each are the hospital's own."""

    def __init__(self, folder: Path, database_url: str, processes: int = 2, **settings: str) -> None:
        super().__init__(folder, database_url=database_url, **settings)
        self.workers = [self.worker]
        self.apis = [(self.api, self.url)]
        for number in range(2, processes + 1):
            port = free_port()
            self.workers.append(self._another(self.worker, number))
            self.apis.append((self._another(self.api, number, port), f"http://127.0.0.1:{port}"))

    def _another(self, like: SpawnedProcess, number: int, port: int | None = None) -> SpawnedProcess:
        differing = {} if port is None else {"VISIT_HTTP_PORT": str(port)}
        part = SpawnedProcess(f"{like.name}-{number}", like._command, self.environment | differing, self.folder)
        self.others.append(part)
        return part

    async def open(self) -> None:
        await super().open()
        for part in self.others:
            part.start()
        for _part, url in self.apis:
            await self.serves(url)

    async def serves(self, url: str) -> None:
        """Wait until the API at this address says that it is ready."""
        async with httpx.AsyncClient() as client:

            async def ready() -> bool:
                try:
                    return (await client.get(f"{url}/readyz", timeout=5)).status_code == 200
                except httpx.TransportError:
                    return False

            await eventually_true(ready, f"{url} to be ready")

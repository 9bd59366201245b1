"""A PostgreSQL server in a temporary folder, which a test or a benchmark can stop and start."""

import asyncio
import os
import pwd
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]

from tests.support.ports import free_port

TIMEOUT_SECONDS = 60
#: A folder in memory on Linux, and the free bytes that a server needs there. In a container it is often too small.
MEMORY_FOLDER = Path("/dev/shm")
MEMORY_BYTES = 2**30


class ThrowawayPostgres:
    """One server. `options` go to PostgreSQL as they are. `close` removes the server and its data.

    With `in_memory` the data is in memory, if this machine has such a folder. A new database has 300 files, and their creation on a
    disk takes four times as much processor time.
    """

    def __init__(self, *options: str, in_memory: bool = False, folder: Path | None = None) -> None:
        """Its data is in `folder`, if that is given."""
        self._options = " ".join(options)
        self._folder = folder or (memory_folder() if in_memory else None)
        self._home = ""
        self.port = 0

    @staticmethod
    def missing_requirement() -> str | None:
        """The reason why this machine cannot start a server; None when it can."""
        if shutil.which("pg_ctl") is None:
            return "PostgreSQL: no pg_ctl on the PATH"
        if server_user() not in {account.pw_name for account in pwd.getpwall()}:
            return f"PostgreSQL: this machine has no account {server_user()!r}"
        return None

    @staticmethod
    def new_folder() -> str:
        """A new folder that the server's account can enter."""
        folder = tempfile.mkdtemp(prefix="visit-postgres-disk-")
        shutil.chown(folder, server_user())
        return folder

    @property
    def url(self) -> str:
        """The server's URL without a database name."""
        return f"postgresql+asyncpg://visit@127.0.0.1:{self.port}"

    @property
    def postmaster(self) -> int:
        """The process id of the server's main process."""
        return int(Path(self._home, "db", "postmaster.pid").read_text().splitlines()[0])

    def open(self) -> None:
        self._home = tempfile.mkdtemp(prefix="visit-postgres-", dir=self._folder)
        shutil.chown(self._home, server_user())
        self.port = free_port()
        self._run_pg_ctl("initdb", "-o", "-U visit -A trust --no-sync --encoding=UTF8 --locale=C.UTF-8")
        self.start()

    def start(self) -> None:
        options = f"-p {self.port} -k {self._home} -c listen_addresses=127.0.0.1 {self._options}"
        self._run_pg_ctl("start", "-w", "-l", f"{self._home}/log", "-o", options)

    def stop(self) -> None:
        """Stop the server immediately, as a power cut would."""
        self._run_pg_ctl("stop", "-m", "immediate")

    def create_database(self, name: str) -> None:
        self._run_client("createdb", name)

    def drop_database(self, name: str) -> None:
        """Drop the database; PostgreSQL ends the connections to it."""
        self._run_client("dropdb", "--force", name)

    def _run_client(self, program: str, *arguments: str) -> None:
        address = ["--host=127.0.0.1", f"--port={self.port}", "--username=visit"]
        subprocess.run([program, *address, *arguments], check=True, capture_output=True, timeout=TIMEOUT_SECONDS)

    def close(self) -> None:
        if Path(self._home, "db", "postmaster.pid").exists():
            self.stop()
        shutil.rmtree(self._home, ignore_errors=True)

    def _run_pg_ctl(self, *arguments: str) -> None:
        program = shutil.which("pg_ctl")
        assert program is not None
        command = [program, "-D", f"{self._home}/db", "-s", *arguments]
        # PostgreSQL refuses to run as root.
        subprocess.run(
            command, check=True, user=server_user(), cwd=self._home, stdout=subprocess.DEVNULL, timeout=TIMEOUT_SECONDS
        )


def memory_folder() -> Path | None:
    """A folder in memory with enough space for a server, or None."""
    is_usable = MEMORY_FOLDER.is_dir() and os.access(MEMORY_FOLDER, os.W_OK)
    return MEMORY_FOLDER if is_usable and shutil.disk_usage(MEMORY_FOLDER).free >= MEMORY_BYTES else None


def server_user() -> str:
    """The account that runs PostgreSQL, which refuses to run as root."""
    return "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


class MaintenanceConnection:
    """Runs statements outside a transaction, all on one connection: a new one for each takes longer than most of them.

    It has its own thread and event loop, so it works with and without a loop.
    """

    def __init__(self, server_url: str) -> None:
        self._address = f"{server_url.replace('+asyncpg', '')}/postgres"
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._lock = threading.Lock()
        self._connection: asyncpg.Connection | None = None

    def execute(self, statement: str) -> None:
        with self._lock:
            asyncio.run_coroutine_threadsafe(self._execute(statement), self._loop).result()

    def close(self) -> None:
        with self._lock:
            asyncio.run_coroutine_threadsafe(self._disconnect(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _execute(self, statement: str) -> None:
        # A test may have ended all connections of the server.
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(self._address)
        await self._connection.execute(statement)

    async def _disconnect(self) -> None:
        if self._connection is not None:
            await self._connection.close()

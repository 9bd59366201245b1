"""A PostgreSQL server in a temporary folder, that a test or a benchmark may stop and start; it must not know what is kept in it."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

PATIENCE = 60


class ThrowawayPostgres:
    """`options` are the server's own; nothing of it is left after `close`."""

    def __init__(self, *options: str) -> None:
        self._options = " ".join(options)
        self._home = ""
        self.port = 0

    @staticmethod
    def why_not() -> str | None:
        """Why no server can be started here; None: one can."""
        if shutil.which("pg_ctl") is None:
            return "PostgreSQL: no pg_ctl on the PATH"
        if _owner() not in {one.pw_name for one in pwd.getpwall()}:
            return "PostgreSQL: nobody to run it as"
        return None

    @property
    def url(self) -> str:
        """The server's address, without a database."""
        return f"postgresql+asyncpg://visit@127.0.0.1:{self.port}"

    @property
    def postmaster(self) -> int:
        """The process id."""
        return int(Path(self._home, "db", "postmaster.pid").read_text().splitlines()[0])

    def open(self) -> None:
        self._home = tempfile.mkdtemp(prefix="visit-postgres-")
        shutil.chown(self._home, _owner())
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._run("initdb", "-o", "-U visit -A trust --no-sync --encoding=UTF8 --locale=C.UTF-8")
        self.start()

    def start(self) -> None:
        listening = f"-p {self.port} -k {self._home} -c listen_addresses=127.0.0.1 {self._options}"
        self._run("start", "-w", "-l", f"{self._home}/log", "-o", listening)

    def stop(self) -> None:
        """As if the power were cut."""
        self._run("stop", "-m", "immediate")

    def create_database(self, name: str) -> None:
        self._ask("createdb", name)

    def drop_database(self, name: str) -> None:
        """With whatever is still connected to it."""
        self._ask("dropdb", "--force", name)

    def _ask(self, program: str, *arguments: str) -> None:
        where = ["--host=127.0.0.1", f"--port={self.port}", "--username=visit"]
        subprocess.run([program, *where, *arguments], check=True, capture_output=True, timeout=PATIENCE)

    def close(self) -> None:
        if Path(self._home, "db", "postmaster.pid").exists():
            self.stop()
        shutil.rmtree(self._home, ignore_errors=True)

    def _run(self, *arguments: str) -> None:
        program = shutil.which("pg_ctl")
        assert program is not None
        command = [program, "-D", f"{self._home}/db", "-s", *arguments]
        # The server refuses to run as root.
        subprocess.run(command, check=True, user=_owner(), cwd=self._home, stdout=subprocess.DEVNULL, timeout=PATIENCE)


def _owner() -> str:
    return "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name

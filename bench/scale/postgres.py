"""A PostgreSQL server of the benchmark's own, in a temporary folder, gone at the end; it must not know what is kept in it."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.processes import free_port


@contextmanager
def server() -> Iterator[tuple[str, int]]:
    """Its address and the process id of its postmaster. Raises SystemExit where there is no PostgreSQL on the PATH."""
    program = shutil.which("pg_ctl")
    if program is None:
        raise SystemExit("PostgreSQL: no pg_ctl on the PATH")
    owner = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    with tempfile.TemporaryDirectory(prefix="visit-scale-") as home:
        shutil.chown(home, owner)
        port = free_port()

        def run(*arguments: str) -> None:
            command = [program, "-D", f"{home}/db", "-s", *arguments]
            # The server refuses to run as root.
            subprocess.run(command, check=True, user=owner, cwd=home, stdout=subprocess.DEVNULL, timeout=60)

        run("initdb", "-o", "-U visit -A trust")
        run("start", "-w", "-l", f"{home}/log", "-o", f"-p {port} -k {home} -c listen_addresses=127.0.0.1")
        try:
            postmaster = int(Path(home, "db", "postmaster.pid").read_text().splitlines()[0])
            yield f"postgresql+asyncpg://visit@127.0.0.1:{port}/postgres", postmaster
        finally:
            run("stop", "-m", "immediate")

"""The processes of one round, started and ended here and nowhere else; it must not know what they do."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from patient_visit_engine.cli.supervisor.managed_process import TETHER

ROOT = Path(__file__).parent.parent
GRACE_SECONDS = 15
TOLD_LINES = 15


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def cpu_seconds(pid: int) -> float | None:
    """How long the process has computed since it began, in steps of a clock tick; None where the system does not tell."""
    try:
        # The name, in parentheses, may hold spaces; user and system time are the 14th and 15th field.
        told = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(told[11]) + int(told[12])) / os.sysconf("SC_CLK_TCK")


class Processes:
    """Processes that live for one round; each dies with this one, however it dies."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(
        self, name: str, command: Sequence[str], settings: dict[str, str] | None = None, *, asked: bool = False
    ) -> subprocess.Popen[bytes]:
        """Run `command` in the round's folder, its output in a file there; no setting of the caller's shell reaches it.

        One that is `asked` reads its input from the caller and answers on its output; only its errors go to the file.
        """
        assert name not in self._running, "two of one name: the first would never be ended"
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("VISIT_", "TEMPORAL_"))}
        with self._log(name).open("ab") as log:
            process = self._running[name] = subprocess.Popen(
                [sys.executable, "-I", "-S", str(TETHER), str(os.getpid()), *command],
                cwd=self._folder,
                env=inherited | {"PYTHONPATH": str(ROOT)} | (settings or {}),
                stdin=subprocess.PIPE if asked else subprocess.DEVNULL,
                stdout=subprocess.PIPE if asked else log,
                stderr=log,
                process_group=0,
            )
        return process

    def pid(self, name: str) -> int:
        """The process that was started under this name."""
        return self._running[name].pid

    def cpu_seconds(self) -> dict[str, float]:
        """How long each has computed since it began, in steps of a clock tick; nothing where the system does not tell."""
        return {
            name: seconds
            for name, process in self._running.items()
            if (seconds := cpu_seconds(process.pid)) is not None
        }

    def last_words(self) -> str:
        """The end of each process's output."""
        return "\n".join(
            "\n".join([f"--- {name}", *self._log(name).read_text(errors="replace").splitlines()[-TOLD_LINES:]])
            for name in self._running
        )

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    async def __aenter__(self) -> "Processes":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # The last started goes first: a server that ends before its workers makes them complain.
        for process in reversed(self._running.values()):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
                try:
                    await asyncio.to_thread(process.wait, GRACE_SECONDS)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()

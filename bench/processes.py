"""Starts the processes of one round and stops them at its end."""

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
#: The child processes import the code next to this file, even when another checkout is installed.
PYTHON_PATH = os.pathsep.join([str(ROOT), str(ROOT / "dev")])
#: Seconds from SIGTERM to SIGKILL.
STOP_TIMEOUT = 15
LOG_TAIL_LINES = 15


def free_port() -> int:
    """A TCP port that is not in use now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def cpu_seconds(pid: int) -> float | None:
    """CPU seconds of the process since its start, in steps of a clock tick. None where there is no /proc."""
    try:
        # The process name, in parentheses, may contain spaces. User and system time are fields 14 and 15.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class ProcessGroup:
    """The processes of one round. Each of them ends when this process ends, even after a crash."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(
        self, name: str, command: Sequence[str], settings: dict[str, str] | None = None, *, piped: bool = False
    ) -> subprocess.Popen[bytes]:
        """Run `command` in the round's folder. It does not inherit VISIT_ or TEMPORAL_ variables of the shell.

        Output goes to `{name}.log`. A `piped` process has pipes for input and output, so only its errors go there.
        """
        assert name not in self._running, f"{name} runs already, and the first one would never be stopped"
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("VISIT_", "TEMPORAL_"))}
        with self._log_file(name).open("ab") as log:
            process = self._running[name] = subprocess.Popen(
                [sys.executable, "-I", "-S", str(TETHER), str(os.getpid()), *command],
                cwd=self._folder,
                env=inherited | {"PYTHONPATH": PYTHON_PATH} | (settings or {}),
                stdin=subprocess.PIPE if piped else subprocess.DEVNULL,
                stdout=subprocess.PIPE if piped else log,
                stderr=log,
                process_group=0,
            )
        return process

    def pid(self, name: str) -> int:
        """The id of the process with this name."""
        return self._running[name].pid

    def cpu_seconds(self) -> dict[str, float]:
        """CPU seconds of each process since its start, by name. Empty where there is no /proc."""
        return {
            name: seconds
            for name, process in self._running.items()
            if (seconds := cpu_seconds(process.pid)) is not None
        }

    def log_tails(self) -> str:
        """The last log lines of each process."""
        return "\n".join(
            "\n".join([f"--- {name}", *self._log_file(name).read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]])
            for name in self._running
        )

    def _log_file(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    async def __aenter__(self) -> "ProcessGroup":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Stop in reverse order: workers log errors when the Temporal server ends first.
        for process in reversed(self._running.values()):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
                try:
                    await asyncio.to_thread(process.wait, STOP_TIMEOUT)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()

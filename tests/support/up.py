"""Runs the real program as a process on free ports, and finds the processes that it leaves behind."""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from typer.testing import CliRunner

from patient_visit_engine.cli.app import build_program
from patient_visit_engine.runtime.operator_error import OperatorError
from tests.support.ports import free_port
from tests.support.preloaded import CLI, run_preloaded
from tests.support.waiting import DEFAULT_SECONDS, wait_until

#: For tests of commands that use the database: they run on SQLite and on PostgreSQL.
ON_BOTH = pytest.mark.parametrize("postgres", ["sqlite", "postgres"], indirect=True)
PROGRAM = Path(sys.executable).parent / "visit-engine"
PATIENCE_SECONDS = 60
#: How long the whole system may take to be ready on a busy machine. A minute of it is the patience of `up` with the API.
START_SECONDS = 150


@dataclass
class UpEnvironment:
    """The folder, ports and settings of one test's program. Settings of the machine are left out."""

    folder: Path
    ports: list[int] = field(default_factory=lambda: [free_port(), free_port(), free_port()])
    #: The address of a PostgreSQL database. Without it the program uses a SQLite file in the folder.
    postgres: str = ""

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def temporal(self) -> str:
        return f"127.0.0.1:{self.ports[2]}"

    @property
    def database(self) -> str:
        return self.postgres or f"sqlite+aiosqlite:///{self.data / 'visits.db'}"

    def environment(self, **settings: str) -> dict[str, str]:
        """The variables of a process with these settings added."""
        machine = {name: value for name, value in os.environ.items() if not name.startswith("VISIT_")}
        defaults = {
            "VISIT_DATA_DIR": str(self.data),
            "VISIT_HTTP_PORT": str(self.ports[0]),
            "VISIT_UI_PORT": str(self.ports[1]),
            "VISIT_TEMPORAL_PORT": str(self.ports[2]),
        }
        if self.postgres:
            defaults["VISIT_DATABASE_URL"] = self.postgres
        return machine | defaults | settings

    def run(self, *arguments: str, stdin: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the program until it ends."""
        return run_preloaded(CLI, *arguments, stdin=stdin, environment=self.environment(**settings), folder=self.folder)

    def run_installed(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run the installed program, which starts Python and imports all modules."""
        return subprocess.run(
            [PROGRAM, *arguments],
            check=False,
            env=self.environment(**settings),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
        )

    def run_here(self, *arguments: str, stdin: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the program in this process, which saves the start of Python and all imports.

        The command must set up no log, because that would change the log of the tests.
        """
        environment = self.environment(**settings)
        with mock.patch.dict(os.environ, environment, clear=True), contextlib.chdir(self.folder):
            result = CliRunner().invoke(build_program(), arguments, input=stdin)
        if isinstance(result.exception, OperatorError):
            error = result.exception
            return subprocess.CompletedProcess(arguments, error.exit_code, result.stdout, f"{error}\n")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return subprocess.CompletedProcess(arguments, result.exit_code, result.stdout, result.stderr)

    def processes(self) -> list[int]:
        """The ids of all living processes that run with this environment, including children of children."""
        mark = f"VISIT_DATA_DIR={self.data}".encode()
        process_ids = []
        for folder in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                alive = folder.name.isdigit() and "State:\tZ" not in (folder / "status").read_text()
                if alive and mark in (folder / "environ").read_bytes().split(b"\0"):
                    process_ids.append(int(folder.name))
        return process_ids

    def kill_processes(self) -> None:
        """Kill every process that still runs with this environment."""
        for process in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    def parts(self) -> dict[str, Any]:
        """The state of the managed processes by name, from the file that `up` writes. Empty without the file."""
        with contextlib.suppress(FileNotFoundError):
            parts: dict[str, Any] = json.loads((self.data / "parts.json").read_text())["parts"]
            return parts
        return {}


@dataclass
class RunningUp:
    """`visit-engine up` as a child process, and the lines that it printed until now."""

    up_environment: UpEnvironment
    settings: dict[str, str] = field(default_factory=dict)
    program: list[str] = field(default_factory=lambda: [str(PROGRAM)])
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.process = subprocess.Popen(
            [*self.program, "up"],
            env=self.up_environment.environment(**self.settings),
            cwd=self.up_environment.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._printed: queue.Queue[str] = queue.Queue()
        self._reader_thread = threading.Thread(target=self._read_output)
        self._reader_thread.start()

    def _read_output(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._printed.put(line.rstrip("\n"))

    def wait_for_line(self, beginning: str, seconds: float = DEFAULT_SECONDS) -> str:
        """Wait for the next line with this beginning and return it."""

        def find_line() -> str | None:
            with contextlib.suppress(queue.Empty):
                while True:
                    self.lines.append(self._printed.get_nowait())
                    if self.lines[-1].startswith(beginning):
                        return self.lines[-1]
            assert self.process.poll() is None or not self._printed.empty(), "\n".join(self.lines)
            return None

        line: str = wait_until(find_line, f"a line {beginning!r}", seconds)
        return line

    def stop(self, number: int = signal.SIGINT) -> int:
        """Send the signal, wait for the end and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_SECONDS)

    def close(self) -> None:
        """Kill the process if it still runs, and the processes that it left behind."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(PATIENCE_SECONDS)
        # A part that still runs would hold the output open, and the thread would wait for its end.
        self.up_environment.kill_processes()
        self._reader_thread.join(PATIENCE_SECONDS)
        assert self.process.stdout is not None
        self.process.stdout.close()


@contextlib.contextmanager
def running_up(
    up_environment: UpEnvironment, settings: dict[str, str] | None = None, program: list[str] | None = None
) -> Iterator[RunningUp]:
    """`visit-engine up`, which is ready. At the end it stops in order. Nothing is left behind, also if it was never ready."""
    up = RunningUp(up_environment, settings or {}, program or [str(PROGRAM)])
    try:
        up.wait_for_line("ready in", START_SECONDS)
        yield up
        up.stop()
        assert up_environment.processes() == []
    finally:
        up.close()

"""The real program as a process, on free ports, and a look at what it left behind; it must not know what is tested."""

import contextlib
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

#: For tests of commands that use the database: they are held on both.
ON_BOTH = pytest.mark.parametrize("postgres", ["sqlite", "postgres"], indirect=True)
PROGRAM = Path(sys.executable).parent / "visit-engine"
PATIENCE_SECONDS = 60


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now, all different."""
    with contextlib.ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def eventually(condition: Callable[[], Any], what: str) -> Any:
    """The first true value of `condition`, or a failure that names what was waited for."""
    deadline = monotonic() + PATIENCE_SECONDS
    while not (found := condition()):
        assert monotonic() < deadline, f"in vain waited for {what}"
        sleep(0.02)
    return found


@dataclass
class UpEnvironment:
    """Where the program runs: a folder and ports of its own, and no setting from outside."""

    folder: Path
    ports: list[int] = field(default_factory=lambda: free_ports(3))
    #: An address on PostgreSQL; without one the program keeps its file in the folder.
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
        outside = {name: value for name, value in os.environ.items() if not name.startswith("VISIT_")}
        own = {
            "VISIT_DATA_DIR": str(self.data),
            "VISIT_HTTP_PORT": str(self.ports[0]),
            "VISIT_UI_PORT": str(self.ports[1]),
            "VISIT_TEMPORAL_PORT": str(self.ports[2]),
        }
        if self.postgres:
            own["VISIT_DATABASE_URL"] = self.postgres
        return outside | own | settings

    def run(self, *arguments: str, stdin: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
        """A command of the program, to its end."""
        return subprocess.run(
            [PROGRAM, *arguments],
            check=False,
            env=self.environment(**settings),
            cwd=self.folder,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
        )

    def processes(self) -> list[int]:
        """All processes that were started, however indirectly, with these settings, and still live."""
        mark = f"VISIT_DATA_DIR={self.data}".encode()
        found = []
        for folder in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                alive = folder.name.isdigit() and "State:\tZ" not in (folder / "status").read_text()
                if alive and mark in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
        return found

    def parts(self) -> dict[str, Any]:
        with contextlib.suppress(FileNotFoundError):
            parts: dict[str, Any] = json.loads((self.data / "parts.json").read_text())["parts"]
            return parts
        return {}


@dataclass
class RunningUp:
    """`visit-engine up`, started; its lines are read as they come."""

    surroundings: UpEnvironment
    settings: dict[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.process = subprocess.Popen(
            [PROGRAM, "up"],
            env=self.surroundings.environment(**self.settings),
            cwd=self.surroundings.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._printed: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._printed.put(line.rstrip("\n"))

    def line(self, beginning: str) -> str:
        """The next line with that beginning."""

        def came() -> str | None:
            with contextlib.suppress(queue.Empty):
                while True:
                    self.lines.append(self._printed.get_nowait())
                    if self.lines[-1].startswith(beginning):
                        return self.lines[-1]
            assert self.process.poll() is None or not self._printed.empty(), "\n".join(self.lines)
            return None

        found: str = eventually(came, f"a line {beginning!r}")
        return found

    def end(self, number: int = signal.SIGINT) -> int:
        """Send the signal and wait for the end: the exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_SECONDS)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(PATIENCE_SECONDS)
        self._reader.join(PATIENCE_SECONDS)
        assert self.process.stdout is not None
        self.process.stdout.close()

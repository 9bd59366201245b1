"""Parts of the engine as processes that a test starts, kills and starts again; it must not know what they say to each other."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

PATIENCE = 60.0


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def eventually(holds: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
    """Wait until `holds()`; fail with `what` when it does not in time."""
    end = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < end, f"not in {patience} s: {what}"
        time.sleep(0.02)


class SpawnedProcess:
    """One process, with its output in a file for whoever has to find out why a test failed."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str], folder: Path) -> None:
        self.name = name
        self._command = command
        self._environment = environment
        self._folder = folder
        self.log = folder / f"{name}.log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        assert not self.running, f"{self.name} runs already"
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                self._command, env=os.environ | self._environment, cwd=self._folder, stdout=out, stderr=out
            )

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self, patience: float = PATIENCE) -> int:
        assert self.process is not None
        return self.process.wait(patience)

    def kill(self) -> None:
        """End it as a power cut would."""
        if self.running:
            self.signal(signal.SIGKILL)
        if self.process is not None:
            self.wait()

    def stop(self) -> None:
        """End it as an operator would; kill it when it does not listen."""
        if self.running:
            self.signal(signal.SIGTERM)
            try:
                self.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()

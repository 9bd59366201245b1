"""Starts, kills and restarts child processes in tests."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.support.preloaded import PreloadedProcess, start_preloaded

#: The beginning of a command that runs a Python program.
RUN_MODULE = [sys.executable, "-m"]
PATIENCE_SECONDS = 60.0


class SpawnedProcess:
    """One child process. Its output goes to the file `log`, to read when a test fails."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str], folder: Path) -> None:
        self.name = name
        self._command = command
        self._environment = environment
        self._folder = folder
        self.log = folder / f"{name}.log"
        self.process: subprocess.Popen[bytes] | PreloadedProcess | None = None

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        assert not self.running, f"{self.name} runs already"
        environment = os.environ | self._environment
        with self.log.open("ab") as log:
            if self._command[:2] == RUN_MODULE:
                _, _, module, *arguments = self._command
                self.process = start_preloaded(
                    module, arguments, stdout=log.fileno(), environment=environment, folder=self._folder
                )
            else:
                self.process = subprocess.Popen(
                    self._command, env=environment, cwd=self._folder, stdout=log, stderr=log
                )

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self, patience: float = PATIENCE_SECONDS) -> int:
        """Wait for the end and return the exit code."""
        assert self.process is not None
        return self.process.wait(patience)

    def kill(self) -> None:
        """End the process immediately with SIGKILL, as in a power cut."""
        if self.running:
            self.signal(signal.SIGKILL)
        if self.process is not None:
            self.wait()

    def stop(self) -> None:
        """End the process with SIGTERM, and with SIGKILL if it does not end within 20 seconds."""
        if self.running:
            self.signal(signal.SIGTERM)
            try:
                self.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()

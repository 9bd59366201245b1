"""One process that the supervisor runs: its start, its output and its end."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from patient_visit_engine.cli.supervisor.log_file import LogFile

TETHER = Path(__file__).with_name("tether.py")


class ManagedProcess:
    """A command that can be started again and again. Its output goes to `log`.

    Each process gets its own process group. So Ctrl-C at the terminal reaches the supervisor only, which then stops the
    processes in order.
    """

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str], log: LogFile) -> None:
        self.name = name
        self.log = log
        self._command = command
        self._environment = dict(environment)
        self._process: asyncio.subprocess.Process | None = None
        self._start_lock = asyncio.Lock()
        self._stopped = False

    @property
    def pid(self) -> int | None:
        """The process id, or None while the process does not run."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if running and self._process else None

    async def start(self) -> None:
        """Run the command. Does nothing after `stop`."""
        async with self._start_lock:
            if self._stopped:
                return
            with self.log.open_for_append() as log:
                self._process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-I", "-S", str(TETHER), str(os.getpid()), *self._command),
                    env=self._environment,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    process_group=0,
                )

    async def wait(self) -> int:
        """Wait until the process ends. Returns the exit code, or minus the number of the signal that ended it."""
        if self._process is None:
            return 0
        code = await self._process.wait()
        # Children of the process must not outlive it.
        self._send_signal(signal.SIGKILL)
        return code

    async def stop(self, grace_seconds: float) -> bool:
        """End the process with SIGTERM, or with SIGKILL after the grace. It cannot be started again.

        Returns False when the process had to be killed.
        """
        # Wait for a start that is in progress, otherwise its process would be left running.
        async with self._start_lock:
            self._stopped = True
        if self.pid is None:
            return True
        self._send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(grace_seconds):
                await self.wait()
        except TimeoutError:
            self._send_signal(signal.SIGKILL)
            await self.wait()
            return False
        return True

    def kill(self) -> None:
        """Kill the process and its children now."""
        if self.pid is not None:
            self._send_signal(signal.SIGKILL)

    def _send_signal(self, number: int) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)

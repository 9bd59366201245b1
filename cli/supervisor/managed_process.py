"""One process that the supervisor keeps: its start, its output, its end; it must not know why it is started or restarted."""

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
    """A command that may be run again and again; what it prints goes to `log`.

    Runs in a process group of its own, so that a Ctrl-C at the terminal reaches the supervisor alone, which then stops the
    parts in their order.
    """

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str], log: LogFile) -> None:
        self.name = name
        self.log = log
        self._command = command
        self._environment = dict(environment)
        self._process: asyncio.subprocess.Process | None = None
        self._changing = asyncio.Lock()
        self._stopped = False

    @property
    def pid(self) -> int | None:
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if running and self._process else None

    async def start(self) -> None:
        """Run the command; one that is stopped already is not started again."""
        async with self._changing:
            if self._stopped:
                return
            with self.log.appending() as log:
                self._process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-I", "-S", str(TETHER), str(os.getpid()), *self._command),
                    env=self._environment,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    process_group=0,
                )

    async def wait(self) -> int:
        """Wait for the end: the exit code, or minus the signal that ended it."""
        if self._process is None:
            return 0
        ended = await self._process.wait()
        # What the process started itself, if anything, must not outlive it.
        self._signal(signal.SIGKILL)
        return ended

    async def stop(self, grace_seconds: float) -> bool:
        """End the process for good by SIGTERM, or SIGKILL after the grace; False when it had to be killed."""
        # A start that is under way comes first, or its process would be left behind.
        async with self._changing:
            self._stopped = True
        if self.pid is None:
            return True
        self._signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(grace_seconds):
                await self.wait()
        except TimeoutError:
            self._signal(signal.SIGKILL)
            await self.wait()
            return False
        return True

    def kill(self) -> None:
        """End the process and all that it started, now."""
        if self.pid is not None:
            self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)

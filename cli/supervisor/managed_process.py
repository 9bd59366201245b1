"""One process that the supervisor runs: its start, its output and its end."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from patient_visit_engine.cli.supervisor.log_file import LogFile
from patient_visit_engine.runtime.signs_of_life import PIPE_VARIABLE

#: More than a process can send between two checks.
MAX_SIGNS_BYTES = 65_536
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
        #: The end of the pipe from which the signs of life of the present run are read.
        self._signs: int | None = None

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
            self._close_signs()
            self._signs, pipe = os.pipe()
            os.set_blocking(self._signs, False)
            try:
                with self.log.open_for_append() as log:
                    self._process = await asyncio.create_subprocess_exec(
                        *(sys.executable, "-I", "-S", str(TETHER), str(os.getpid()), *self._command),
                        env=self._environment | {PIPE_VARIABLE: str(pipe)},
                        stdin=asyncio.subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                        process_group=0,
                        pass_fds=[pipe],
                    )
            finally:
                os.close(pipe)

    async def has_sent_signs(self) -> bool:
        """Whether the process has sent a sign of life since the last call."""
        if self._signs is None:
            return False
        with contextlib.suppress(BlockingIOError):
            return bool(os.read(self._signs, MAX_SIGNS_BYTES))
        return False

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
        ended_by_itself = await self.end(grace_seconds)
        self._close_signs()
        return ended_by_itself

    async def end(self, grace_seconds: float) -> bool:
        """End this run with SIGTERM, or with SIGKILL after the grace. Returns False when the process had to be killed."""
        if self.pid is None:
            return True
        self._send_signal(signal.SIGTERM)
        # A process that was stopped by SIGSTOP handles SIGTERM only after it continues.
        self._send_signal(signal.SIGCONT)
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

    def _close_signs(self) -> None:
        if self._signs is not None:
            os.close(self._signs)
            self._signs = None

    def _send_signal(self, number: int) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)

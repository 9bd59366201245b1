"""Starts Python programs as processes that need not import their modules first: forks of a process that has imported them.

Such a process runs the same code as after `python -m`, with its own memory, id and signals. The tests of the command line, of `up` and
of the deployment start the real programs.
"""

import asyncio
import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Any

from patient_visit_engine.cli.app import COMMANDS

ROOT = Path(__file__).parents[2]
#: The file of the errors of this process.
ERROR_OUTPUT = 2
CLI, API = "patient_visit_engine.cli", "patient_visit_engine.api"
#: What `api` and `worker` import only when they run.
IMPORTED_LATER = {"api": "patient_visit_engine.api.__main__", "worker": "patient_visit_engine.worker.__main__"}


class PreloadedProcess:
    """One forked process, with the names of `subprocess.Popen`."""

    def __init__(self, forking: "ForkingProcess", pid: int) -> None:
        self._forking = forking
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit code; None while the process runs."""
        if self.returncode is None:
            self.returncode = self._forking.send({"ended": self.pid})
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end and return the exit code."""
        if self.poll() is None:
            end = os.pidfd_open(self.pid)
            try:
                # `select.select` refuses the numbers from 1024 on, which a test with thousands of connections reaches.
                ended = select.poll()
                ended.register(end, select.POLLIN)
                ended.poll(None if timeout is None else timeout * 1000)
            finally:
                os.close(end)
        if (code := self.poll()) is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        # An ended process keeps its id until `poll` has seen its end.
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class ForkingProcess:
    """Runs `preloading.py`, and sends it orders."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.preloading", str(theirs.fileno())],
                cwd=ROOT,
                env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'dev'}"},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )

    def send(self, order: dict[str, Any], files: Sequence[int] = ()) -> Any:
        """Send the order with these files, and return its answer."""
        with self._lock:
            socket.send_fds(self._orders, [json.dumps(order).encode()], files)
            answer = self._orders.recv(100)
        assert answer, "preloading.py has ended; its error is in the output of the tests"
        return json.loads(answer)

    def close(self) -> None:
        self._orders.close()
        self._process.wait(60)


@cache
def forking_process() -> ForkingProcess:
    """One for each test process. It ends with the test process."""
    forking = ForkingProcess()
    atexit.register(forking.close)
    return forking


def start_preloaded(
    module: str,
    arguments: Sequence[str],
    *,
    stdin: int | None = None,
    stdout: int,
    stderr: int | None = None,
    environment: Mapping[str, str] | None = None,
    folder: Path = ROOT,
) -> PreloadedProcess:
    """Start what `python -m module arguments` starts. Without `stdin` its input is empty, and without `stderr` errors go to `stdout`."""
    forking = forking_process()
    order = {
        "module": module,
        "arguments": list(arguments),
        "imports": imports_of(module, arguments),
        "environment": dict(os.environ if environment is None else environment),
        "folder": str(folder),
    }
    empty = os.open(os.devnull, os.O_RDONLY)
    try:
        files = [empty if stdin is None else stdin, stdout, stdout if stderr is None else stderr]
        return PreloadedProcess(forking, forking.send(order, files))
    finally:
        os.close(empty)


def run_preloaded(
    module: str,
    *arguments: str,
    stdin: str = "",
    environment: Mapping[str, str] | None = None,
    folder: Path = ROOT,
    patience: float = 60,
) -> subprocess.CompletedProcess[str]:
    """Run `python -m module arguments` until it ends."""
    with (
        tempfile.TemporaryFile("w+") as entered,
        tempfile.TemporaryFile("w+") as printed,
        tempfile.TemporaryFile("w+") as errors,
    ):
        entered.write(stdin)
        entered.seek(0)
        files = {"stdin": entered.fileno(), "stdout": printed.fileno(), "stderr": errors.fileno()}
        process = start_preloaded(module, arguments, **files, environment=environment, folder=folder)
        try:
            code = process.wait(patience)
        finally:
            process.kill()
        printed.seek(0)
        errors.seek(0)
        return subprocess.CompletedProcess(arguments, code, printed.read(), errors.read())


class Conversation:
    """A process that reads lines from the test and prints lines for it."""

    def __init__(self, process: PreloadedProcess, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer

    @classmethod
    async def start(cls, module: str, *arguments: str) -> "Conversation":
        ours, theirs = socket.socketpair()
        with theirs:
            start = partial(start_preloaded, stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=ERROR_OUTPUT)
            process = await asyncio.to_thread(start, module, arguments)
        return cls(process, *await asyncio.open_connection(sock=ours))

    async def send(self, line: str) -> None:
        self._writer.write(f"{line}\n".encode())
        await self._writer.drain()

    async def read_line(self, patience: float = 60) -> str:
        """The next line that the process prints; empty when it has ended."""
        async with asyncio.timeout(patience):
            return (await self._reader.readline()).decode().strip()

    async def wait(self, patience: float = 60) -> int:
        """Wait for the end and return the exit code."""
        code = await asyncio.to_thread(self._process.wait, patience)
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()
        return code

    async def kill(self) -> None:
        """Kill it without warning, as a power cut would."""
        self._process.kill()
        await self.wait()


def imports_of(module: str, arguments: Sequence[str]) -> list[str]:
    """The modules that the program imports."""
    if module == API:
        return [f"{API}.__main__"]
    if module != CLI:
        return [module]
    command, *_ = arguments
    later = [IMPORTED_LATER[command]] if command in IMPORTED_LATER else []
    return [f"{CLI}.app", COMMANDS[command][0], *later]

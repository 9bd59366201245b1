"""Keeps processes running and stops them in order."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Literal, TypeVar

from patient_visit_engine.cli.supervisor.data_dir import ProcessStates
from patient_visit_engine.cli.supervisor.hang_watch import HangPatience, LifeCheck, wait_until_hung
from patient_visit_engine.cli.supervisor.managed_process import ManagedProcess
from patient_visit_engine.runtime.operator_error import OperatorError

T = TypeVar("T")

FIRST_PAUSE_SECONDS = 0.5
MAX_PAUSE_SECONDS = 30.0
#: After a run of this length a process counts as healthy: its next restart waits for the first pause again.
HEALTHY_AFTER_SECONDS = 30.0
#: If one process ends this many times before the system is ready, the start has failed.
MAX_ENDS_BEFORE_READY = 3
#: How often the supervisor checks whether a log file is full.
LOG_CHECK_INTERVAL_SECONDS = 5.0
LOG_LINES_SHOWN = 8
#: How long a process that hangs may take to end by itself before it is killed.
HANG_GRACE_SECONDS = 5.0


class StopRequested(BaseException):
    """The operator asked to stop before a step of the start was finished."""


@dataclass(frozen=True)
class _End:
    """How one run of a process ended: `verb` says what happened, `cause` is an exit code, a signal or an error."""

    verb: Literal["ended", "cannot be started", "hung"]
    cause: str


@dataclass
class _Entry:
    """A managed process and what the supervisor remembers about it."""

    process: ManagedProcess
    grace_seconds: float
    shows_life: LifeCheck | None = None
    task: asyncio.Task[None] | None = None
    restarts: int = 0
    stopping: bool = False
    #: How long the process was silent when it was ended because it hung. None: it has not hung.
    silence_seconds: float | None = None
    since: datetime = field(default_factory=lambda: datetime.now(UTC))


class Supervisor:
    """Starts processes, restarts a process that ends by itself or hangs, and stops all in reverse order.

    `report` receives each line for the operator. `save` receives the state of the processes whenever it changes.
    """

    def __init__(
        self, report: Callable[[str], None], save: Callable[[ProcessStates], None], patience: HangPatience
    ) -> None:
        self._report = report
        self._save = save
        self._patience = patience
        self._entries: list[_Entry] = []
        self._stop_requested = asyncio.Event()
        self._start_failure: asyncio.Future[OperatorError] = asyncio.get_running_loop().create_future()
        self._ready = False

    def request_stop(self) -> None:
        """Begin to stop. A second request kills the processes without further grace."""
        if self._stop_requested.is_set():
            for entry in self._entries:
                entry.process.kill()
        self._stop_requested.set()

    def start(self, process: ManagedProcess, grace_seconds: float, shows_life: LifeCheck | None = None) -> None:
        """Keep `process` running until `stop_all`, which gives it `grace_seconds` to end.

        With `shows_life`, a process that runs and does not show that it works is ended, and started again.
        """
        entry = _Entry(process, grace_seconds, shows_life)
        self._entries.append(entry)
        entry.task = asyncio.create_task(self._keep_running(entry), name=process.name)

    def mark_ready(self) -> None:
        """From now on the supervisor restarts a process however often it ends."""
        self._ready = True

    async def run_or_stop(self, step: Coroutine[Any, Any, T]) -> T:
        """Run one step of the start and return its result.

        Raises `StopRequested` when the operator asks to stop first, `OperatorError` when a process does not start.
        """
        task = asyncio.create_task(step)
        stop = asyncio.create_task(self._stop_requested.wait())
        try:
            await asyncio.wait({task, stop, self._start_failure}, return_when=asyncio.FIRST_COMPLETED)
            if self._stop_requested.is_set():
                raise StopRequested
            if self._start_failure.done():
                raise self._start_failure.result()
            return await task
        finally:
            await _cancel(task)
            await _cancel(stop)

    async def run_until_stop(self) -> None:
        """Keep the processes running until a stop is requested."""
        while not self._stop_requested.is_set():
            for entry in self._entries:
                entry.process.log.rotate_if_full()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOG_CHECK_INTERVAL_SECONDS):
                    await self._stop_requested.wait()

    async def stop_all(self) -> None:
        """Stop all processes, the last started first. None of them runs when this returns."""
        for entry in reversed(self._entries):
            entry.stopping = True
            if not await entry.process.stop(entry.grace_seconds):
                self._report(f"{entry.process.name} did not end within {entry.grace_seconds:g} s and was killed")
            if entry.task is not None:
                await _cancel(entry.task)
            self._save_state()

    async def _keep_running(self, entry: _Entry) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            entry.since, started_at = datetime.now(UTC), monotonic()
            entry.silence_seconds = None
            end = await self._run_once(entry)
            if entry.stopping:
                return
            entry.restarts += 1
            if monotonic() - started_at >= HEALTHY_AFTER_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            if not self._ready and entry.restarts >= MAX_ENDS_BEFORE_READY:
                self._fail_start(entry.process, end)
                return
            self._report(
                f"{entry.process.name} {end.verb} ({end.cause}), starts again in {pause:g} s;"
                f" see {entry.process.log.path}"
            )
            self._save_state()
            await asyncio.sleep(pause)
            pause = min(pause * 2, MAX_PAUSE_SECONDS)

    async def _run_once(self, entry: _Entry) -> _End:
        try:
            await entry.process.start()
        except OSError as error:
            # The machine may be short of memory or file handles for a moment. If this task ended here, the process would never
            # be restarted.
            return _End("cannot be started", str(error.strerror))
        self._save_state()
        watch = asyncio.create_task(self._end_when_hung(entry))
        try:
            exit_of_process = _describe_exit(await entry.process.wait())
        finally:
            await _cancel(watch)
        if entry.silence_seconds is not None:
            return _End("hung", f"no sign of life for {entry.silence_seconds:g} s")
        return _End("ended", exit_of_process)

    async def _end_when_hung(self, entry: _Entry) -> None:
        if entry.shows_life is None:
            return
        silence_seconds = await wait_until_hung(entry.shows_life, self._patience)
        # A process that stops may be silent: `stop_all` has its own limit.
        if not entry.stopping:
            entry.silence_seconds = silence_seconds
            await entry.process.end(HANG_GRACE_SECONDS)

    def _fail_start(self, process: ManagedProcess, end: _End) -> None:
        if not self._start_failure.done():
            log_end = process.log.tail(LOG_LINES_SHOWN)
            self._start_failure.set_result(
                OperatorError(f"{process.name} does not start ({end.cause}). The end of {process.log.path}:\n{log_end}")
            )

    def _save_state(self) -> None:
        self._save(
            {
                entry.process.name: {
                    "pid": entry.process.pid,
                    "since": entry.since.isoformat(timespec="milliseconds"),
                    "restarts": entry.restarts,
                }
                for entry in self._entries
            }
        )


def _describe_exit(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"signal {-code}"


async def _cancel(task: Awaitable[Any] | asyncio.Task[Any]) -> None:
    assert isinstance(task, asyncio.Task)
    task.cancel()
    with suppress(asyncio.CancelledError, Exception):
        await task

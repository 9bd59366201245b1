"""Keeps parts running and ends them in order; it must not know what the parts are."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic
from typing import Any, TypeVar

from patient_visit_engine.cli.supervisor.managed_process import ManagedProcess
from patient_visit_engine.runtime.operator_error import OperatorError

T = TypeVar("T")

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
#: A part that lived this long was well: its next end is taken for a first one.
WELL_AFTER_SECONDS = 30.0
#: How often a part may end before the system is ready; then something is wrong that trying again does not mend.
TRIES_BEFORE_READY = 3
LOGS_TURN_SECONDS = 5.0
LINES_SHOWN = 8


class StopRequested(BaseException):
    """The operator asked for the end while something was still being waited for."""


@dataclass
class _Kept:
    part: ManagedProcess
    grace_seconds: float
    task: asyncio.Task[None] | None = None
    restarts: int = 0
    stopping: bool = False
    since: datetime = field(default_factory=lambda: datetime.now(UTC))


class Supervisor:
    """Starts parts, starts one again that ends by itself, and stops all in the reverse order.

    `report` gets each line for the operator; `save` gets the state of the parts whenever it changes.
    """

    def __init__(self, report: Callable[[str], None], save: Callable[[dict[str, Any]], None]) -> None:
        self._report = report
        self._save = save
        self._kept: list[_Kept] = []
        self._asked_to_stop = asyncio.Event()
        self._hopeless: asyncio.Future[OperatorError] = asyncio.get_running_loop().create_future()
        self._ready = False

    def ask_to_stop(self) -> None:
        """Begin the end; asked a second time, the parts get no more grace."""
        if self._asked_to_stop.is_set():
            for kept in self._kept:
                kept.part.kill()
        self._asked_to_stop.set()

    def start(self, part: ManagedProcess, grace_seconds: float) -> None:
        """Run `part` until `stop_all`, which will give it `grace_seconds` to end."""
        kept = _Kept(part, grace_seconds)
        self._kept.append(kept)
        kept.task = asyncio.create_task(self._keep(kept), name=part.name)

    def ready(self) -> None:
        """From now on no part is given up, however often it ends."""
        self._ready = True

    async def until(self, waited_for: Coroutine[Any, Any, T]) -> T:
        """What `waited_for` gives. Raises `Stopped` when asked to stop before, `OperatorError` when a part will not start."""
        task = asyncio.create_task(waited_for)
        stop = asyncio.create_task(self._asked_to_stop.wait())
        try:
            await asyncio.wait({task, stop, self._hopeless}, return_when=asyncio.FIRST_COMPLETED)
            if self._asked_to_stop.is_set():
                raise StopRequested
            if self._hopeless.done():
                raise self._hopeless.result()
            return await task
        finally:
            await _cancelled(task)
            await _cancelled(stop)

    async def watch(self) -> None:
        """Keep the parts running until asked to stop."""
        while not self._asked_to_stop.is_set():
            for kept in self._kept:
                kept.part.log.turn()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOGS_TURN_SECONDS):
                    await self._asked_to_stop.wait()

    async def stop_all(self) -> None:
        """End all parts, the last started first; none is left when this returns."""
        for kept in reversed(self._kept):
            kept.stopping = True
            if not await kept.part.stop(kept.grace_seconds):
                self._report(f"{kept.part.name} did not end within {kept.grace_seconds:g} s and was killed")
            if kept.task is not None:
                await _cancelled(kept.task)
            self._save_state()

    async def _keep(self, kept: _Kept) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            kept.since, began = datetime.now(UTC), monotonic()
            code = await self._run_once(kept)
            if kept.stopping:
                return
            kept.restarts += 1
            if monotonic() - began >= WELL_AFTER_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            if not self._ready and kept.restarts >= TRIES_BEFORE_READY:
                self._give_up(kept.part, code)
                return
            self._report(
                f"{kept.part.name} ended ({_how(code)}), starts again in {pause:g} s; see {kept.part.log.path}"
            )
            self._save_state()
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _run_once(self, kept: _Kept) -> int:
        try:
            await kept.part.start()
        except OSError as error:
            # No memory or no file left, for a moment: a keeper that ended here would never start the part again.
            self._report(f"{kept.part.name} cannot be started: {error.strerror}")
            return error.errno or 1
        self._save_state()
        return await kept.part.wait()

    def _give_up(self, part: ManagedProcess, code: int) -> None:
        if not self._hopeless.done():
            end = part.log.tail(LINES_SHOWN)
            self._hopeless.set_result(
                OperatorError(f"{part.name} does not start ({_how(code)}). The end of {part.log.path}:\n{end}")
            )

    def _save_state(self) -> None:
        self._save(
            {
                kept.part.name: {
                    "pid": kept.part.pid,
                    "since": kept.since.isoformat(timespec="milliseconds"),
                    "restarts": kept.restarts,
                }
                for kept in self._kept
            }
        )


def _how(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"signal {-code}"


async def _cancelled(task: Awaitable[Any] | asyncio.Task[Any]) -> None:
    assert isinstance(task, asyncio.Task)
    task.cancel()
    with suppress(asyncio.CancelledError, Exception):
        await task

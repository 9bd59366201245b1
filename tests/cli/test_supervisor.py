"""The supervisor with stand-in parts: what it restarts, what it gives up, and in which order it ends them."""

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from patient_visit_engine.cli.supervisor.log_file import LogFile
from patient_visit_engine.cli.supervisor.managed_process import ManagedProcess
from patient_visit_engine.cli.supervisor.supervisor import StopRequested, Supervisor
from patient_visit_engine.runtime.operator_error import OperatorError

SAYS_WHEN_IT_ENDS = """
import signal, sys, time
def end(*_):
    with open(sys.argv[1], "a") as file:
        file.write(sys.argv[2] + " ")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("up", flush=True)
time.sleep(600)
"""
DOES_NOT_LISTEN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
time.sleep(600)
"""
ENDS_AT_ONCE = "import sys; sys.exit('there is no such thing')"
TIMEOUT_SECONDS = 30


class Clinic:
    """A supervisor, and what it told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lines: list[str] = []
        self.state: dict[str, Any] = {}
        self.supervisor = Supervisor(self.lines.append, self._save)

    def _save(self, state: dict[str, Any]) -> None:
        self.state = state

    def start(self, name: str, program: str, *arguments: str, grace_seconds: float = 10) -> ManagedProcess:
        log = LogFile(self.folder / f"{name}.log")
        part = ManagedProcess(name, [sys.executable, "-c", program, *arguments], os.environ, log)
        self.supervisor.start(part, grace_seconds)
        return part


@pytest.fixture
async def clinic(tmp_path: Path) -> Any:
    made = Clinic(tmp_path)

    yield made

    await made.supervisor.stop_all()


async def eventually(condition: Callable[[], Any]) -> Any:
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while True:
            if found := condition():
                return found
            await asyncio.sleep(0.01)


def said(part: ManagedProcess) -> str:
    return part.log.path.read_text() if part.log.path.exists() else ""


def lives(process: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except FileNotFoundError:
        return False


async def test_parts_are_ended_in_the_reverse_order(clinic: Clinic, tmp_path: Path) -> None:
    order = tmp_path / "order"
    parts = [clinic.start(name, SAYS_WHEN_IT_ENDS, str(order), name) for name in ("server", "worker", "api")]
    await eventually(lambda: all("up" in said(part) for part in parts))

    await clinic.supervisor.stop_all()

    assert order.read_text() == "api worker server "
    assert clinic.lines == []
    assert [part["pid"] for part in clinic.state.values()] == [None, None, None]


async def test_a_part_that_ends_by_itself_is_started_again_after_a_longer_and_longer_pause(clinic: Clinic) -> None:
    clinic.supervisor.ready()
    part = clinic.start("worker", ENDS_AT_ONCE)

    await eventually(lambda: len(clinic.lines) == 3)

    assert clinic.lines == [
        f"worker ended (exit code 1), starts again in {pause} s; see {part.log.path}" for pause in ("0.5", "1", "2")
    ]
    assert clinic.state["worker"]["restarts"] == 3


async def test_a_part_that_could_not_be_started_for_a_moment_is_started_again(clinic: Clinic, tmp_path: Path) -> None:
    clinic.supervisor.ready()
    part = clinic.start("away/worker", SAYS_WHEN_IT_ENDS, str(tmp_path / "order"), "worker")
    await eventually(lambda: clinic.lines)

    (tmp_path / "away").mkdir()
    await eventually(lambda: "up" in said(part))

    assert clinic.lines[0] == "away/worker cannot be started: No such file or directory"
    assert clinic.state["away/worker"]["pid"] == part.pid is not None
    assert clinic.state["away/worker"]["restarts"] >= 1


async def test_a_part_that_never_starts_is_given_up_with_the_end_of_its_log(clinic: Clinic) -> None:
    clinic.start("worker", ENDS_AT_ONCE)

    with pytest.raises(OperatorError, match=r"^worker does not start \(exit code 1\)[^\n]*\n(.*\n)*there is no such"):
        await clinic.supervisor.until(asyncio.sleep(TIMEOUT_SECONDS))


async def test_a_part_that_does_not_listen_is_killed_with_all_that_it_started(clinic: Clinic) -> None:
    part = clinic.start("worker", DOES_NOT_LISTEN, grace_seconds=0.2)
    child = int(await eventually(lambda: said(part).strip()))

    await clinic.supervisor.stop_all()

    assert clinic.lines == ["worker did not end within 0.2 s and was killed"]
    await eventually(lambda: not lives(child))


async def test_asked_a_second_time_to_stop_the_parts_get_no_more_grace(clinic: Clinic) -> None:
    part = clinic.start("worker", DOES_NOT_LISTEN, grace_seconds=TIMEOUT_SECONDS)
    await eventually(lambda: said(part).strip())
    began = monotonic()
    clinic.supervisor.ask_to_stop()
    ending = asyncio.create_task(clinic.supervisor.stop_all())
    await asyncio.sleep(0)

    clinic.supervisor.ask_to_stop()
    await ending

    assert monotonic() - began < TIMEOUT_SECONDS / 2


async def test_a_stop_comes_before_whatever_is_waited_for(clinic: Clinic) -> None:
    clinic.supervisor.ask_to_stop()

    with pytest.raises(StopRequested):
        await clinic.supervisor.until(asyncio.sleep(TIMEOUT_SECONDS))


async def test_a_stop_during_a_start_leaves_no_process(clinic: Clinic) -> None:
    part = clinic.start("worker", DOES_NOT_LISTEN, grace_seconds=0)
    await asyncio.sleep(0)

    await clinic.supervisor.stop_all()

    assert part.pid is None
    assert clinic.state["worker"]["restarts"] == 0


def test_a_full_log_is_turned_and_only_so_many_are_kept(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "api.log", largest=10, older=2)
    with log.appending() as process:
        for piece in (b"first line\n", b"second line\n", b"third line\n", b"four\n"):
            log.turn()
            process.write(piece)

    kept = {path.name: path.read_text() for path in tmp_path.iterdir()}

    assert kept == {"api.log": "four\n", "api.log.1": "third line\n", "api.log.2": "second line\n"}
    assert log.tail(3) == "four"

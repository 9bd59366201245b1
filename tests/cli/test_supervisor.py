"""The supervisor with small test programs: restarts, failed starts, and the order of stops."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from patient_visit_engine.cli.supervisor.hang_watch import HangPatience
from patient_visit_engine.cli.supervisor.log_file import LogFile
from patient_visit_engine.cli.supervisor.managed_process import ManagedProcess
from patient_visit_engine.cli.supervisor.supervisor import StopRequested, Supervisor
from patient_visit_engine.runtime.operator_error import OperatorError
from tests.support.waiting import wait_until_async

RECORDS_ITS_END = """
import signal, sys, time
def end(*_):
    with open(sys.argv[1], "a") as file:
        file.write(sys.argv[2] + " ")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("up", flush=True)
time.sleep(600)
"""
IGNORES_SIGTERM = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
time.sleep(600)
"""
FAILS_AT_ONCE = "import sys; sys.exit('there is no such thing')"
#: Prints its process id, and then shows signs of life for as long as its event loop runs.
SHOWS_LIFE = """
import asyncio, os, signal, sys, time
from patient_visit_engine.runtime.signs_of_life import signs_of_life
async def run():
    async with signs_of_life():
        print(os.getpid(), flush=True)
        await asyncio.sleep(float(sys.argv[1]))
        os.kill(os.getpid(), signal.SIGSTOP) if sys.argv[2] == "stopped" else time.sleep(600)
asyncio.run(run())
"""
TIMEOUT_SECONDS = 30
#: Each check comes after two signs of life or more, also when the machine is busy.
SHORT_PATIENCE = HangPatience(interval_seconds=2, missed_checks=2, missed_checks_at_start=3)


class SupervisorDriver:
    """Runs a supervisor and records its lines and its newest state."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lines: list[str] = []
        self.state: dict[str, Any] = {}
        self.supervisor = Supervisor(self.lines.append, self._save, SHORT_PATIENCE)

    def _save(self, state: dict[str, Any]) -> None:
        self.state = state

    def start(
        self, name: str, program: str, *arguments: str, grace_seconds: float = 10, watched: bool = False
    ) -> ManagedProcess:
        process = self.new_process(name, program, *arguments)
        self.supervisor.start(process, grace_seconds, process.has_sent_signs if watched else None)
        return process

    def new_process(self, name: str, program: str, *arguments: str) -> ManagedProcess:
        log = LogFile(self.folder / f"{name}.log")
        return ManagedProcess(name, [sys.executable, "-c", program, *arguments], os.environ, log)


@pytest.fixture
async def driver(tmp_path: Path) -> AsyncIterator[SupervisorDriver]:
    supervisor_driver = SupervisorDriver(tmp_path)

    yield supervisor_driver

    await supervisor_driver.supervisor.stop_all()


def output(process: ManagedProcess) -> str:
    return process.log.path.read_text() if process.log.path.exists() else ""


def is_alive(process_id: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{process_id}/status").read_text()
    except FileNotFoundError:
        return False


async def test_stops_processes_in_reverse_order(driver: SupervisorDriver, tmp_path: Path) -> None:
    order = tmp_path / "order"
    processes = [driver.start(name, RECORDS_ITS_END, str(order), name) for name in ("server", "worker", "api")]
    await wait_until_async(lambda: all("up" in output(process) for process in processes), "all processes run")

    await driver.supervisor.stop_all()

    assert order.read_text() == "api worker server "
    assert driver.lines == []
    assert [entry["pid"] for entry in driver.state.values()] == [None, None, None]


async def test_restarts_after_growing_pauses(driver: SupervisorDriver) -> None:
    driver.supervisor.mark_ready()
    process = driver.start("worker", FAILS_AT_ONCE)

    await wait_until_async(lambda: len(driver.lines) == 3, "three restarts")

    assert driver.lines == [
        f"worker ended (exit code 1), starts again in {pause} s; see {process.log.path}" for pause in ("0.5", "1", "2")
    ]
    assert driver.state["worker"]["restarts"] == 3


async def test_retries_after_short_start_failure(driver: SupervisorDriver, tmp_path: Path) -> None:
    driver.supervisor.mark_ready()
    process = driver.start("away/worker", RECORDS_ITS_END, str(tmp_path / "order"), "worker")
    await wait_until_async(lambda: driver.lines, "a failed start")

    (tmp_path / "away").mkdir()
    await wait_until_async(lambda: "up" in output(process), "the process runs")

    error = "cannot be started (No such file or directory)"
    assert driver.lines[0] == f"away/worker {error}, starts again in 0.5 s; see {process.log.path}"
    assert driver.state["away/worker"]["pid"] == process.pid is not None
    assert driver.state["away/worker"]["restarts"] >= 1


async def test_reports_failed_start_with_end_of_log(driver: SupervisorDriver) -> None:
    driver.start("worker", FAILS_AT_ONCE)

    with pytest.raises(OperatorError, match=r"^worker does not start \(exit code 1\)[^\n]*\n(.*\n)*there is no such"):
        await driver.supervisor.run_or_stop(asyncio.sleep(TIMEOUT_SECONDS))


async def test_reports_why_process_was_never_started(driver: SupervisorDriver) -> None:
    driver.start("away/worker", RECORDS_ITS_END)

    with pytest.raises(OperatorError, match=r"^away/worker does not start \(No such file or directory\)\. "):
        await driver.supervisor.run_or_stop(asyncio.sleep(TIMEOUT_SECONDS))


async def test_kills_process_that_ignores_sigterm(driver: SupervisorDriver) -> None:
    process = driver.start("worker", IGNORES_SIGTERM, grace_seconds=0.2)
    child = int(await wait_until_async(lambda: output(process).strip(), "the process runs"))

    await driver.supervisor.stop_all()

    assert driver.lines == ["worker did not end within 0.2 s and was killed"]
    await wait_until_async(lambda: not is_alive(child), "the child has ended")


@pytest.mark.parametrize("how", ["stopped", "blocked"])
async def test_restarts_process_that_hangs(driver: SupervisorDriver, how: str) -> None:
    driver.supervisor.mark_ready()
    process = driver.start("worker", SHOWS_LIFE, "0.1", how, watched=True)

    await wait_until_async(lambda: len(output(process).split()) == 2, "the process runs again")

    first = int(output(process).split()[0])
    assert not is_alive(first)
    assert driver.lines == [f"worker hung (no sign of life for 4 s), starts again in 0.5 s; see {process.log.path}"]
    assert driver.state["worker"]["restarts"] == 1


async def test_restarts_process_that_hangs_at_start(driver: SupervisorDriver) -> None:
    driver.supervisor.mark_ready()
    process = driver.start("worker", IGNORES_SIGTERM, watched=True)

    await wait_until_async(lambda: driver.lines, "the process is ended")

    assert driver.lines == [f"worker hung (no sign of life for 6 s), starts again in 0.5 s; see {process.log.path}"]


async def test_process_that_shows_life_keeps_running(driver: SupervisorDriver) -> None:
    checks: list[bool] = []
    process = driver.new_process("worker", SHOWS_LIFE, "600", "stopped")

    async def record_check() -> bool:
        checks.append(await process.has_sent_signs())
        return checks[-1]

    driver.supervisor.start(process, 10, record_check)
    await wait_until_async(lambda: checks.count(True) > SHORT_PATIENCE.missed_checks, "several checks")

    assert driver.lines == []


async def test_second_stop_request_kills_at_once(driver: SupervisorDriver) -> None:
    process = driver.start("worker", IGNORES_SIGTERM, grace_seconds=TIMEOUT_SECONDS)
    await wait_until_async(lambda: output(process).strip(), "the process runs")
    started_at = monotonic()
    driver.supervisor.request_stop()

    # The second request comes when `stop_all` waits for the process.
    asyncio.get_running_loop().call_soon(driver.supervisor.request_stop)
    await driver.supervisor.stop_all()

    assert monotonic() - started_at < TIMEOUT_SECONDS / 2


async def test_stop_request_interrupts_start_step(driver: SupervisorDriver) -> None:
    driver.supervisor.request_stop()

    with pytest.raises(StopRequested):
        await driver.supervisor.run_or_stop(asyncio.sleep(TIMEOUT_SECONDS))


async def test_stop_during_start_leaves_no_process(driver: SupervisorDriver) -> None:
    process = driver.start("worker", IGNORES_SIGTERM, grace_seconds=0)

    # Tasks begin in the order of their creation, so the stop begins after the start.
    await asyncio.create_task(driver.supervisor.stop_all())

    assert process.pid is None
    assert driver.state["worker"]["restarts"] == 0


def test_rotates_full_log_and_keeps_few_old_files(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "api.log", max_bytes=10, old_files_kept=2)

    with log.open_for_append() as file:
        for line in (b"first line\n", b"second line\n", b"third line\n", b"four\n"):
            log.rotate_if_full()
            file.write(line)

    contents = {path.name: path.read_text() for path in tmp_path.iterdir()}

    assert contents == {"api.log": "four\n", "api.log.1": "third line\n", "api.log.2": "second line\n"}
    assert log.tail(3) == "four"

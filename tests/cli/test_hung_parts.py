"""`visit-engine up` restarts a part that hangs: real processes, stopped by a signal."""

import os
import signal
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.up import RunningUp, UpEnvironment, running_up
from tests.support.waiting import wait_until

IMPATIENT = Path(__file__).parents[1] / "support" / "impatient_up.py"


@pytest.fixture(scope="module")
def impatient_up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUp]:
    """One running system for these tests. Its supervisor waits four seconds for a part that hangs."""
    environment = UpEnvironment(tmp_path_factory.mktemp("impatient_up"))
    with running_up(environment, program=[sys.executable, "-P", str(IMPATIENT)]) as running:
        yield running


def answers(running: RunningUp, port: int, path: str) -> bool:
    try:
        with urllib.request.urlopen(
            f"http://127.0.0.1:{running.up_environment.ports[port]}{path}", timeout=5
        ) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.mark.parametrize(
    "name",
    ["worker", *(pytest.param(name, marks=pytest.mark.long) for name in ("api", "ui", "temporal"))],
)
def test_restarts_part_that_hangs(impatient_up: RunningUp, name: str) -> None:
    environment = impatient_up.up_environment
    old_pid = environment.parts()[name]["pid"]
    # Until its first answer, a part is one that starts, and may be silent for longer.
    impatient_up.wait_for_line("temporal answers")

    os.kill(old_pid, signal.SIGSTOP)

    log = environment.data / "logs" / f"{name}.log"
    line = impatient_up.wait_for_line(f"{name} hung")
    assert line == f"{name} hung (no sign of life for 4 s), starts again in 0.5 s; see {log}"
    wait_until(lambda: environment.parts()[name]["pid"] not in (old_pid, None), f"{name} starts again")
    assert old_pid not in environment.processes()
    wait_until(lambda: answers(impatient_up, 0, "/readyz"), "the API is ready again")
    wait_until(lambda: answers(impatient_up, 1, "/api/v1/namespaces"), "Temporal's UI answers")
    assert {name: part["restarts"] for name, part in environment.parts().items() if part["restarts"]}[name] == 1

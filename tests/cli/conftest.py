"""What the tests of the program share: a place to run it in, which is empty afterwards."""

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.running import Running, Surroundings


@pytest.fixture
def surroundings(tmp_path: Path) -> Iterator[Surroundings]:
    """A place for the program to run in; whatever it leaves behind is ended."""
    place = Surroundings(tmp_path)

    yield place

    for process in place.processes():
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


@pytest.fixture
def up(surroundings: Surroundings) -> Iterator[Callable[..., Running]]:
    """Starts `visit-engine up` there; call it with settings."""
    with contextlib.ExitStack() as started:

        def start(**settings: str) -> Running:
            running = Running(surroundings, settings)
            started.callback(running.close)
            return running

        yield start

"""What the tests of the program share: a place to run it in, which is empty afterwards."""

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.up import RunningUp, UpEnvironment


@pytest.fixture(params=["sqlite", "postgres"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a command's database is to be: it is not there yet on SQLite, and empty on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'visits.db'}"
    on_postgres: str = request.getfixturevalue("empty_postgres")
    return on_postgres


@pytest.fixture
def postgres(request: pytest.FixtureRequest) -> str:
    """The address of an empty database on PostgreSQL where a test asks for one; SQLite's file has none here."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return ""
    address: str = request.getfixturevalue("empty_postgres")
    return address


@pytest.fixture
def surroundings(tmp_path: Path, postgres: str) -> Iterator[UpEnvironment]:
    """A place for the program to run in; whatever it leaves behind is ended."""
    place = UpEnvironment(tmp_path, postgres=postgres)

    yield place

    for process in place.processes():
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


@pytest.fixture
def up(surroundings: UpEnvironment) -> Iterator[Callable[..., RunningUp]]:
    """Starts `visit-engine up` there; call it with settings."""
    with contextlib.ExitStack() as started:

        def start(**settings: str) -> RunningUp:
            running = RunningUp(surroundings, settings)
            started.callback(running.close)
            return running

        yield start

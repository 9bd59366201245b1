"""Fixtures of the tests of the program: a database address, and an environment that is empty after the test."""

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from patient_visit_engine.cli.app import build_program
from patient_visit_engine.runtime import dev_server
from patient_visit_engine.runtime.settings import Settings
from tests.support.ports import free_port
from tests.support.up import RunningUp, UpEnvironment


@pytest.fixture(params=["sqlite", "postgres"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a command's database: a missing file on SQLite, an empty database on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'visits.db'}"
    postgres_address: str = request.getfixturevalue("empty_postgres")
    return postgres_address


@pytest.fixture
def postgres(request: pytest.FixtureRequest) -> str:
    """The address of an empty PostgreSQL database if the test's parameter asks for one, otherwise empty."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return ""
    address: str = request.getfixturevalue("empty_postgres")
    return address


@pytest.fixture
def clean_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An empty current folder and no setting from outside. Add settings with the returned patch."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("VISIT_")]:
        monkeypatch.delenv(name)
    return monkeypatch


@pytest.fixture
def visit_engine(address: str, clean_environment: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Runs a command of the program in this process, on the database at `address`."""
    clean_environment.setenv("VISIT_DATABASE_URL", address)
    return lambda *words: CliRunner().invoke(build_program(), [str(word) for word in words])


@pytest.fixture
def up_environment(tmp_path: Path, postgres: str) -> Iterator[UpEnvironment]:
    """Folder, ports and settings for the program. Kills the processes that a test leaves behind."""
    environment = UpEnvironment(tmp_path, postgres=postgres)

    yield environment

    environment.kill_processes()


@pytest.fixture
def up(up_environment: UpEnvironment) -> Iterator[Callable[..., RunningUp]]:
    """Starts `visit-engine up` with the given settings."""
    with contextlib.ExitStack() as stack:

        def start(**settings: str) -> RunningUp:
            running = RunningUp(up_environment, settings)
            stack.callback(running.close)
            return running

        yield start


@pytest.fixture(scope="module")
def temporal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Temporal server without prepared namespaces."""
    port, ui_port = free_port(), free_port()
    folder: Path = tmp_path_factory.mktemp("temporal")
    settings = Settings(data_dir=folder, temporal_port=port, ui_port=ui_port, temporal_namespace="elsewhere")
    command = dev_server.server_command(settings)
    while "--search-attribute" in command:
        index = command.index("--search-attribute")
        del command[index : index + 2]
    with (folder / "log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as server:
        yield f"127.0.0.1:{port}"
        server.terminate()

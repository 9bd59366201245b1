"""A wrong setting stops each command with one line that names the setting and the remedy."""

import contextlib
import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.preloaded import CLI, start_preloaded
from tests.support.up import UpEnvironment
from tests.support.waiting import wait_until

#: They set up the log of their process first.
PROCESSES = (["api"], ["worker"])
COMMANDS = (
    *(["up"], ["migrate"], ["demo"], ["audit"], ["restored"], ["replay"]),
    ["import", "table.csv"],
    ["user", "passwd", "smith", "--password-stdin"],
)
UNKNOWN_NAMESPACE = (
    "VISIT_TEMPORAL_NAMESPACE: Temporal has no namespace nowhere: correct the name or run `visit-engine migrate`"
)


def run_all(environment: UpEnvironment, **settings: str) -> dict[str, tuple[int, str]]:
    """Run all commands. Returns each one's exit code and error output."""
    (environment.folder / "table.csv").write_text("a,b\n")
    results = {
        **{name: environment.run(name, **settings) for [name] in PROCESSES},
        **{command[0]: environment.run_here(*command, stdin="stethoscope\n", **settings) for command in COMMANDS},
    }
    return {name: (result.returncode, result.stderr) for name, result in results.items()}


def test_misspelled_setting_stops_each_command(up_environment: UpEnvironment) -> None:
    results = run_all(up_environment, VISIT_HTTP_PROT="8000")

    line = "VISIT_HTTP_PROT: not a setting: use VISIT_HTTP_PORT\n"
    assert results == {command[0]: (2, line) for command in (*PROCESSES, *COMMANDS)}


def test_database_in_memory_stops_each_command(up_environment: UpEnvironment) -> None:
    results = run_all(up_environment, VISIT_DATABASE_URL="sqlite+aiosqlite:///:memory:")

    line = "VISIT_DATABASE_URL: must name a file, because processes cannot share a database in memory\n"
    assert results == {command[0]: (2, line) for command in (*PROCESSES, *COMMANDS)}


@pytest.fixture
def migrated(up_environment: UpEnvironment, migrated_file: Path) -> UpEnvironment:
    """An environment with a database that has the schema."""
    up_environment.data.mkdir()
    (up_environment.data / "visits.db").write_bytes(migrated_file.read_bytes())
    return up_environment


def test_taken_port_of_api_names_its_setting(migrated: UpEnvironment) -> None:
    port = migrated.ports[0]
    with contextlib.closing(socket.create_server(("127.0.0.1", port))):
        taken = migrated.run("api")
    foreign = migrated.run("api", VISIT_HTTP_HOST="192.0.2.1")

    assert (taken.returncode, foreign.returncode) == (2, 2)
    assert without_log(taken.stderr) == [f"VISIT_HTTP_PORT: port {port} on 127.0.0.1 is in use"]
    assert without_log(foreign.stderr) == ["VISIT_HTTP_HOST: 192.0.2.1 is not an address of this machine"]


def without_log(output: str) -> list[str]:
    """The lines that are not lines of the log."""
    return [line for line in output.splitlines() if not line.startswith("{")]


def test_unknown_namespace_stops_worker(migrated: UpEnvironment, temporal: str) -> None:
    settings = {"VISIT_TEMPORAL_ADDRESS": temporal, "VISIT_TEMPORAL_NAMESPACE": "nowhere"}
    result = migrated.run("worker", **settings)

    assert result.returncode == 1
    # The server may still be starting. Then the log says so.
    assert without_log(result.stderr) == [UNKNOWN_NAMESPACE]


@contextlib.contextmanager
def running_api(environment: UpEnvironment, **settings: str) -> Iterator[Path]:
    """The API as a process, and its log."""
    log = environment.folder / "api.log"
    with log.open("w") as output:
        process = start_preloaded(CLI, ["api"], stdout=output.fileno(), environment=environment.environment(**settings))
    try:
        yield log
    finally:
        process.kill()
        process.wait(60)


def read_readiness(environment: UpEnvironment) -> dict[str, Any]:
    """The body of `/readyz`. Empty when the API does not answer yet."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{environment.ports[0]}/readyz", timeout=5) as answer:
            return dict(json.load(answer))
    except urllib.error.HTTPError as problem:
        return dict(json.load(problem))
    except OSError:
        return {}


def test_unknown_namespace_is_in_readiness_and_log_once(migrated: UpEnvironment, temporal: str) -> None:
    # A process can inherit this variable without the pipe. Then its number may be the file descriptor of any file.
    settings = {"VISIT_TEMPORAL_NAMESPACE": "nowhere", "SIGN_OF_LIFE_PIPE": "1"}
    with running_api(migrated, VISIT_TEMPORAL_ADDRESS=temporal, **settings) as log:
        body = wait_until(
            lambda: body if "namespace" in (body := read_readiness(migrated)).get("detail", "") else None,
            "the API reports the namespace",
        )
        read_readiness(migrated)
        output = log.read_text()

    assert (body["status"], body["temporal"], body["workers"]) == (503, "down", "down")
    assert body["detail"] == UNKNOWN_NAMESPACE
    # Signs of life in the log would be lines that are no JSON.
    levels = [line["level"] for line in map(json.loads, output.splitlines()) if line["event"] == UNKNOWN_NAMESPACE]
    assert levels == ["warning"]

"""`visit-engine up` with real processes, on free ports and in a folder of the test."""

import contextlib
import os
import pty
import select
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator

import httpx
import pytest

from patient_visit_engine.runtime.settings import Settings
from patient_visit_engine.runtime.temporal import connect
from tests.support.clocks import morning_zone
from tests.support.engine import NO_CERTIFICATES
from tests.support.up import PROGRAM, RunningUp, UpEnvironment, running_up
from tests.support.up_start import admit, press_start
from tests.support.waiting import wait_until

Start = Callable[..., RunningUp]
#: From the death of a process to the next granted start. The aim is 3 s on a quiet machine. This limit also holds on a busy one.
SERVES_AGAIN_SECONDS = 20.0


@pytest.fixture(scope="module")
def shared_up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUp]:
    """One running system for several tests."""
    environment = UpEnvironment(tmp_path_factory.mktemp("shared_up"))
    with running_up(environment, {"VISIT_TIMEZONE": morning_zone().key}) as running:
        yield running


def test_start_that_fails_leaves_no_process(up_environment: UpEnvironment) -> None:
    leave_child = "import subprocess; subprocess.Popen(['sleep', '600'])"

    with pytest.raises(AssertionError), running_up(up_environment, program=[sys.executable, "-c", leave_child]):
        pass

    wait_until(lambda: up_environment.processes() == [], "the end of the child")


def is_ready(up_environment: UpEnvironment) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{up_environment.ports[0]}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


async def test_restart_finds_data_and_ctrl_c_stops_all(up: Start, up_environment: UpEnvironment) -> None:
    first = up(VISIT_DEMO="1")
    page = first.wait_for_line("page:").split()[-1]
    first.wait_for_line("ready in")
    client = await connect(Settings(temporal_address=up_environment.temporal))
    await client.start_workflow("VisitWithoutWorker", id="visit/123/2026-03-02", task_queue="without-worker")
    secret = (up_environment.data / "jwt.secret").read_text()

    assert_serves(page)
    assert set(up_environment.parts()) == {"temporal", "ui", "worker", "api"}
    assert_stops(first, signal.SIGTERM)

    second = up()
    second.wait_for_line("ready in")

    client = await connect(Settings(temporal_address=up_environment.temporal))
    assert (await client.get_workflow_handle("visit/123/2026-03-02").describe()).status is not None
    assert (up_environment.data / "jwt.secret").read_text() == secret
    assert logins_printed_by(first) == logins_printed_by(second)
    assert {login.split()[-1] for login in logins_printed_by(first)} >= {"doctor", "reception", "supervisor"}
    assert {len(login.split()) for login in logins_printed_by(first)} == {4}
    assert_stops(second, signal.SIGINT)


def assert_serves(page: str) -> None:
    with urllib.request.urlopen(page) as answer:
        assert answer.headers["Content-Type"].startswith("text/html")
    with urllib.request.urlopen(f"{page}/readyz") as answer:
        assert answer.status == 200


def assert_stops(running: RunningUp, number: int) -> None:
    """The signal ends all processes in order."""
    assert running.stop(number) == 0
    assert running.up_environment.processes() == []
    # It has printed all its lines.
    running.close()
    running.wait_for_line("stopped")
    assert [line for line in running.lines if "Traceback" in line or "killed" in line] == []


def logins_printed_by(running: RunningUp) -> list[str]:
    return [line for line in running.lines if line.startswith("login: ")]


@pytest.mark.parametrize(
    "name",
    ["worker", "api", pytest.param("temporal", marks=pytest.mark.long), pytest.param("ui", marks=pytest.mark.long)],
)
def test_restarts_process_that_dies(shared_up: RunningUp, name: str) -> None:
    up_environment = shared_up.up_environment
    start = admit(up_environment, patient_id=1 + list(up_environment.parts()).index(name))
    old_pid = up_environment.parts()[name]["pid"]
    killed_at = time.monotonic()

    os.kill(old_pid, signal.SIGKILL)

    # The first pause is the shortest one: a first death has no back-off.
    assert shared_up.wait_for_line(f"{name} ended") == (
        f"{name} ended (signal 9), starts again in 0.5 s; see {up_environment.data / 'logs' / name}.log"
    )
    wait_until(lambda: up_environment.parts()[name]["pid"] not in (old_pid, None), f"{name} to start again")
    wait_until(lambda: is_ready(up_environment), "the API to be ready again")
    answer = press_start(up_environment, start, until=killed_at + SERVES_AGAIN_SECONDS)
    assert time.monotonic() - killed_at < SERVES_AGAIN_SECONDS
    assert answer.status_code == 201, answer.text
    assert up_environment.parts()[name]["restarts"] == 1


@pytest.mark.parametrize("postgres", ["postgres"], indirect=True)
def test_uses_secret_of_operator_and_dies_with_supervisor(up: Start, up_environment: UpEnvironment) -> None:
    running = up(VISIT_JWT_SECRET="a secret of thirty-two bytes or more")
    running.wait_for_line("ready in")
    assert not (up_environment.data / "jwt.secret").exists()
    assert len(up_environment.processes()) == 5

    running.stop(signal.SIGKILL)

    wait_until(lambda: up_environment.processes() == [], "the processes to die")
    up().wait_for_line("ready in")


def test_stop_during_start_leaves_no_process(up: Start, up_environment: UpEnvironment) -> None:
    running = up()
    wait_until(lambda: "temporal" in up_environment.parts(), "the first process")

    assert running.stop(signal.SIGTERM) == 0

    assert up_environment.processes() == []


def test_signing_secret_is_for_its_owner_only(shared_up: RunningUp) -> None:
    mode = (shared_up.up_environment.data / "jwt.secret").stat().st_mode

    assert stat.S_IMODE(mode) == 0o600


def test_no_demonstration_without_terminal(shared_up: RunningUp) -> None:
    assert [line for line in shared_up.lines if line.startswith("login:")] == []


def test_refuses_second_up_on_same_folder(shared_up: RunningUp) -> None:
    result = shared_up.up_environment.run("up")

    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == f"VISIT_DATA_DIR: another `visit-engine up` runs on {shared_up.up_environment.data}\n"
    assert shared_up.process.poll() is None


@pytest.mark.parametrize(
    ("variable", "place"), [("VISIT_HTTP_PORT", 0), ("VISIT_UI_PORT", 1), ("VISIT_TEMPORAL_PORT", 2)]
)
def test_used_port_names_its_variable(up_environment: UpEnvironment, variable: str, place: int) -> None:
    port = up_environment.ports[place]
    with contextlib.closing(socket.create_server(("127.0.0.1", port))):
        result = up_environment.run_here("up")

    assert result.returncode == 2
    assert result.stderr == f"{variable}: port {port} on 127.0.0.1 is in use\n"
    assert up_environment.processes() == []


def test_refuses_same_port_in_two_settings(up_environment: UpEnvironment) -> None:
    result = up_environment.run_here("up", VISIT_UI_PORT=str(up_environment.ports[0]))

    assert result.returncode == 2
    assert result.stderr == f"VISIT_UI_PORT: port {up_environment.ports[0]} is already used by VISIT_HTTP_PORT\n"


@pytest.mark.parametrize(
    ("command", "variable", "value"),
    [
        ("up", "VISIT_HTTP_PORT", "0"),
        ("up", "VISIT_TIMEZONE", "Mars/Olympus"),
        ("api", "VISIT_OFFER_SECONDS", "-1"),
        ("worker", "VISIT_ABANDON_AFTER", "PT25H"),
        ("migrate", "VISIT_DATABASE_URL", "mysql://somewhere"),
    ],
)
def test_wrong_setting_names_its_variable(
    up_environment: UpEnvironment, command: str, variable: str, value: str
) -> None:
    # `api` and `worker` set up the log of their process first.
    run = up_environment.run if command in ("api", "worker") else up_environment.run_here
    result = run(command, **{variable: value})

    assert result.returncode == 2
    assert result.stderr.startswith(f"{variable}: ")
    assert result.stderr.count("\n") == 1
    assert not up_environment.data.exists()


def test_unwritable_folder_names_its_variable(up_environment: UpEnvironment) -> None:
    (up_environment.folder / "a file").write_text("")

    result = up_environment.run_here("up", VISIT_DATA_DIR=str(up_environment.folder / "a file" / "data"))

    assert result.returncode == 2
    assert result.stderr.startswith("VISIT_DATA_DIR: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(("postgres", "command"), [("sqlite", "api"), ("postgres", "worker")], indirect=["postgres"])
def test_process_refuses_database_without_schema(up_environment: UpEnvironment, command: str) -> None:
    result = up_environment.run(command)

    assert result.returncode == 1
    assert result.stderr == ("VISIT_DATABASE_URL: the database has no schema yet: run `visit-engine migrate`\n")
    assert not up_environment.data.exists()


def test_terminal_offers_demonstration(up_environment: UpEnvironment) -> None:
    with up_at_terminal(up_environment) as (program, terminal):
        output = read_until(terminal, b"[Y/n] ")
        os.write(terminal, b"\n")
        output += read_until(terminal, b"ready in")
        program.send_signal(signal.SIGINT)
        read_until(terminal, b"stopped")

        assert program.wait(30) == 0
    assert b"login: " in output


def test_terminal_offers_first_accounts(up_environment: UpEnvironment) -> None:
    with up_at_terminal(up_environment) as (program, terminal):
        read_until(terminal, b"[Y/n] ")
        os.write(terminal, b"n\n")
        question = read_until(terminal, b"[Y/n] ")
        os.write(terminal, b"\n")
        output = read_until(terminal, b"ready in").decode()
        logins = [line.split()[1:] for line in output.splitlines() if line.startswith("login: ")]
        address = f"http://127.0.0.1:{up_environment.ports[0]}/api/session"
        signed_in = [
            httpx.post(address, json={"username": name, "password": password}, verify=NO_CERTIFICATES).status_code
            for name, password, _ in logins
        ]
        program.send_signal(signal.SIGINT)
        read_until(terminal, b"stopped")

    assert b"time zone is" in question
    assert [(name, role) for name, _, role in logins] == [("admin", "admin"), ("supervisor", "supervisor")]
    assert signed_in == [204, 204]


def test_log_says_how_to_add_first_account(shared_up: RunningUp) -> None:
    hint = next(line for line in shared_up.lines if line.startswith("no account yet"))

    assert "visit-engine user add NAME admin" in hint


def test_ctrl_c_at_question_leaves_no_process(up_environment: UpEnvironment) -> None:
    with up_at_terminal(up_environment) as (program, terminal):
        read_until(terminal, b"[Y/n] ")
        program.send_signal(signal.SIGINT)
        read_until(terminal, b"stopped")

        assert program.wait(30) == 0
    assert up_environment.processes() == []


@contextlib.contextmanager
def up_at_terminal(up_environment: UpEnvironment) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """`visit-engine up` at a terminal, and the file descriptor of the person's side."""
    person_side, program_side = pty.openpty()
    try:
        with subprocess.Popen(
            [PROGRAM, "up"],
            env=up_environment.environment(),
            cwd=up_environment.folder,
            stdin=program_side,
            stdout=program_side,
            stderr=program_side,
        ) as running:
            yield running, person_side
    finally:
        os.close(program_side)
        os.close(person_side)


def read_until(terminal: int, text: bytes) -> bytes:
    output = b""
    while text not in output:
        assert select.select([terminal], [], [], 60)[0], output
        output += os.read(terminal, 4096)
    return output

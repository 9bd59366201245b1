"""`visit-engine up` as its operator meets it: real processes, on ports and in a folder of their own."""

import contextlib
import os
import pty
import select
import signal
import socket
import stat
import subprocess
import urllib.request
from collections.abc import Callable, Iterator

import pytest

from patient_visit_engine.runtime.settings import Settings
from patient_visit_engine.runtime.temporal import connect
from tests.support.up import ON_BOTH, PROGRAM, RunningUp, UpEnvironment, eventually

Start = Callable[..., RunningUp]


@pytest.fixture(scope="module")
def all_day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUp]:
    """A system that several tests look at, one after the other."""
    running = RunningUp(UpEnvironment(tmp_path_factory.mktemp("all_day")))
    running.line("ready in")

    yield running

    running.end()
    running.close()


def is_ready(surroundings: UpEnvironment) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{surroundings.ports[0]}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@ON_BOTH
def test_the_whole_system_starts_and_ctrl_c_leaves_nothing_behind(up: Start, surroundings: UpEnvironment) -> None:
    running = up()
    page = running.line("page:").split()[-1]
    running.line("ready in")

    with urllib.request.urlopen(page) as answer:
        assert answer.headers["Content-Type"].startswith("text/html")
    with urllib.request.urlopen(f"{page}/readyz") as answer:
        assert answer.status == 200
    assert set(surroundings.parts()) == {"temporal", "worker", "api"}
    code = running.end(signal.SIGINT)

    assert code == 0
    assert surroundings.processes() == []
    assert [line for line in running.lines if "Traceback" in line or "killed" in line] == []


@ON_BOTH
async def test_the_next_start_finds_what_the_last_one_kept(up: Start, surroundings: UpEnvironment) -> None:
    first = up()
    first.line("ready in")
    client = await connect(Settings(temporal_address=surroundings.temporal))
    await client.start_workflow("AVisitNobodyServes", id="visit/123/2026-03-02", task_queue="nobody")
    secret = (surroundings.data / "jwt.secret").read_text()
    first.end(signal.SIGTERM)

    up().line("ready in")

    client = await connect(Settings(temporal_address=surroundings.temporal))
    assert (await client.get_workflow_handle("visit/123/2026-03-02").describe()).status is not None
    assert (surroundings.data / "jwt.secret").read_text() == secret


@pytest.mark.parametrize("name", ["worker", "api", "temporal"])
def test_a_part_that_dies_is_started_again(all_day: RunningUp, name: str) -> None:
    surroundings = all_day.surroundings
    died = surroundings.parts()[name]["pid"]

    os.kill(died, signal.SIGKILL)

    assert all_day.line(f"{name} ended") == (
        f"{name} ended (signal 9), starts again in 0.5 s; see {surroundings.data / 'logs' / name}.log"
    )
    eventually(lambda: surroundings.parts()[name]["pid"] not in (died, None), f"{name} to start again")
    assert surroundings.parts()[name]["restarts"] == 1
    eventually(lambda: is_ready(surroundings), "the API to be ready again")


def test_a_supervisor_that_is_killed_takes_its_parts_along(up: Start, surroundings: UpEnvironment) -> None:
    running = up()
    running.line("ready in")
    assert len(surroundings.processes()) == 4

    running.end(signal.SIGKILL)

    eventually(lambda: surroundings.processes() == [], "the parts to die")
    up().line("ready in")


def test_a_stop_in_the_middle_of_the_start_leaves_nothing_behind(up: Start, surroundings: UpEnvironment) -> None:
    running = up()
    eventually(lambda: "temporal" in surroundings.parts(), "the first part")

    assert running.end(signal.SIGTERM) == 0

    assert surroundings.processes() == []


def test_the_secret_that_signs_tokens_is_for_its_owner_alone(all_day: RunningUp) -> None:
    mode = (all_day.surroundings.data / "jwt.secret").stat().st_mode

    assert stat.S_IMODE(mode) == 0o600


def test_a_secret_of_the_operators_own_is_used_instead(up: Start, surroundings: UpEnvironment) -> None:
    up(VISIT_JWT_SECRET="a secret of thirty-two bytes or more")
    eventually(lambda: "worker" in surroundings.parts(), "the parts that get the secret")

    assert not (surroundings.data / "jwt.secret").exists()


def test_without_a_terminal_nobody_is_asked_and_no_demonstration_is_loaded(all_day: RunningUp) -> None:
    assert [line for line in all_day.lines if line.startswith("login:")] == []


@ON_BOTH
def test_the_demonstration_prints_its_logins_now_and_next_time(up: Start) -> None:
    first = up(VISIT_DEMO="1")
    first.line("ready in")
    first.end()
    logins = [line for line in first.lines if line.startswith("login: ")]

    second = up()
    second.line("ready in")

    assert {line.split()[-1] for line in logins} >= {"doctor", "reception", "supervisor"}
    assert {len(line.split()) for line in logins} == {4}
    assert [line for line in second.lines if line.startswith("login: ")] == logins


def test_a_second_up_on_the_same_folder_is_refused(all_day: RunningUp) -> None:
    refused = all_day.surroundings.run("up")

    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == f"VISIT_DATA_DIR: another `visit-engine up` runs on {all_day.surroundings.data}\n"
    assert all_day.process.poll() is None


@pytest.mark.parametrize(
    ("variable", "place"), [("VISIT_HTTP_PORT", 0), ("VISIT_UI_PORT", 1), ("VISIT_TEMPORAL_PORT", 2)]
)
def test_a_port_in_use_is_one_line_that_names_the_variable(
    surroundings: UpEnvironment, variable: str, place: int
) -> None:
    port = surroundings.ports[place]
    with contextlib.closing(socket.create_server(("127.0.0.1", port))):
        refused = surroundings.run("up")

    assert refused.returncode == 2
    assert refused.stderr == f"{variable}: port {port} on 127.0.0.1 is in use\n"
    assert surroundings.processes() == []


def test_two_settings_with_the_same_port_are_refused(surroundings: UpEnvironment) -> None:
    refused = surroundings.run("up", VISIT_UI_PORT=str(surroundings.ports[0]))

    assert refused.returncode == 2
    assert refused.stderr == f"VISIT_UI_PORT: port {surroundings.ports[0]} is VISIT_HTTP_PORT's already\n"


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
def test_a_wrong_setting_is_one_line_that_names_the_variable(
    surroundings: UpEnvironment, command: str, variable: str, value: str
) -> None:
    refused = surroundings.run(command, **{variable: value})

    assert refused.returncode == 2
    assert refused.stderr.startswith(f"{variable}: ")
    assert refused.stderr.count("\n") == 1
    assert not surroundings.data.exists()


def test_a_folder_that_cannot_be_written_is_one_line_that_names_the_variable(surroundings: UpEnvironment) -> None:
    (surroundings.folder / "a file").write_text("")

    refused = surroundings.run("up", VISIT_DATA_DIR=str(surroundings.folder / "a file" / "data"))

    assert refused.returncode == 2
    assert refused.stderr.startswith("VISIT_DATA_DIR: ")
    assert refused.stderr.count("\n") == 1


@ON_BOTH
@pytest.mark.parametrize("command", ["api", "worker"])
def test_a_part_refuses_a_database_without_a_schema(surroundings: UpEnvironment, command: str) -> None:
    refused = surroundings.run(command)

    assert refused.returncode == 1
    assert refused.stderr == ("VISIT_DATABASE_URL: the database has no schema yet: run `visit-engine migrate`\n")
    assert not surroundings.data.exists()


def test_at_a_terminal_the_demonstration_is_offered_and_loaded_by_a_yes(surroundings: UpEnvironment) -> None:
    with at_a_terminal(surroundings) as (program, terminal):
        shown = read_until(terminal, b"[Y/n] ")
        os.write(terminal, b"\n")
        shown += read_until(terminal, b"ready in")
        program.send_signal(signal.SIGINT)
        read_until(terminal, b"stopped")

        assert program.wait(30) == 0
    assert b"login: " in shown


def test_ctrl_c_at_the_question_leaves_nothing_behind(surroundings: UpEnvironment) -> None:
    with at_a_terminal(surroundings) as (program, terminal):
        read_until(terminal, b"[Y/n] ")
        program.send_signal(signal.SIGINT)
        read_until(terminal, b"stopped")

        assert program.wait(30) == 0
    assert surroundings.processes() == []


@contextlib.contextmanager
def at_a_terminal(surroundings: UpEnvironment) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """`visit-engine up` with somebody in front of it, and that person's end of the terminal."""
    person, program = pty.openpty()
    try:
        with subprocess.Popen(
            [PROGRAM, "up"],
            env=surroundings.environment(),
            cwd=surroundings.folder,
            stdin=program,
            stdout=program,
            stderr=program,
        ) as running:
            yield running, person
    finally:
        os.close(program)
        os.close(person)


def read_until(terminal: int, words: bytes) -> bytes:
    shown = b""
    while words not in shown:
        assert select.select([terminal], [], [], 60)[0], shown
        shown += os.read(terminal, 4096)
    return shown

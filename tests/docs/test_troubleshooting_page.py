"""`docs/troubleshooting.md` on a running system: break it, look where the page says, and find what the page promises.

Full disks and hung parts have other tests: `tests/e2e/test_readiness.py`, `tests/cli/test_hung_parts.py`.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection, select, update

from patient_visit_engine.api.commands.undecided import UndecidedReason
from patient_visit_engine.cli.supervisor.supervisor import FIRST_PAUSE_SECONDS
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.tables import requests
from patient_visit_engine.storage.write_probe import DISK_IS_FULL
from tests.support.pages import DOCS, fences, rows, spans
from tests.support.up import PROGRAM, RunningUp, UpEnvironment, running_up
from tests.support.waiting import wait_until, wait_until_async

PAGE = DOCS / "troubleshooting.md"
BLOCKS = [content for language, content in fences(PAGE) if language == "sh"]
TIMEOUT_SECONDS = 120
DOCTORS = ("smith", "amrani", "rossi", "lindqvist", "okafor", "tanaka")
NAMESPACE_LINE = (
    "VISIT_TEMPORAL_NAMESPACE: Temporal has no namespace ...: correct the name or run `visit-engine migrate`"
)

pytestmark = pytest.mark.skipif(not (shutil.which("bash") and shutil.which("curl")), reason="needs bash and curl")


def block_with(text: str) -> str:
    """The only shell block of the page with this text."""
    [block] = [block for block in BLOCKS if text in block]
    return block


@dataclass
class Terminal:
    """A person at a terminal in the folder of a running system, signed in as the page says."""

    up: RunningUp
    folder: Path

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.up.up_environment.ports[0]}"

    def password_of(self, name: str) -> str:
        [line] = {line for line in self.up.lines if line.startswith(f"login: {name} ")}
        return line.split()[2]

    def run(self, block: str) -> str:
        """Paste the page's first block and then this one. Returns what the second prints."""
        environment = self.up.up_environment
        script = BLOCKS[0].replace("http://127.0.0.1:8000", self.base) + block
        result = subprocess.run(
            ["bash", "-c", script],
            check=False,
            cwd=environment.folder,
            env=environment.environment(TMPDIR=str(self.folder), TEMPORAL_ADDRESS=environment.temporal),
            input=f"{self.password_of('supervisor')}\n",
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
        )
        _, signed_in, output = result.stdout.partition("supervisor 204\n")
        assert signed_in, result.stderr
        return output

    @contextmanager
    def sign_in(self, name: str) -> Iterator[httpx.Client]:
        """A person's browser."""
        with httpx.Client(base_url=self.base, timeout=30, headers={"Origin": self.base}, verify=False) as client:
            body = {"username": name, "password": self.password_of(name)}
            assert client.post("/api/session", json=body).status_code == 204
            yield client

    def read(self, path: str) -> httpx.Response:
        """A call without sign-in."""
        return httpx.get(f"{self.base}{path}", timeout=5)

    def states_of(self, key: str) -> set[str]:
        """What each doctor of the demonstration sees of a request with this key."""
        states = set()
        for name in DOCTORS:
            with self.sign_in(name) as doctor:
                answer = doctor.get(f"/api/requests/{key}")
                states |= {answer.json()["state"]} if answer.status_code == 200 else set()
        return states

    def start_with_patient(self, patient_id: int, **headers: str) -> httpx.Response:
        """A doctor of the demonstration starts an appointment with the patient."""
        for name in DOCTORS:
            with self.sign_in(name) as doctor:
                items = doctor.get("/api/appointments").json()["items"]
                for item in items:
                    if item["patient_id"] == patient_id and item["status"] in ("scheduled", "confirmed", "pending"):
                        ids = ("appointment_id", "patient_id", "doctor_id")
                        answer = doctor.post(
                            "/api/consultations", json={key: item[key] for key in ids}, headers=headers
                        )
                        if answer.status_code != 403:
                            return answer
        raise AssertionError("no appointment")


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUp]:
    """A running demonstration hospital, in a folder that has `.venv` and `data` like the project's own folder."""
    folder = tmp_path_factory.mktemp("hospital")
    (folder / ".venv").symlink_to(sys.prefix)
    with running_up(UpEnvironment(folder), {"VISIT_DEMO": "1", "VISIT_SWEEP_EVERY": "1"}) as up:
        yield up


@pytest.fixture
def terminal(hospital: RunningUp, tmp_path: Path) -> Terminal:
    return Terminal(hospital, tmp_path)


def test_checks_show_what_they_promise(terminal: Terminal) -> None:
    assert terminal.start_with_patient(1).status_code == 201

    stream = terminal.run(block_with("api/events").replace("timeout 20", "timeout 2"))
    readiness = terminal.run(block_with("task-queue describe"))
    audit = terminal.run(block_with("visit-engine audit"))
    timeline = terminal.run(block_with("json.tool"))
    visit = terminal.run(block_with("--type snapshot"))

    assert "event: ready" in stream
    assert '"items":' in stream
    [promised] = [span for span in spans(PAGE) if span.startswith('{"status":"ready"')]
    assert promised in readiness
    assert re.search(r"workflow +\d+@\S+ +\d+ seconds? ago", readiness)
    assert "audit: the rule holds" in audit
    assert '"event": "started"' in timeline
    assert '"by_name"' in timeline
    assert re.search(r"Running +visit/1/", visit)
    assert '"in_progress"' in visit or "consultation" in visit


def test_stream_metrics_have_the_promised_names(terminal: Terminal) -> None:
    [sample] = [content for language, content in fences(PAGE) if "visit_stream_subscribers 0.0" in content]

    output = terminal.run(block_with("visit_stream_")).splitlines()

    assert [line.split()[0] for line in output] == [line.split()[0] for line in sample.splitlines()]
    values = {name: float(value) for name, value in (line.split() for line in output)}
    assert (values["visit_stream_lag"], values["visit_stream_holding"]) == (0, 0)


def test_supervisor_ends_forgotten_consultation(terminal: Terminal) -> None:
    terminal.start_with_patient(1)

    released = terminal.run(block_with("/release"))

    assert json.loads(released)["outcome"] == "released"
    assert '"outcome": "released"' in terminal.run(block_with("json.tool"))


def test_terminated_visit_opens_again(terminal: Terminal) -> None:
    terminal.start_with_patient(1)
    held = terminal.start_with_patient(1)

    terminal.run(block_with("workflow terminate"))

    assert terminal.start_with_patient(1).json()["code"] == held.json()["code"] == "patient_in_consultation"
    assert "Running" in terminal.run(block_with("--type snapshot"))


async def test_set_aside_request_is_logged_and_shown(terminal: Terminal) -> None:
    key = "kept-by-another-version"
    assert terminal.start_with_patient(3, **{"Idempotency-Key": key, "Prefer": "respond-async"}).status_code == 202
    database = Database(terminal.up.up_environment.database)
    await wait_until_async(lambda: database.write(make_unreadable), "the request is decided and made unreadable")
    log = terminal.up.up_environment.data / "logs" / "worker.log"

    def find_lines() -> list[dict[str, Any]]:
        return [json.loads(line) for line in log.read_text().splitlines() if '"request set aside"' in line]

    [line] = await wait_until_async(find_lines, "the worker sets it aside")
    await database.close()

    assert (line["level"], line["reason"]) == ("error", "unreadable")
    assert "unreadable" in {row[0].strip("`") for row in rows(PAGE, "reason", "meaning", "what to do")}
    shown = [json.loads(line) for line in terminal.run(block_with("warning|error|critical")).splitlines()]
    assert line in shown
    assert {shown_line["level"] for shown_line in shown} <= {"warning", "error", "critical"}
    assert "visit_requests_set_aside 1.0" in terminal.read("/metrics").text
    assert terminal.states_of(key) == {"set_aside"}


def make_unreadable(connection: Connection) -> bool:
    """Make the decided request one that another version stored long ago. Returns whether there is one."""
    row = connection.execute(select(requests).where(requests.c.command.is_not(None), requests.c.status == 201)).first()
    if row is None:
        return False
    columns = {"decided_at": None, "status": None, "body": None, "location": None, "command": '{"type": "Teleport"}'}
    columns["created_at"] = row.created_at - timedelta(minutes=11)
    connection.execute(update(requests).where(requests.c.request_id == row.request_id).values(columns))
    return True


def test_undecided_start_is_explained(terminal: Terminal) -> None:
    worker = terminal.up.up_environment.parts()["worker"]["pid"]
    os.kill(worker, signal.SIGSTOP)
    try:
        undecided = terminal.start_with_patient(2)
        request_id = undecided.json()["http_request_id"]

        def is_explained() -> str | None:
            output = terminal.run(block_with('"event": "undecided"'))
            return output if request_id in output else None

        # The API looks for the reason after its answer. A worker that runs again before has only been slow.
        lines = wait_until(is_explained, "the answer is explained").splitlines()
    finally:
        os.kill(worker, signal.SIGCONT)
    [line] = [json.loads(line) for line in lines if request_id in line]

    assert undecided.status_code == 503
    assert line["reason"] == "no_worker"
    assert {row[0].strip("`") for row in rows(PAGE, "reason", "meaning", "what to do")} >= {*UndecidedReason}
    assert f'visit_undecided_total{{reason="{line["reason"]}"}} 1.0' in lines


def test_refused_connection_is_counted_and_logged(terminal: Terminal) -> None:
    with socket.create_connection(("127.0.0.1", terminal.up.up_environment.ports[0]), timeout=30) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        answer = connection.recv(4096)

    assert b" 400 " in answer.splitlines()[0]
    assert 'visit_http_refused_total{code="bad_host"} 1.0' in terminal.run(block_with("visit_http_refused_total"))
    assert "refused 1 times: bad_host" in (terminal.up.up_environment.data / "logs" / "api.log").read_text()


def test_page_has_the_lines_of_full_disk_and_hung_part() -> None:
    texts = spans(PAGE)

    assert DISK_IS_FULL in texts
    assert f"worker hung (no sign of life for 30 s), starts again in {FIRST_PAUSE_SECONDS} s; see ..." in texts


def as_pattern(message: str) -> re.Pattern[str]:
    """A message of the page's table, in which `...` stands for any text."""
    return re.compile(r".*".join(re.escape(part) for part in message.split("...")))


def start_messages() -> set[str]:
    """The first column of the table "It does not start"."""
    return {row[0].strip("`").strip() for row in rows(PAGE, "message", "do")}


# It starts the program twelve times. tests/cli has quick tests of these messages.
@pytest.mark.long
def test_each_start_message_is_printed(terminal: Terminal, tmp_path: Path) -> None:
    """Each line of the table, provoked with the real program."""
    running = terminal.up.up_environment
    lonely = UpEnvironment(tmp_path / "lonely")
    lonely.folder.mkdir()
    empty = UpEnvironment(tmp_path / "empty")
    empty.folder.mkdir()
    damaged = UpEnvironment(tmp_path / "damaged")
    damaged.data.mkdir(parents=True)
    (damaged.data / "temporal.db").write_bytes(b"no database " * 1000)
    elsewhere = {"VISIT_DATA_DIR": str(tmp_path / "other")}
    closed = f"127.0.0.1:{lonely.ports[2]}"
    port = running.ports[0]
    # This command waits half a minute for Temporal.
    with subprocess.Popen(
        [PROGRAM, "migrate"],
        env=lonely.environment(VISIT_TEMPORAL_ADDRESS=closed),
        cwd=lonely.folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as away:
        in_use = running.run_here("up", **elsewhere)
        nowhere = lonely.run_here("audit", VISIT_DATABASE_URL=f"postgresql+asyncpg://visit@{closed}/visits")
        provoked = {
            "VISIT_HTTP_PORT: port 8000 on 127.0.0.1 is in use": in_use.stderr.replace(str(port), "8000"),
            "VISIT_DATA_DIR: another `visit-engine up` runs on ...": running.run_here("up").stderr,
            "VISIT_DATABASE_URL: the database has no schema yet: run `visit-engine migrate`": empty.run("api").stderr,
            "VISIT_DATABASE_URL: the database cannot be read (...)": nowhere.stderr,
            NAMESPACE_LINE: running.run("worker", VISIT_TEMPORAL_NAMESPACE="nowhere").stderr,
            "...: not a setting: use VISIT_HTTP_PORT": empty.run_here("up", VISIT_HTTP_PROT="1").stderr,
            "VISIT_TIMEZONE: not an IANA time zone": empty.run_here("up", VISIT_TIMEZONE="Mars/Olympus").stderr,
            "VISIT_TRUSTED_PROXIES: ... is not an address or a network": empty.run_here(
                "up", VISIT_TRUSTED_PROXIES="proxy.example"
            ).stderr,
            "VISIT_JWT_JWKS_URL: must be an https address, or http on a loopback address": empty.run_here(
                "up", VISIT_JWT_JWKS_URL="http://keys.example"
            ).stderr,
            "... does not start (exit code ...). The end of ...": damaged.run("up").stderr,
        }
        _, no_frontend = away.communicate(timeout=TIMEOUT_SECONDS)
        provoked["VISIT_TEMPORAL_ADDRESS: no Temporal frontend answered at ..."] = no_frontend

    assert provoked.keys() == start_messages()
    for message, printed in provoked.items():
        assert as_pattern(message).match(printed), printed
        assert "Traceback" not in printed

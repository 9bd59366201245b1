"""What is compared: the engine, nginx with nchan, and queues, each started as it would be run; it must not measure anything."""

import secrets
import shutil
import socket
import sys
from abc import ABC, abstractmethod
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic, sleep

import jwt

from bench.fanout.dialogue import Dialogue
from bench.processes import Processes, free_port
from patient_visit_engine.storage import migrations

EVENTS = "/api/events"
ANSWERS_WITHIN = 30.0
NCHAN = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
NCHAN_CONF = Path(__file__).with_name("nchan.conf")


class NotAnsweringError(Exception):
    """A subject that does not open a stream."""


class Subject(ABC):
    """What serves events: `start` it on a `folder` of its own, open streams with `requests`, tell it events by `publisher`."""

    name: str
    #: What each stream is sent when it is sure to get the next event.
    mark = "event: ready"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.secret = secrets.token_hex(32)
        self.url = f"sqlite+aiosqlite:///{folder / 'visits.db'}"

    @classmethod
    def lacks(cls) -> str | None:
        """What this machine lacks to run it."""
        return None

    def start(self, processes: Processes) -> None:
        """Make the database, run the server and wait until it opens streams. Blocks. Raises `NotAnsweringError`."""
        migrations.upgrade(self.url)
        self.run(processes)
        end = monotonic() + ANSWERS_WITHIN
        while not _opens(self.port, self.requests(1)[0]):
            if monotonic() > end:
                raise NotAnsweringError(f"{self.name} opened no stream within {ANSWERS_WITHIN:.0f} s")
            sleep(0.05)

    @abstractmethod
    def run(self, processes: Processes) -> None:
        """Start the server, as `server`."""

    def publisher(self, processes: Processes) -> Dialogue:
        """Who commits the events, and posts them where the subject does not find them in the log by itself."""
        command = [sys.executable, "-m", "bench.fanout.publisher", self.url, *self.posted_to()]
        return Dialogue("publisher", processes.start("publisher", command, asked=True))

    def posted_to(self) -> tuple[str, ...]:
        """The port that events are posted to, if they are."""
        return (str(self.port),)

    def requests(self, count: int) -> list[str]:
        """So many requests, each of a doctor of its own."""
        until = datetime.now(UTC) + timedelta(hours=2)
        return [self._request(number, until) for number in range(1, count + 1)]

    def _request(self, number: int, until: datetime) -> str:
        claims = {"sub": f"bench-{number}", "name": f"Doctor {number}", "role": "doctor", "doctor_id": number}
        token = jwt.encode(claims | {"exp": until}, self.secret, "HS256")
        return (
            f"GET {EVENTS} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nAccept: text/event-stream\r\n"
            f"Authorization: Bearer {token}\r\n\r\n"
        )


class Engine(Subject):
    """`visit-engine api`, which follows its log; there is no Temporal server, since the stream asks none."""

    name = "engine"

    def run(self, processes: Processes) -> None:
        settings = {
            "VISIT_DATA_DIR": str(self.folder),
            "VISIT_DATABASE_URL": self.url,
            "VISIT_HTTP_PORT": str(self.port),
            "VISIT_TEMPORAL_ADDRESS": "127.0.0.1:1",
            "VISIT_JWT_SECRET": self.secret,
        }
        processes.start("server", [sys.executable, "-m", "patient_visit_engine.cli", "api"], settings)

    def posted_to(self) -> tuple[str, ...]:
        return ()


class Nchan(Subject):
    """nginx as one process with nchan, which keeps messages in memory; it asks nobody for a token."""

    name = "nchan"
    #: nginx writes the head when the subscriber has its place.
    mark = "\r\n\r\n"

    @classmethod
    def lacks(cls) -> str | None:
        present = shutil.which("nginx", path=_PATH) is not None and NCHAN.exists()
        return None if present else "nginx with nchan (Debian: nginx-light, libnginx-mod-nchan)"

    def run(self, processes: Processes) -> None:
        text = NCHAN_CONF.read_text()
        for word, value in {"@MODULE@": NCHAN, "@FOLDER@": self.folder, "@PORT@": self.port}.items():
            text = text.replace(word, str(value))
        conf = self.folder / "nginx.conf"
        conf.write_text(text)
        nginx = shutil.which("nginx", path=_PATH)
        assert nginx is not None
        processes.start("server", [nginx, "-p", str(self.folder), "-e", "stderr", "-c", str(conf)])


class Queues(Subject):
    """`bench.fanout.queues`, on the same uvicorn and loop as the engine; it asks nobody for a token."""

    name = "queues"

    def run(self, processes: Processes) -> None:
        processes.start("server", [sys.executable, "-m", "bench.fanout.queues", str(self.port)])


SUBJECTS: dict[str, type[Subject]] = {one.name: one for one in (Engine, Nchan, Queues)}
#: nginx is where only root's path leads.
_PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"


def _opens(port: int, request: str) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), ANSWERS_WITHIN) as probe:
            probe.sendall(request.encode())
            return probe.recv(4096).startswith(b"HTTP/1.1 200 ")
    except OSError:
        return False

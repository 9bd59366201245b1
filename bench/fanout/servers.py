"""The event servers that the benchmark compares: the engine, nginx with nchan, and queues."""

import secrets
import shutil
import socket
import sys
from abc import ABC, abstractmethod
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic, sleep

import jwt

from bench.fanout.json_pipe import JsonPipe
from bench.processes import ProcessGroup, free_port
from patient_visit_engine.storage import migrations

EVENTS_PATH = "/api/events"
START_TIMEOUT = 30.0
NCHAN_MODULE = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
NCHAN_CONF = Path(__file__).with_name("nchan.conf")
#: nginx is often in a folder that only root has on the PATH.
NGINX_PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"


class ServerNotReadyError(Exception):
    """The server opened no stream in time."""


class EventServer(ABC):
    """A server of event streams, with its own port, secret and database in `folder`."""

    name: str
    #: A stream that has received this text will receive every later event.
    mark = "event: ready"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.secret = secrets.token_hex(32)
        self.url = f"sqlite+aiosqlite:///{folder / 'visits.db'}"

    @classmethod
    def missing_software(cls) -> str | None:
        """The software that this server needs and this machine does not have. None when it can run."""
        return None

    def start(self, processes: ProcessGroup) -> None:
        """Create the database, start the server, and wait until it opens streams. Blocks.

        Raises `ServerNotReadyError`.
        """
        migrations.upgrade(self.url)
        self.start_process(processes)
        deadline = monotonic() + START_TIMEOUT
        while not _opens_stream(self.port, self.stream_requests(1)[0]):
            if monotonic() > deadline:
                raise ServerNotReadyError(f"{self.name} opened no stream within {START_TIMEOUT:.0f} s")
            sleep(0.05)

    @abstractmethod
    def start_process(self, processes: ProcessGroup) -> None:
        """Start the server under the name `server`."""

    def start_publisher(self, processes: ProcessGroup) -> JsonPipe:
        """Start the process that commits the events, and posts them to a server that does not read the log."""
        process = processes.start("publisher", self.publisher_command(), piped=True)
        return JsonPipe("publisher", process)

    def publisher_command(self) -> list[str]:
        return [sys.executable, "-m", "bench.fanout.publisher", self.url, *self.publish_ports()]

    def publish_ports(self) -> tuple[str, ...]:
        """The port for the posts. Empty for a server that reads the log."""
        return (str(self.port),)

    def stream_requests(self, count: int) -> list[str]:
        """This many HTTP requests for a stream, each of another doctor."""
        expires_at = datetime.now(UTC) + timedelta(hours=2)
        return [self._stream_request(number, expires_at) for number in range(1, count + 1)]

    def _stream_request(self, number: int, expires_at: datetime) -> str:
        claims = {"sub": f"bench-{number}", "name": f"Doctor {number}", "role": "doctor", "doctor_id": number}
        token = jwt.encode(claims | {"exp": expires_at}, self.secret, "HS256")
        return (
            f"GET {EVENTS_PATH} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nAccept: text/event-stream\r\n"
            f"Authorization: Bearer {token}\r\n\r\n"
        )


class EngineServer(EventServer):
    """`visit-engine api`, which reads its log. It runs without a Temporal server, because streams do not need one."""

    name = "engine"

    def start_process(self, processes: ProcessGroup) -> None:
        settings = {
            "VISIT_DATA_DIR": str(self.folder),
            "VISIT_DATABASE_URL": self.url,
            "VISIT_HTTP_PORT": str(self.port),
            "VISIT_TEMPORAL_ADDRESS": "127.0.0.1:1",
            "VISIT_JWT_SECRET": self.secret,
        }
        processes.start("server", [sys.executable, "-m", "patient_visit_engine.cli", "api"], settings)

    def publish_ports(self) -> tuple[str, ...]:
        return ()


class NchanServer(EventServer):
    """nginx as one process with nchan. It keeps messages in memory and does not check tokens."""

    name = "nchan"
    #: nginx writes the head when the subscriber is registered.
    mark = "\r\n\r\n"

    @classmethod
    def missing_software(cls) -> str | None:
        present = shutil.which("nginx", path=NGINX_PATH) is not None and NCHAN_MODULE.exists()
        return None if present else "nginx with nchan (Debian: nginx-light, libnginx-mod-nchan)"

    def start_process(self, processes: ProcessGroup) -> None:
        text = NCHAN_CONF.read_text()
        for word, value in {"@MODULE@": NCHAN_MODULE, "@FOLDER@": self.folder, "@PORT@": self.port}.items():
            text = text.replace(word, str(value))
        conf = self.folder / "nginx.conf"
        conf.write_text(text)
        nginx = shutil.which("nginx", path=NGINX_PATH)
        assert nginx is not None
        processes.start("server", [nginx, "-p", str(self.folder), "-e", "stderr", "-c", str(conf)])


class QueueServer(EventServer):
    """`bench.fanout.queues`, with the engine's uvicorn and event loop. It does not check tokens."""

    name = "queues"

    def start_process(self, processes: ProcessGroup) -> None:
        processes.start("server", [sys.executable, "-m", "bench.fanout.queues", str(self.port)])


SERVERS: dict[str, type[EventServer]] = {server.name: server for server in (EngineServer, NchanServer, QueueServer)}


def _opens_stream(port: int, request: str) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), START_TIMEOUT) as probe:
            probe.sendall(request.encode())
            return probe.recv(4096).startswith(b"HTTP/1.1 200 ")
    except OSError:
        return False

"""Caddy as the project has it configured, before API processes of a test, and browsers that come to it; it must not know what is said."""

import os
import subprocess
from pathlib import Path

from tests.support.processes import SpawnedProcess, eventually, free_port

CADDYFILE = Path(__file__).parents[2] / "deploy" / "Caddyfile"


class Caddy(SpawnedProcess):
    """Caddy on free ports, with an authority of its own that only this test's browsers believe."""

    def __init__(self, folder: Path, *upstreams: int) -> None:
        self.http, self.https, self.health = free_port(), free_port(), free_port()
        self.address = f"https://localhost:{self.https}"
        self._authority = folder / "caddy-data" / "caddy" / "pki" / "authorities" / "local" / "root.crt"
        environment = {
            "SITE_ADDRESS": "localhost",
            "SITE_TLS": "internal",
            "API_UPSTREAMS": " ".join(f"127.0.0.1:{port}" for port in upstreams),
            "HTTP_PORT": str(self.http),
            "HTTPS_PORT": str(self.https),
            "HEALTH_PORT": str(self.health),
            "XDG_DATA_HOME": str(folder / "caddy-data"),
            "XDG_CONFIG_HOME": str(folder / "caddy-config"),
        }
        command = ["caddy", "run", "--config", str(CADDYFILE), "--adapter", "caddyfile"]
        super().__init__("caddy", command, environment, folder)

    def open(self) -> None:
        self.start()
        eventually(self._answers, f"Caddy to answer; see {self.log}")

    def is_healthy(self) -> bool:
        """What the container's health check asks."""
        health = ["curl", "-sf", "-o", "/dev/null", f"http://127.0.0.1:{self.health}/"]
        return subprocess.run(health, check=False).returncode == 0

    def _answers(self) -> bool:
        assert self.running, self.log.read_text()
        return self.is_healthy() and self._authority.exists() and self.ask("/", "-I").returncode == 0

    def curl(self, path: str, *more: str) -> list[str]:
        """The command of a browser that speaks HTTP/2 and checks the certificate."""
        return ["curl", "-sS", "--http2", "--cacert", str(self._authority), *more, f"{self.address}{path}"]

    def ask(self, path: str, *more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.curl(path, *more), check=False, capture_output=True, text=True, timeout=60)

    def ask_plainly(self, path: str) -> str:
        """Status and destination of a call without TLS."""
        wanted = [
            "curl",
            "-s",
            "-o",
            os.devnull,
            "-w",
            "%{http_code} %{redirect_url}",
            f"http://localhost:{self.http}{path}",
        ]
        return subprocess.run(wanted, check=False, capture_output=True, text=True, timeout=60).stdout

    def status(self, path: str) -> str:
        return self.ask(path, "-o", os.devnull, "-w", "%{http_code}").stdout


class ProxiedStream:
    """A browser's event stream through the door; what it has heard is in a file."""

    def __init__(self, door: Caddy, token: str, heard: Path) -> None:
        self._heard = heard
        with heard.open("wb") as out:
            self.process = subprocess.Popen(
                door.curl("/api/events", "-N", "-H", f"Authorization: Bearer {token}"), stdout=out
            )

    @property
    def heard(self) -> str:
        return self._heard.read_text()

    def until_heard(self, what: str) -> None:
        eventually(lambda: what in self.heard, f"{what!r} on the stream")

    def leave(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(60)

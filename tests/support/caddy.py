"""Runs Caddy with the project's Caddyfile in front of API processes, and sends requests through it."""

import os
import subprocess
from pathlib import Path

from tests.support.ports import free_port
from tests.support.processes import SpawnedProcess
from tests.support.waiting import wait_until

CADDYFILE = Path(__file__).parents[2] / "deploy" / "Caddyfile"


class Caddy(SpawnedProcess):
    """Caddy on free ports. Only the clients of this test trust its certificate authority."""

    def __init__(self, folder: Path, *upstreams: int) -> None:
        self.http_port, self.https_port, self.health_port = free_port(), free_port(), free_port()
        self.url = f"https://localhost:{self.https_port}"
        self._authority = folder / "caddy-data" / "caddy" / "pki" / "authorities" / "local" / "root.crt"
        environment = {
            "SITE_ADDRESS": "localhost",
            "SITE_TLS": "internal",
            "API_UPSTREAMS": " ".join(f"127.0.0.1:{port}" for port in upstreams),
            "HTTP_PORT": str(self.http_port),
            "HTTPS_PORT": str(self.https_port),
            "HEALTH_PORT": str(self.health_port),
            "XDG_DATA_HOME": str(folder / "caddy-data"),
            "XDG_CONFIG_HOME": str(folder / "caddy-config"),
        }
        command = ["caddy", "run", "--config", str(CADDYFILE), "--adapter", "caddyfile"]
        super().__init__("caddy", command, environment, folder)

    def start_and_wait(self) -> None:
        self.start()
        wait_until(self._answers, f"Caddy to answer; see {self.log}")

    def is_healthy(self) -> bool:
        """Whether the container's health check succeeds."""
        check = ["curl", "-sf", "-o", "/dev/null", f"http://127.0.0.1:{self.health_port}/"]
        return subprocess.run(check, check=False).returncode == 0

    def _answers(self) -> bool:
        assert self.running, self.log.read_text()
        return self.is_healthy() and self._authority.exists() and self.request("/", "-I").returncode == 0

    def curl_command(self, path: str, *options: str) -> list[str]:
        """The command of a client that uses HTTP/2 and checks the certificate."""
        return ["curl", "-sS", "--http2", "--cacert", str(self._authority), *options, f"{self.url}{path}"]

    def request(self, path: str, *options: str) -> subprocess.CompletedProcess[str]:
        command = self.curl_command(path, *options)
        return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)

    def request_without_tls(self, path: str) -> str:
        """Status and redirect target of a plain HTTP request."""
        command = [
            "curl",
            "-s",
            "-o",
            os.devnull,
            "-w",
            "%{http_code} %{redirect_url}",
            f"http://localhost:{self.http_port}{path}",
        ]
        return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60).stdout

    def status(self, path: str) -> str:
        return self.request(path, "-o", os.devnull, "-w", "%{http_code}").stdout


class ProxiedStream:
    """A browser's event stream through Caddy. The received text is in a file."""

    def __init__(self, caddy: Caddy, token: str, output: Path) -> None:
        self._output = output
        with output.open("wb") as file:
            self.process = subprocess.Popen(
                caddy.curl_command("/api/events", "-N", "-H", f"Authorization: Bearer {token}"), stdout=file
            )

    @property
    def text(self) -> str:
        """The text that was received until now."""
        return self._output.read_text()

    def wait_for(self, text: str) -> None:
        wait_until(lambda: text in self.text, f"{text!r} on the stream")

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(60)

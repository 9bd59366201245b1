"""`visit-engine up`: the whole system on one machine, from parts that come with it; it must not know how a part works."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from time import monotonic

import httpx
import typer
from temporalio.client import Client

from patient_visit_engine.cli.demo.offer import offer
from patient_visit_engine.cli.migrate import schema
from patient_visit_engine.cli.supervisor import data_dir, ports
from patient_visit_engine.cli.supervisor.log_file import LogFile
from patient_visit_engine.cli.supervisor.managed_process import ManagedProcess
from patient_visit_engine.cli.supervisor.supervisor import StopRequested, Supervisor
from patient_visit_engine.runtime import dev_server, namespace
from patient_visit_engine.runtime.settings import Settings, load

#: How long each part may take to end: longer than the grace that the API and the worker give to what is under way.
API_GRACE_SECONDS = 20.0
WORKER_GRACE_SECONDS = 15.0
SERVER_GRACE_SECONDS = 10.0
#: How long the API may take to say that it is ready; after that the addresses are printed with a warning.
READY_WITHIN_SECONDS = 60.0
ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


def up() -> None:
    """Run the whole system: Temporal server with its UI, SQLite, worker, API and page.

    A part that dies is started again. Ctrl-C stops everything; the data stays in VISIT_DATA_DIR for the next time. An empty
    database is offered the demonstration hospital; VISIT_DEMO=1 loads it without asking.
    """
    settings = load()
    with data_dir.held(settings.data_dir) as folder:
        asyncio.run(_run(settings, folder))


async def _run(settings: Settings, folder: Path) -> None:
    began = monotonic()
    await ports.check(_wanted(settings))
    supervisor = Supervisor(
        say, lambda state: data_dir.write_state(folder, {"supervisor": os.getpid(), "parts": state})
    )
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, supervisor.ask_to_stop)
    try:
        await _start(supervisor, settings, folder, began)
        await supervisor.watch()
    except StopRequested:
        pass
    finally:
        say("stopping")
        await supervisor.stop_all()
        say("stopped")


async def _start(supervisor: Supervisor, settings: Settings, folder: Path, began: float) -> None:
    environment = _environment(settings, folder)

    def part(name: str, command: list[str]) -> ManagedProcess:
        return ManagedProcess(name, command, environment, LogFile(folder / "logs" / f"{name}.log"))

    if not settings.temporal_address:
        supervisor.start(part("temporal", dev_server.command(settings)), SERVER_GRACE_SECONDS)
    await supervisor.until(asyncio.to_thread(schema, settings))
    client = await supervisor.until(namespace.prepare(settings))
    logins = await supervisor.until(offer(settings))
    # -P: a folder `cli` where the operator happens to stand must not be taken for this one.
    program = [sys.executable, "-P", "-m", "patient_visit_engine.cli"]
    supervisor.start(part("worker", [*program, "worker"]), WORKER_GRACE_SECONDS)
    supervisor.start(part("api", [*program, "api"]), API_GRACE_SECONDS)
    is_ready = await supervisor.until(_ready(settings, client))
    supervisor.ready()
    _tell_addresses(settings, folder)
    for login in logins:
        say(f"login: {login.username} {login.password} {login.role}")
    seconds = monotonic() - began
    say(f"ready in {seconds:.1f} s; Ctrl-C stops it" if is_ready else f"not ready after {seconds:.0f} s: see the logs")


def _wanted(settings: Settings) -> list[ports.Port]:
    wanted = [ports.Port("VISIT_HTTP_PORT", settings.http_host, settings.http_port)]
    if not settings.temporal_address:
        wanted.append(ports.Port("VISIT_TEMPORAL_PORT", "127.0.0.1", settings.temporal_port))
        wanted.append(ports.Port("VISIT_UI_PORT", "127.0.0.1", settings.ui_port))
    return wanted


def _environment(settings: Settings, folder: Path) -> dict[str, str]:
    environment = os.environ | {"VISIT_DATA_DIR": str(folder), "PYTHONUNBUFFERED": "1"}
    if settings.jwt_secret is None and settings.jwt_jwks_url is None:
        environment["VISIT_JWT_SECRET"] = data_dir.signing_secret(folder)
    return environment


async def _ready(settings: Settings, client: Client) -> bool:
    try:
        async with asyncio.timeout(READY_WITHIN_SECONDS), httpx.AsyncClient(trust_env=False, timeout=5) as http:
            await namespace.wait_for_worker(client, settings.task_queue)
            while True:
                if await _says_ready(http, f"{_address(settings)}/readyz"):
                    return True
                await asyncio.sleep(0.05)
    except TimeoutError:
        return False


async def _says_ready(http: httpx.AsyncClient, address: str) -> bool:
    try:
        return (await http.get(address)).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def _address(settings: Settings) -> str:
    host = ANYWHERE.get(settings.http_host, settings.http_host)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.http_port}"


def _tell_addresses(settings: Settings, folder: Path) -> None:
    say(f"page:        {_address(settings)}")
    say(f"HTTP calls:  {_address(settings)}/openapi.json")
    if settings.temporal_ui_url or not settings.temporal_address:
        say(f"Temporal UI: {settings.temporal_ui_url or f'http://127.0.0.1:{settings.ui_port}'}")
    say(f"data, logs:  {folder}")


def say(line: str) -> None:
    """One line for the operator, at once; a closed terminal must not keep the parts from being stopped."""
    try:
        typer.echo(line)
        sys.stdout.flush()
    except OSError:
        # Python would try once more at exit, and end with an error.
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115

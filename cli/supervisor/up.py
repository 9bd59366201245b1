"""`visit-engine up`: runs the whole system on one machine."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from time import monotonic

import httpx
import typer
from temporalio.client import Client

from patient_visit_engine.cli.demo.startup import load_demo_if_wanted
from patient_visit_engine.cli.first_accounts import add_first_accounts
from patient_visit_engine.cli.migrate import migrate_schema
from patient_visit_engine.cli.supervisor import data_dir, hang_watch
from patient_visit_engine.cli.supervisor.hang_watch import LifeCheck
from patient_visit_engine.cli.supervisor.log_file import LogFile
from patient_visit_engine.cli.supervisor.managed_process import ManagedProcess
from patient_visit_engine.cli.supervisor.ports import check_ports
from patient_visit_engine.cli.supervisor.supervisor import StopRequested, Supervisor
from patient_visit_engine.runtime import dev_server, namespace, temporal
from patient_visit_engine.runtime.ports import Port
from patient_visit_engine.runtime.settings import Settings, load_settings

#: How long each process may take to end: longer than the grace that API and worker give to work in progress.
API_GRACE_SECONDS = 20.0
WORKER_GRACE_SECONDS = 15.0
SERVER_GRACE_SECONDS = 10.0
UI_GRACE_SECONDS = 5.0
#: How long the API may take to become ready. After that `up` prints the addresses with a warning.
READY_TIMEOUT_SECONDS = 60.0
#: For each address that means "all addresses of this machine": the address to use from this machine.
LOOPBACK_OF_WILDCARD = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


def up() -> None:
    """Run the whole system: Temporal server with its UI, SQLite, worker, API and page.

    A process that dies or hangs is started again. Ctrl-C stops everything; the data stays in VISIT_DATA_DIR for the next start.
    If the database is empty, `up` offers to load the demonstration hospital; VISIT_DEMO=1 loads it without asking.
    Without the demonstration, it offers to add the first accounts, or says how to add them when there is no terminal.
    """
    settings = load_settings()
    with data_dir.lock_data_dir(settings.data_dir) as folder:
        asyncio.run(_run(settings, folder))


async def _run(settings: Settings, folder: Path) -> None:
    started_at = monotonic()
    await check_ports(_ports_to_check(settings))
    supervisor = Supervisor(
        print_line,
        lambda state: data_dir.write_state(folder, {"supervisor": os.getpid(), "parts": state}),
        hang_watch.PATIENCE,
    )
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, supervisor.request_stop)
    try:
        await _start_system(supervisor, settings, folder, started_at)
        await supervisor.run_until_stop()
    except StopRequested:
        pass
    finally:
        print_line("stopping")
        await supervisor.stop_all()
        print_line("stopped")


async def _start_system(supervisor: Supervisor, settings: Settings, folder: Path, started_at: float) -> None:
    environment = _child_environment(settings, folder)

    def start(name: str, command: list[str], grace_seconds: float, shows_life: LifeCheck | None = None) -> None:
        process = ManagedProcess(name, command, environment, LogFile(folder / "logs" / f"{name}.log"))
        supervisor.start(process, grace_seconds, shows_life or process.has_sent_signs)

    # -P: Python must not import a folder `patient_visit_engine` of the operator's current directory.
    python = [sys.executable, "-P", "-m"]
    program = [*python, "patient_visit_engine.cli"]
    if not settings.temporal_address:
        ui = dev_server.choose_hidden_ui_address()
        check = hang_watch.check_temporal(await temporal.connect(settings, lazy=True))
        start("temporal", dev_server.server_command(settings, ui), SERVER_GRACE_SECONDS, check)
        start("ui", [*python, "patient_visit_engine.temporal_ui", ui.url], UI_GRACE_SECONDS)
    await supervisor.run_or_stop(asyncio.to_thread(migrate_schema, settings))
    client = await supervisor.run_or_stop(namespace.prepare(settings))
    logins = await supervisor.run_or_stop(load_demo_if_wanted(settings))
    account_lines = await supervisor.run_or_stop(add_first_accounts(settings))
    start("worker", [*program, "worker"], WORKER_GRACE_SECONDS)
    start("api", [*program, "api"], API_GRACE_SECONDS)
    is_ready = await supervisor.run_or_stop(_wait_until_ready(settings, client))
    supervisor.mark_ready()
    _print_addresses(settings, folder)
    for line in (*(login.line() for login in logins), *account_lines):
        print_line(line)
    seconds = monotonic() - started_at
    print_line(
        f"ready in {seconds:.1f} s; Ctrl-C stops it" if is_ready else f"not ready after {seconds:.0f} s: see the logs"
    )


def _ports_to_check(settings: Settings) -> list[Port]:
    ports = [settings.listening_port]
    if not settings.temporal_address:
        ports.append(Port("VISIT_TEMPORAL_PORT", "127.0.0.1", settings.temporal_port))
        ports.append(Port("VISIT_UI_PORT", "127.0.0.1", settings.ui_port))
    return ports


def _child_environment(settings: Settings, folder: Path) -> dict[str, str]:
    environment = os.environ | {"VISIT_DATA_DIR": str(folder), "PYTHONUNBUFFERED": "1"}
    if settings.jwt_secret is None and settings.jwt_jwks_url is None:
        environment["VISIT_JWT_SECRET"] = data_dir.signing_secret(folder)
    return environment


async def _wait_until_ready(settings: Settings, client: Client) -> bool:
    try:
        async with asyncio.timeout(READY_TIMEOUT_SECONDS), httpx.AsyncClient(trust_env=False, timeout=5) as http:
            await namespace.wait_for_worker(client, settings.task_queue)
            while True:
                if await _is_ready(http, f"{_http_address(settings)}/readyz"):
                    return True
                await asyncio.sleep(0.05)
    except TimeoutError:
        return False


async def _is_ready(http: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await http.get(url)).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def _http_address(settings: Settings) -> str:
    host = LOOPBACK_OF_WILDCARD.get(settings.http_host, settings.http_host)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.http_port}"


def _print_addresses(settings: Settings, folder: Path) -> None:
    print_line(f"page:        {_http_address(settings)}")
    print_line(f"HTTP calls:  {_http_address(settings)}/openapi.json")
    if settings.temporal_ui_url or not settings.temporal_address:
        print_line(f"Temporal UI: {settings.temporal_ui_url or f'http://127.0.0.1:{settings.ui_port}'}")
    print_line(f"data, logs:  {folder}")


def print_line(line: str) -> None:
    """Print one line for the operator immediately. A closed terminal must not prevent the orderly stop."""
    try:
        typer.echo(line)
        sys.stdout.flush()
    except OSError:
        # Otherwise Python tries to flush again at exit and ends with an error.
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115

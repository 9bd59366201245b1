"""The API process. It builds everything from the settings and serves until SIGTERM or SIGINT."""

import asyncio
import socket
from contextlib import AsyncExitStack
from dataclasses import replace

import uvloop

from patient_visit_engine.api.app import create_app
from patient_visit_engine.api.dependencies import clock
from patient_visit_engine.api.page import find_built_page
from patient_visit_engine.api.readiness import Readiness
from patient_visit_engine.api.server import DrainingServer, listen
from patient_visit_engine.api.serving.open_connections import OpenConnections
from patient_visit_engine.api.stream.endpoint import end_closed_sessions
from patient_visit_engine.api.stream.presence_reports import report_presence
from patient_visit_engine.api.temporal_health import TemporalHealth
from patient_visit_engine.live.hub_tasks import run_hub
from patient_visit_engine.live.limits import DEFAULT_LIMITS
from patient_visit_engine.runtime import logs, sdk_logs, temporal
from patient_visit_engine.runtime.open_files import OpenFileLimit, raise_open_file_limit
from patient_visit_engine.runtime.operator_error import OperatorError
from patient_visit_engine.runtime.ports import Port
from patient_visit_engine.runtime.settings import Settings, load_settings
from patient_visit_engine.runtime.signs_of_life import signs_of_life
from patient_visit_engine.storage import schema_version
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.log_hints import hints_of
from patient_visit_engine.storage.log_reader import LogReader
from patient_visit_engine.workflows.visit_client import VisitClient
from patient_visit_engine.workflows.visit_rescue import VisitRescue

#: Seconds between two checks of the sessions with an open stream and of the cached ones, because another process may have ended
#: them. Two checks in `VERIFIED_FOR`, so that a slow one does not make each request read its session.
SESSION_CHECK_INTERVAL_SECONDS = 2.0
#: Seconds to wait for the first read of the event log before the process serves requests.
FIRST_READ_TIMEOUT_SECONDS = 5.0


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. The process then ends the streams first, and waits for running requests.

    Raises UnknownSchemaError when the database does not have this program's schema.
    """
    logs.configure("api")
    open_files = raise_open_file_limit()
    sdk_logs.redirect()
    schema_version.check(settings.effective_database_url)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings, open_files))


async def _serve(settings: Settings, open_files: OpenFileLimit) -> None:
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(signs_of_life())
        database = Database(settings.effective_database_url)
        stack.push_async_callback(database.close)
        client = await temporal.connect(settings, lazy=True)
        visits = VisitClient(client, settings.task_queue, settings.calendar, settings.limits, clock)
        hints = hints_of(database)
        stack.callback(hints.close)
        limits = replace(DEFAULT_LIMITS, max_streams_per_user=settings.streams_per_user)
        hub = await stack.enter_async_context(run_hub(LogReader(database), hints, limits))
        readiness = Readiness()
        temporal_health = TemporalHealth(client, settings.task_queue, clock)
        app = create_app(
            settings,
            database,
            visits,
            temporal_health,
            rescuer=VisitRescue(client, visits, settings.task_queue),
            hints=hints.for_answers(),
            hub=hub,
            readiness=readiness,
            page=find_built_page(),
        )
        stack.callback(app.dependencies.sessions.close)
        stack.push_async_callback(app.dependencies.undecided_reports.close)
        stack.push_async_callback(app.dependencies.update_calls.close)
        stack.callback(app.dependencies.authentication.close)
        # A task, because a key server that hangs must not stop the start. If a fetch fails, the log names the setting.
        keys_task = asyncio.create_task(app.dependencies.authentication.keep_keys_fresh())
        stack.callback(keys_task.cancel)
        check = end_closed_sessions(hub, app.dependencies.sessions.find_open, SESSION_CHECK_INTERVAL_SECONDS)
        session_task = asyncio.create_task(check)
        stack.callback(session_task.cancel)
        await stack.enter_async_context(report_presence(app.dependencies.process, hub, database, clock))
        # An EventSource stops permanently after a 503, so wait for the event log before streams can be opened. The wait ends
        # after a few seconds, because the process must also start while the database cannot be reached.
        await hub.wait_until_started(FIRST_READ_TIMEOUT_SECONDS)
        connections = OpenConnections(
            per_address=settings.connections_per_address,
            is_trusted=settings.proxies.is_trusted,
            open_files=open_files,
            count_refusal=app.dependencies.metrics.count_refused_connection,
        )
        # So that the log says at the start what is wrong with Temporal, also when no one reads `/readyz`.
        check_task = asyncio.create_task(temporal_health.find_problems())
        stack.callback(check_task.cancel)
        server = DrainingServer(app, readiness, hub, connections, settings.proxies)
        await server.serve([_listen(settings.listening_port)])


def _listen(port: Port) -> socket.socket:
    try:
        return listen(port.host, port.number)
    except OSError as error:
        raise OperatorError(port.describe_error(error), 2) from None


if __name__ == "__main__":
    run(load_settings())

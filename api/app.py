"""Builds the HTTP application from its dependencies, and runs the process that serves it."""

import asyncio
import secrets
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

import uvloop
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from patient_visit_engine.api import problems
from patient_visit_engine.api.access.authentication import Authentication
from patient_visit_engine.api.access.sessions import Sessions
from patient_visit_engine.api.access.tokens import Tokens
from patient_visit_engine.api.commands.dispatcher import CommandDispatcher, VisitSender
from patient_visit_engine.api.commands.undecided import Undecided, UndecidedReports
from patient_visit_engine.api.commands.visit_looks import Rescuer, VisitLooks
from patient_visit_engine.api.dependencies import Dependencies, clock, dependencies_of
from patient_visit_engine.api.gateway import Gateway
from patient_visit_engine.api.metrics import Metrics, read_counts_in_time
from patient_visit_engine.api.page import Page, find_built_page
from patient_visit_engine.api.readiness import HealthCheck, Readiness, find_problems
from patient_visit_engine.api.routes import appointments, consultations, master_data, operations, patients, session
from patient_visit_engine.api.schema.openapi import document_text, openapi_document
from patient_visit_engine.api.server import DrainingServer, listen
from patient_visit_engine.api.serving.open_connections import OpenConnections
from patient_visit_engine.api.shared_calls import SharedCall
from patient_visit_engine.api.stream.endpoint import EventStream, end_closed_sessions
from patient_visit_engine.api.stream.presence_reports import report_presence
from patient_visit_engine.api.temporal_health import TemporalHealth
from patient_visit_engine.live.hub import Hub
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
from patient_visit_engine.storage.write_probe import WriteProbe
from patient_visit_engine.workflows.visit_client import VisitClient
from patient_visit_engine.workflows.visit_rescue import VisitRescue

#: Seconds between two checks of the sessions with an open stream, because another process may have ended them.
SESSION_CHECK_INTERVAL_SECONDS = 2.0
#: Random bytes in the name of a process in its presence reports.
PROCESS_NAME_BYTES = 8
#: Seconds to wait for the first read of the event log before the process serves requests.
FIRST_READ_TIMEOUT_SECONDS = 5.0


def create_app(
    settings: Settings,
    database: Database,
    visits: VisitSender,
    temporal_health: HealthCheck,
    *,
    rescuer: Rescuer | None = None,
    hub: Hub | None = None,
    readiness: Readiness | None = None,
    page: Path | None = None,
    now: Callable[[], datetime] = clock,
) -> Gateway:
    """Build the ASGI application. Without a hub it serves no event stream, and without a page only the API.

    Without a rescuer it does not look at visits that do not answer.

    `now` returns the current time as an aware datetime with milliseconds. The caller owns the arguments and closes them.
    """
    metrics = Metrics(hub)
    health = SharedCall(partial(find_problems, database, WriteProbe(database), temporal_health, hub))
    sessions = Sessions(database, settings.session_lifetime, now, metrics.count_sign_in)
    dependencies = Dependencies(
        settings=settings,
        database=database,
        find_problems=health,
        read_counts=SharedCall(partial(read_counts_in_time, database)),
        dispatcher=CommandDispatcher(database, visits, settings.decision_timeout, settings.start_valid_for, now),
        undecided_reports=UndecidedReports(
            VisitLooks(rescuer, now),
            health,
            metrics.count_undecided,
        ),
        sessions=sessions,
        authentication=Authentication(sessions, Tokens(settings, now)),
        metrics=metrics,
        hub=hub,
        readiness=readiness or Readiness(),
        now=now,
        process=secrets.token_hex(PROCESS_NAME_BYTES),
    )
    events = None if hub is None else EventStream(dependencies.authentication.authenticate, hub)
    return Gateway(_create_api(dependencies), events, dependencies, None if page is None else Page(page))


def _create_api(dependencies: Dependencies) -> FastAPI:
    app = create_documented_app()
    app.state.dependencies = dependencies
    return app


def create_documented_app() -> FastAPI:
    """The API with all its routes and its OpenAPI document, but without the dependencies that answer requests."""
    app = FastAPI(
        title="Patient visit engine",
        description="A patient is in at most one exclusive consultation at a time. "
        "Every doctor's screen shows immediately who has the patient.",
        version="1",
        # Our own route serves the document from memory. FastAPI would render it for each request.
        openapi_url=None,
        # FastAPI's documentation pages load scripts from the internet, which a hospital's network may not reach.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers={
            Undecided: on_undecided,
            problems.Problem: problems.on_problem,
            RequestValidationError: problems.on_invalid,
            HTTPException: problems.on_http_error,
            Exception: problems.on_fault,
        },
    )
    for module in (session, consultations, appointments, patients, master_data, operations):
        # Not include_router(): one flat list matches faster, and a 405 can collect the methods of a path from it.
        app.router.routes.extend(module.router.routes)
    # FastAPI documents this way to replace the OpenAPI document.
    app.openapi = lambda: openapi_document(app)  # type: ignore[method-assign]
    app.add_route("/openapi.json", show_document, include_in_schema=False)
    return app


async def show_document(request: Request) -> Response:
    """The OpenAPI document."""
    return Response(document_text(request.app), media_type="application/json")


async def on_undecided(request: Request, error: Exception) -> Response:
    assert isinstance(error, Undecided)
    dependencies_of(request).undecided_reports.report(error)
    return error.response()


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
            hub=hub,
            readiness=readiness,
            page=find_built_page(),
        )
        stack.callback(app.dependencies.sessions.close)
        stack.push_async_callback(app.dependencies.undecided_reports.close)
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

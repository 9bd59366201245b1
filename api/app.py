"""The HTTP application put together from its parts, and the process that serves it; it must not know what a route does."""

import asyncio
import secrets
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path

import uvloop
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from patient_visit_engine.api import problems
from patient_visit_engine.api.access.authentication import Authentication
from patient_visit_engine.api.access.sessions import Sessions
from patient_visit_engine.api.access.tokens import Tokens
from patient_visit_engine.api.commands.dispatcher import CommandDispatcher, VisitSender
from patient_visit_engine.api.dependencies import Dependencies, Readiness, clock
from patient_visit_engine.api.gateway import Gateway
from patient_visit_engine.api.metrics import Metrics
from patient_visit_engine.api.page import Page, built
from patient_visit_engine.api.routes import appointments, consultations, master_data, operations, patients, session
from patient_visit_engine.api.schema.openapi import openapi_document
from patient_visit_engine.api.server import DrainingServer, listen
from patient_visit_engine.api.stream.endpoint import EventStream, end_closed_sessions
from patient_visit_engine.api.stream.presence_reports import reporting
from patient_visit_engine.api.temporal_health import TemporalHealth
from patient_visit_engine.live.hub import Hub
from patient_visit_engine.live.running import running
from patient_visit_engine.runtime import logs, temporal
from patient_visit_engine.runtime.settings import Settings, load
from patient_visit_engine.storage import migrations
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.log_reader import LogReader, changes_of
from patient_visit_engine.workflows.visit_client import VisitClient

#: Seconds between two looks at which of the sessions that read the stream have been ended elsewhere.
SESSIONS_LOOKED_AT_EVERY = 2.0
#: Random bytes in the name under which a process reports its readers.
PROCESS_BYTES = 8
#: Seconds that the first reading of the log is waited for before anything is served.
LOG_FOUND_WITHIN = 5.0


def create_app(
    settings: Settings,
    database: Database,
    visits: VisitSender,
    temporal_health: TemporalHealth,
    *,
    hub: Hub | None = None,
    readiness: Readiness | None = None,
    page: Path | None = None,
    now: Callable[[], datetime] = clock,
) -> Gateway:
    """The ASGI application. Without a hub it serves no event stream, without a page nothing but the API.

    `now` gives the moment, aware and to the millisecond. The caller owns what it hands in, and closes it.
    """
    sessions = Sessions(database, settings.session_lifetime, now)
    parts = Dependencies(
        settings=settings,
        database=database,
        temporal=temporal_health,
        dispatcher=CommandDispatcher(database, visits, settings.decision_timeout, now),
        sessions=sessions,
        authentication=Authentication(sessions, Tokens(settings, now)),
        metrics=Metrics(hub),
        hub=hub,
        readiness=readiness or Readiness(),
        now=now,
        process=secrets.token_hex(PROCESS_BYTES),
    )
    events = None if hub is None else EventStream(parts.authentication.caller_of, hub)
    return Gateway(_application(parts), events, parts, None if page is None else Page(page))


def _application(parts: Dependencies) -> FastAPI:
    app = describe()
    app.state.parts = parts
    return app


def describe() -> FastAPI:
    """All calls and their document, without what they need to be answered."""
    app = FastAPI(
        title="Patient visit engine",
        description="A patient is never in two consultations at once, and every doctor's screen says so at once.",
        version="1",
        # The pages of documentation load their code from elsewhere: a hospital's network has no elsewhere.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers={
            problems.Problem: problems.on_problem,
            RequestValidationError: problems.on_invalid,
            HTTPException: problems.on_http_error,
            Exception: problems.on_fault,
        },
    )
    for subject in (session, consultations, appointments, patients, master_data, operations):
        # Not included as routers: one flat list is looked through faster, and says which methods an address takes.
        app.router.routes.extend(subject.router.routes)
    # The framework's own way to a document of one's own: its route asks the application for it.
    app.openapi = lambda: openapi_document(app)  # type: ignore[method-assign]
    return app


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, which end the streams first, then the requests under way.

    Raises UnknownSchemaError when the database is not at this program's schema.
    """
    logs.configure("api")
    migrations.check(settings.database)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    async with AsyncExitStack() as stack:
        database = Database(settings.database)
        stack.push_async_callback(database.close)
        client = await temporal.connect(settings, lazy=True)
        visits = VisitClient(client, settings.task_queue, settings.zone, settings.limits, clock)
        changes = changes_of(database)
        stack.callback(changes.close)
        hub = await stack.enter_async_context(running(LogReader(database), changes))
        readiness = Readiness()
        app = create_app(settings, database, visits, TemporalHealth(client), hub=hub, readiness=readiness, page=built())
        stack.callback(app.parts.sessions.close)
        watch = end_closed_sessions(hub, app.parts.sessions.still_open, SESSIONS_LOOKED_AT_EVERY)
        watching = asyncio.create_task(watch)
        stack.callback(watching.cancel)
        await stack.enter_async_context(reporting(app.parts.process, hub, database, clock))
        # An EventSource that meets a 503 gives up for good. Without the database the rest is served all the same.
        await hub.begun(LOG_FOUND_WITHIN)
        await DrainingServer(app, readiness, hub).serve([listen(settings.http_host, settings.http_port)])


if __name__ == "__main__":
    run(load())

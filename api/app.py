"""Builds the HTTP application from its dependencies."""

import secrets
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from patient_visit_engine.api import problems
from patient_visit_engine.api.access.authentication import Authentication
from patient_visit_engine.api.access.sessions import Sessions
from patient_visit_engine.api.access.tokens import Tokens
from patient_visit_engine.api.commands.answer_watch import AnswerWatch, CommitHints
from patient_visit_engine.api.commands.command_budget import CommandBudget
from patient_visit_engine.api.commands.dispatcher import CommandDispatcher
from patient_visit_engine.api.commands.undecided import Undecided, UndecidedReports
from patient_visit_engine.api.commands.update_calls import UpdateCalls, VisitSender
from patient_visit_engine.api.commands.visit_looks import Rescuer, VisitLooks
from patient_visit_engine.api.dependencies import Dependencies, clock, dependencies_of
from patient_visit_engine.api.gateway import Gateway
from patient_visit_engine.api.metrics import Metrics
from patient_visit_engine.api.page import Page
from patient_visit_engine.api.readiness import HealthCheck, Readiness, find_problems
from patient_visit_engine.api.routes import ROUTERS
from patient_visit_engine.api.schema.openapi import document_text, openapi_document
from patient_visit_engine.api.shared_calls import SharedCall
from patient_visit_engine.api.stream.endpoint import EventStream
from patient_visit_engine.live.hub import Hub
from patient_visit_engine.runtime.settings import Settings
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.write_probe import WriteProbe

#: Random bytes in the name of a process in its presence reports.
PROCESS_NAME_BYTES = 8


def create_app(
    settings: Settings,
    database: Database,
    visits: VisitSender,
    temporal_health: HealthCheck,
    *,
    rescuer: Rescuer | None = None,
    hints: CommitHints | None = None,
    hub: Hub | None = None,
    readiness: Readiness | None = None,
    page: Path | None = None,
    now: Callable[[], datetime] = clock,
) -> Gateway:
    """Build the ASGI application. Without a hub it serves no event stream, and without a page only the API.

    Without a rescuer it does not look at visits that do not answer. Without hints of commits, callers get their answers only after
    the updates' results.

    `now` returns the current time as an aware datetime with milliseconds. The caller owns the arguments and closes them.
    """
    metrics = Metrics(hub)
    health = SharedCall(partial(find_problems, database, WriteProbe(database), temporal_health, hub))
    watch, timeout = AnswerWatch(database, hints), settings.decision_timeout
    calls = UpdateCalls(database, visits, watch, timeout.total_seconds(), metrics.count_answer_source)
    budget = CommandBudget(settings.commands_per_minute, now)
    sessions = Sessions(database, settings.session_lifetime, now, metrics.count_sign_in)
    dependencies = Dependencies(
        settings=settings,
        database=database,
        find_problems=health,
        metrics_text=SharedCall(partial(metrics.read_text, database)),
        update_calls=calls,
        dispatcher=CommandDispatcher(database, visits, calls, timeout, settings.start_valid_for, budget, now),
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
    for router in ROUTERS:
        # Not include_router(): one flat list matches faster, and a 405 can collect the methods of a path from it.
        app.router.routes.extend(router.routes)
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

"""Calls for operators: liveness, readiness, metrics, presence and asynchronous requests. They change nothing."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Request
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import JSONResponse, Response

from patient_visit_engine.api.access.authentication import Staff, Supervisor
from patient_visit_engine.api.commands.idempotency import KEY, request_id, request_path, request_state
from patient_visit_engine.api.dependencies import dependencies_of
from patient_visit_engine.api.problems import RETRY_AFTER_SECONDS, NotFound, Problem
from patient_visit_engine.api.readiness import DEPENDENCIES
from patient_visit_engine.api.schema.openapi import STAFF_PROBLEMS, responses
from patient_visit_engine.api.stream import presence
from patient_visit_engine.storage.presence import read_other_processes
from patient_visit_engine.storage.requests import find_request
from patient_visit_engine.wire import answer_bodies, process_bodies

router = APIRouter(tags=["operations"])

#: Seconds within which the database has to return what other processes have reported.
PRESENCE_TIMEOUT_SECONDS = 5.0


@router.get(
    "/api/requests/{key:path}",
    response_model=None,
    responses=responses({200: answer_bodies.AsyncRequest, 202: answer_bodies.AsyncRequest}, 401, 404),
)
async def show_request(key: Annotated[str, Path()], caller: Staff, http: Request) -> Response:
    """The decision of the caller's own request: 200 with its status and body, 202 while it is open.

    200 with state `set_aside` means that the decision could not be recorded, and the request is not sent again by itself.
    """
    dependencies = dependencies_of(http)
    caller_id = await dependencies.dispatcher.caller_ids.find(caller)
    stored = None
    if KEY.fullmatch(key) and caller_id is not None:
        stored = await dependencies.database.read_inline(find_request, request_id(caller_id, key))
    if stored is None:
        raise NotFound("request")
    if stored.decided or stored.is_set_aside:
        return JSONResponse(request_state(stored))
    return JSONResponse(
        request_state(stored), 202, {"Location": request_path(key), "Retry-After": str(RETRY_AFTER_SECONDS)}
    )


@router.get("/api/presence", response_model=None, responses=responses({200: process_bodies.Presence}, *STAFF_PROBLEMS))
async def show_presence(_caller: Supervisor, http: Request) -> Response:
    """Who is connected to the event stream of any API process, since when, at which event, and how many events behind."""
    dependencies = dependencies_of(http)
    # Without the database the list would be incomplete and not show it, so answer 503.
    async with asyncio.timeout(PRESENCE_TIMEOUT_SECONDS):
        reported = await dependencies.database.read(read_other_processes, dependencies.process, dependencies.now())
    here = presence.local_items(dependencies.hub, dependencies.process, dependencies.now())
    return Response(await presence.render_items(here, presence.reported_items(reported)), media_type="application/json")


@router.get("/livez", response_model=None, responses={200: {"model": process_bodies.Liveness}})
async def show_liveness() -> Response:
    """The process runs."""
    liveness: process_bodies.Liveness = {"status": "live"}
    return JSONResponse(liveness)


@router.get("/readyz", response_model=None, responses=responses({200: process_bodies.Readiness}))
async def show_readiness(http: Request) -> Response:
    """Whether this process can serve, with the state of each dependency."""
    dependencies = dependencies_of(http)
    problems = await dependencies.find_problems()
    states = {name: "down" if name in problems else "up" for name in DEPENDENCIES}
    retry = {"Retry-After": str(RETRY_AFTER_SECONDS)}
    if dependencies.readiness.draining:
        raise Problem(503, "draining", "This process is stopping", headers=retry, **states)
    if problems:
        detail = "; ".join(dict.fromkeys(problems.values()))
        raise Problem(503, "not_ready", "A dependency is missing", headers=retry, detail=detail, **states)
    readiness: process_bodies.Readiness = {
        "status": "ready",
        "database": "up",
        "schema": "up",
        "temporal": "up",
        "workers": "up",
        "stream": "up",
    }
    return JSONResponse(readiness)


@router.get(
    "/metrics",
    response_class=Response,
    response_model=None,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Prometheus text"}},
)
async def show_metrics(http: Request) -> Response:
    """What this process has counted, and the numbers of the whole database, for Prometheus."""
    text = await dependencies_of(http).metrics_text()
    return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST})

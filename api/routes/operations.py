"""What those who run the system ask of it: liveness, readiness, counts, who is connected, and open requests; it changes nothing."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Request
from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy import Connection, func, select
from starlette.responses import JSONResponse, Response

from patient_visit_engine.api.access.authentication import Staff, Supervisor
from patient_visit_engine.api.commands.dispatcher import standing
from patient_visit_engine.api.commands.idempotency import KEY, address_of, request_id
from patient_visit_engine.api.dependencies import Dependencies, dependencies_of
from patient_visit_engine.api.problems import RETRY_AFTER, NotFound, Problem
from patient_visit_engine.api.schema.openapi import OF_STAFF, answers
from patient_visit_engine.api.stream import presence
from patient_visit_engine.storage.presence import others
from patient_visit_engine.storage.requests import find_request
from patient_visit_engine.storage.tables import log_head
from patient_visit_engine.wire import shapes

router = APIRouter(tags=["operations"])

#: Seconds that a dependency is given to show that it is there.
PATIENCE = 2.0
#: Seconds that the database is given to say what other processes have reported.
PRESENCE_WITHIN = 5.0


@router.get(
    "/api/requests/{key:path}",
    response_model=None,
    responses=answers({200: shapes.AsyncRequest, 202: shapes.AsyncRequest}, 401, 404),
)
async def show_request(key: Annotated[str, Path()], caller: Staff, http: Request) -> Response:
    """The decision of the caller's own request: 200 with its status and body, 202 while it is open."""
    parts = dependencies_of(http)
    number = await parts.asking.number_if_any(caller)
    found = None
    if KEY.fullmatch(key) and number is not None:
        found = await parts.database.read(find_request, request_id(number, key))
    if found is None:
        raise NotFound("request")
    if found.decided:
        return JSONResponse(standing(found))
    return JSONResponse(standing(found), 202, {"Location": address_of(key), "Retry-After": str(RETRY_AFTER)})


@router.get("/api/presence", response_model=None, responses=answers({200: shapes.Presence}, *OF_STAFF))
async def show_presence(_caller: Supervisor, http: Request) -> Response:
    """Who is connected to the event stream of any API process, since when, at which event, and how many events behind."""
    parts = dependencies_of(http)
    # Without the others the list would look complete and not be: a database that is away is the answer then.
    async with asyncio.timeout(PRESENCE_WITHIN):
        reported = await parts.database.read(others, parts.process, parts.now())
    here = presence.here(parts.hub, parts.process, parts.now())
    return Response(await presence.together(here, presence.elsewhere(reported)), media_type="application/json")


@router.get("/livez", response_model=None, responses={200: {"model": shapes.Liveness}})
async def show_liveness() -> Response:
    """The process runs."""
    return JSONResponse({"status": "live"})


@router.get("/readyz", response_model=None, responses=answers({200: shapes.Readiness}))
async def show_readiness(http: Request) -> Response:
    """Whether this process can serve, with the state of each dependency."""
    parts = dependencies_of(http)
    database, temporal = await asyncio.gather(_database_is_up(parts), _temporal_is_up(parts))
    # A process that cannot see the log has no business with screens, even if its database answers others.
    stream = parts.hub is None or parts.hub.in_sight
    up = {"database": database, "temporal": temporal, "stream": stream}
    state = {name: "up" if is_up else "down" for name, is_up in up.items()}
    if parts.readiness.draining:
        raise Problem(503, "draining", "This process is stopping", headers={"Retry-After": str(RETRY_AFTER)}, **state)
    if not all(up.values()):
        raise Problem(503, "not_ready", "A dependency is away", headers={"Retry-After": str(RETRY_AFTER)}, **state)
    return JSONResponse({"status": "ready", **state})


async def _database_is_up(parts: Dependencies) -> bool:
    try:
        async with asyncio.timeout(PATIENCE):
            return await parts.database.read(_takes_what_is_decided)
    except Exception:  # noqa: BLE001 - whatever it is, the database does not answer
        return False


def _takes_what_is_decided(connection: Connection) -> bool:
    writes = select(func.current_setting("transaction_read_only") == "off")
    if connection.dialect.name == "postgresql" and not connection.scalar(writes):
        # A standby, or a server that somebody has set so: it answers, and nothing can be decided on it.
        return False
    return connection.scalar(select(log_head.c.id)) is not None


async def _temporal_is_up(parts: Dependencies) -> bool:
    try:
        async with asyncio.timeout(PATIENCE):
            return await parts.visits.reachable()
    except Exception:  # noqa: BLE001 - whatever it is, Temporal does not answer
        return False


@router.get(
    "/metrics",
    response_class=Response,
    response_model=None,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Prometheus text"}},
)
async def show_metrics(http: Request) -> Response:
    """What this process has counted, for Prometheus."""
    return Response(dependencies_of(http).metrics.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})

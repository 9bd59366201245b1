"""What a screen shows of one patient's day, and of all who are in house; it must not change anything."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import JSONResponse, Response

from patient_visit_engine.api.access.authentication import Staff
from patient_visit_engine.api.access.sessions import Caller
from patient_visit_engine.api.dependencies import Dependencies, dependencies_of
from patient_visit_engine.api.problems import NotFound
from patient_visit_engine.api.schema import bodies
from patient_visit_engine.api.schema.openapi import OF_STAFF, answers
from patient_visit_engine.storage.screens import board, visit_view
from patient_visit_engine.storage.screens.visit_view import VisitQuery
from patient_visit_engine.visit.codes import Role
from patient_visit_engine.visit.names import visit_id
from patient_visit_engine.wire import shapes

router = APIRouter(tags=["patients"])

PatientId = Annotated[bodies.TextId, Path()]
LOOKED = (*OF_STAFF, 404, 422)


@router.get("/api/patients/{patient_id}/visit", response_model=None, responses=answers({200: shapes.Visit}, *LOOKED))
async def show_visit(
    patient_id: PatientId, query: Annotated[bodies.DayQuery, Query()], caller: Staff, http: Request
) -> Response:
    """State, holder, waiting line and timeline of the patient's day, today if none is named."""
    parts = dependencies_of(http)
    looking = _looking(parts, patient_id, query, caller)
    found = await parts.database.read(visit_view.read_visit, looking)
    if found is None:
        raise NotFound("patient")
    # Only where something happened is there a workflow to look at.
    shown = looking.audited and bool(found["timeline"] or found["holder"])
    return JSONResponse(found | {"temporal_url": _temporal_url(parts, looking) if shown else None})


@router.get("/api/board", response_model=None, responses=answers({200: shapes.Board}, *OF_STAFF))
async def show_board(_caller: Staff, http: Request) -> Response:
    """Every patient in house now: who is with whom, who is checked in, and who waits for whom."""
    parts = dependencies_of(http)
    wanted = board.BoardFilter(today=parts.today(), now=parts.now())
    return JSONResponse(await parts.database.read(board.read_board, wanted))


@router.get(
    "/api/patients/{patient_id}/trackings",
    response_model=None,
    responses=answers({200: shapes.Trackings}, *LOOKED),
)
async def show_trackings(
    patient_id: PatientId, query: Annotated[bodies.DayQuery, Query()], caller: Staff, http: Request
) -> Response:
    """The day's rows of `patient_trackings`; today's include a consultation that began before midnight and still runs."""
    parts = dependencies_of(http)
    found = await parts.database.read(visit_view.trackings, _looking(parts, patient_id, query, caller))
    if found is None:
        raise NotFound("patient")
    return JSONResponse({"items": found})


def _looking(parts: Dependencies, patient_id: int, query: bodies.DayQuery, caller: Caller) -> VisitQuery:
    today = parts.today()
    return VisitQuery(patient_id, query.date or today, today, parts.now(), audited=caller.role is Role.supervisor)


def _temporal_url(parts: Dependencies, looking: VisitQuery) -> str:
    settings = parts.settings
    ui = settings.temporal_ui_url.rstrip("/") or f"http://127.0.0.1:{settings.ui_port}"
    workflow = quote(visit_id(looking.patient_id, looking.day), safe="")
    return f"{ui}/namespaces/{quote(settings.temporal_namespace, safe='')}/workflows/{workflow}"

"""One patient's day, and the board of all patients in the hospital."""

from dataclasses import replace
from datetime import date
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import JSONResponse, Response

from patient_visit_engine.api.access.authentication import Staff
from patient_visit_engine.api.access.sessions import Caller
from patient_visit_engine.api.dependencies import Dependencies, dependencies_of
from patient_visit_engine.api.problems import NotFound
from patient_visit_engine.api.schema.fields import TextId
from patient_visit_engine.api.schema.openapi import STAFF_PROBLEMS, responses
from patient_visit_engine.api.schema.queries import DayQuery, VisitDayQuery
from patient_visit_engine.api.schema.query_check import QUERY_CHECK
from patient_visit_engine.storage.screens import board, patient_day
from patient_visit_engine.storage.screens.patient_day import PatientDay, VisitQuery
from patient_visit_engine.visit.codes import Role
from patient_visit_engine.visit.names import visit_id
from patient_visit_engine.wire import answer_bodies, board_bodies, screens

router = APIRouter(tags=["patients"])

PatientId = Annotated[TextId, Path()]
READ_PROBLEMS = (*STAFF_PROBLEMS, 404, 422)


@router.get(
    "/api/patients/{patient_id}/visit",
    response_model=None,
    responses=responses({200: screens.Visit}, *READ_PROBLEMS),
    dependencies=[QUERY_CHECK],
)
async def show_visit(
    patient_id: PatientId, query: Annotated[VisitDayQuery, Query()], caller: Staff, http: Request
) -> Response:
    """State, holder, waiting line and timeline of the patient's day, today by default.

    The timeline has the newest entries, and `next` is the path of the older ones.
    """
    dependencies = dependencies_of(http)
    visit_query = replace(_visit_query(dependencies, patient_id, query, caller), before=query.before)
    read = await dependencies.database.read(patient_day.read_visit, visit_query)
    if read is None:
        raise NotFound("patient")
    day = read.body
    workflow_day = await _workflow_day(dependencies, visit_query, day) if visit_query.with_callers else None
    url = None if workflow_day is None else _temporal_url(dependencies, day["patient_id"], workflow_day)
    visit: screens.Visit = {**day, "next": _path_of_older(read), "temporal_url": url}
    return JSONResponse(visit)


@router.get("/api/board", response_model=None, responses=responses({200: board_bodies.Board}, *STAFF_PROBLEMS))
async def show_board(_caller: Staff, http: Request) -> Response:
    """Every patient in the hospital now: consultations, check-ins, and the doctors who wait."""
    dependencies = dependencies_of(http)
    today = dependencies.settings.calendar.hospital_day(dependencies.today())
    return JSONResponse(await dependencies.database.read(board.read_board, today))


@router.get(
    "/api/patients/{patient_id}/trackings",
    response_model=None,
    responses=responses({200: answer_bodies.Trackings}, *READ_PROBLEMS),
    dependencies=[QUERY_CHECK],
)
async def show_trackings(
    patient_id: PatientId, query: Annotated[DayQuery, Query()], caller: Staff, http: Request
) -> Response:
    """The day's rows of `patient_trackings`. Today's rows include what is still open from earlier days."""
    dependencies = dependencies_of(http)
    visit_query = _visit_query(dependencies, patient_id, query, caller)
    items = await dependencies.database.read(patient_day.read_day_trackings, visit_query)
    if items is None:
        raise NotFound("patient")
    trackings: answer_bodies.Trackings = {"items": items}
    return JSONResponse(trackings)


def _visit_query(dependencies: Dependencies, patient_id: int, query: DayQuery, caller: Caller) -> VisitQuery:
    today = dependencies.today()
    is_supervisor = caller.role is Role.supervisor
    return VisitQuery(patient_id, query.date or today, today, with_callers=is_supervisor)


def _path_of_older(read: PatientDay) -> str | None:
    day = read.body
    path = f"/api/patients/{day['patient_id']}/visit?date={day['date']}&before={read.older}"
    return None if read.older is None else path


async def _workflow_day(dependencies: Dependencies, query: VisitQuery, day: screens.DayOfPatient) -> date | None:
    """The day of the workflow to show. None when there is no workflow, because nothing has happened."""
    if day["timeline"]:
        return query.day
    if day["holder"] is None:
        return None
    # The patient is still in a consultation of an earlier day. That day's workflow runs its timers.
    return await dependencies.database.read_inline(patient_day.find_visit_day, day["holder"]["consultation_id"])


def _temporal_url(dependencies: Dependencies, patient_id: int, day: date) -> str:
    settings = dependencies.settings
    ui = settings.temporal_ui_url.rstrip("/") or f"http://127.0.0.1:{settings.ui_port}"
    workflow = quote(visit_id(patient_id, day), safe="")
    return f"{ui}/namespaces/{quote(settings.temporal_namespace, safe='')}/workflows/{workflow}"

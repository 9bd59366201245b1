"""The screen in the waiting room."""

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from patient_visit_engine.api.access.authentication import Wall
from patient_visit_engine.api.access.session_cookies import set_cookie
from patient_visit_engine.api.access.sessions import COOKIE
from patient_visit_engine.api.dependencies import dependencies_of
from patient_visit_engine.api.schema.openapi import STAFF_PROBLEMS, responses
from patient_visit_engine.api.schema.query_check import QUERY_CHECK
from patient_visit_engine.storage.screens import wall
from patient_visit_engine.wire import screens

router = APIRouter(tags=["calls"], dependencies=[QUERY_CHECK])


@router.get("/api/wall", response_model=None, responses=responses({200: screens.Wall}, *STAFF_PROBLEMS, 422))
async def show_wall(caller: Wall, http: Request) -> Response:
    """The tickets that are called, with their rooms, and how many patients wait. No name and no id of a patient.

    It also sets the cookie of the session again, so that the screen stays signed in.
    """
    dependencies = dependencies_of(http)
    today = dependencies.settings.calendar.hospital_day(dependencies.today())
    body = await dependencies.database.read(wall.read_wall, today, dependencies.now())
    response = JSONResponse(body)
    if caller.by_cookie:
        set_cookie(http, response, http.cookies[COOKIE], int(dependencies.sessions.lifetime.total_seconds()))
    return response

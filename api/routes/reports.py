"""Reports about a day. They only read."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, Response

from patient_visit_engine.api.access.authentication import Supervisor
from patient_visit_engine.api.dependencies import dependencies_of
from patient_visit_engine.api.report_csv import CSV, prefers_csv, report_csv
from patient_visit_engine.api.schema.openapi import STAFF_PROBLEMS, Responses, responses
from patient_visit_engine.api.schema.queries import DayQuery
from patient_visit_engine.api.schema.query_check import QUERY_CHECK
from patient_visit_engine.storage.screens.day_report import ReportQuery, read_day_report
from patient_visit_engine.wire.reports import DayReport

router = APIRouter(tags=["reports"], dependencies=[QUERY_CHECK])


def _report_responses() -> Responses:
    described = responses({200: DayReport}, *STAFF_PROBLEMS, 422)
    described[200]["content"] = {CSV: {"schema": {"type": "string"}}}
    return described


@router.get("/api/reports/day", response_model=None, responses=_report_responses())
async def show_day_report(query: Annotated[DayQuery, Query()], _caller: Supervisor, http: Request) -> Response:
    """The figures of a hospital day, today by default, for each doctor and for all. CSV with `Accept: text/csv`."""
    dependencies = dependencies_of(http)
    today, calendar = dependencies.today(), dependencies.settings.calendar
    day = query.date or today
    report_query = ReportQuery(day, calendar.starts_at(day), calendar.ends_at(day), today, dependencies.now())
    report = await dependencies.database.read(read_day_report, report_query)
    headers = {"Vary": "Accept"}
    if not prefers_csv(",".join(http.headers.getlist("accept"))):
        return JSONResponse(report, headers=headers)
    headers["Content-Disposition"] = f'attachment; filename="report-{day}.csv"'
    return Response(report_csv(report), media_type=CSV, headers=headers)

"""Reading master data: single records by their ids, and searches for patients, doctors and prestations."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request
from pydantic.json_schema import WithJsonSchema
from starlette.responses import JSONResponse, Response

from patient_visit_engine.api.access.authentication import Staff, StaffOrAdmin
from patient_visit_engine.api.dependencies import dependencies_of
from patient_visit_engine.api.problems import NotFound
from patient_visit_engine.api.schema.fields import TextId
from patient_visit_engine.api.schema.openapi import STAFF_PROBLEMS, Responses, responses
from patient_visit_engine.api.schema.queries import PatientsQuery, RecordsQuery
from patient_visit_engine.api.schema.query_check import QUERY_CHECK
from patient_visit_engine.api.serving.limits import DEFAULT_LIMITS
from patient_visit_engine.storage.master_data.identifiers import RecordKind
from patient_visit_engine.storage.rooms import has_had_day_room
from patient_visit_engine.storage.screens import patient_search, record_pages
from patient_visit_engine.storage.screens.patient_search import PatientQuery
from patient_visit_engine.storage.screens.record_pages import NamedRecordQuery
from patient_visit_engine.wire import master_data_bodies

router = APIRouter(tags=["master data"], dependencies=[QUERY_CHECK])

RecordId = Annotated[TextId, Path()]
IfNoneMatch = Annotated[
    str | None,
    Header(alias="If-None-Match", description='The version that the caller has, such as `"3"`'),
    WithJsonSchema({"type": "string", "maxLength": DEFAULT_LIMITS.max_head}),
]


def record_responses(shape: type[Any]) -> Responses:
    """The answers to a read of this record."""
    return responses({200: shape, 304: None}, *STAFF_PROBLEMS, 404, 422, etag=True)


def page_responses(shape: type[Any]) -> Responses:
    """The answers to a search."""
    return responses({200: shape}, *STAFF_PROBLEMS, 422)


@router.get(
    "/api/patients/{record_id}", response_model=None, responses=record_responses(master_data_bodies.StoredPatient)
)
async def show_patient(record_id: RecordId, _caller: Staff, http: Request, _etags: IfNoneMatch = None) -> Response:
    """One patient. A retired id shows the record into which it was merged."""
    return await _show(http, RecordKind.patient, record_id)


@router.get(
    "/api/doctors/{record_id}", response_model=None, responses=record_responses(master_data_bodies.StoredDoctor)
)
async def show_doctor(
    record_id: RecordId, _caller: StaffOrAdmin, http: Request, _etags: IfNoneMatch = None
) -> Response:
    """One doctor."""
    return await _show(http, RecordKind.doctor, record_id)


@router.get(
    "/api/prestations/{record_id}", response_model=None, responses=record_responses(master_data_bodies.StoredPrestation)
)
async def show_prestation(
    record_id: RecordId, _caller: StaffOrAdmin, http: Request, _etags: IfNoneMatch = None
) -> Response:
    """One prestation."""
    return await _show(http, RecordKind.prestation, record_id)


@router.get(
    "/api/appointments/{record_id}",
    response_model=None,
    responses=record_responses(master_data_bodies.StoredAppointment),
)
async def show_appointment(record_id: RecordId, _caller: Staff, http: Request, _etags: IfNoneMatch = None) -> Response:
    """One appointment. The worklist also has the state of its patient."""
    return await _show(http, RecordKind.appointment, record_id)


async def _show(http: Request, kind: RecordKind, record_id: int) -> Response:
    dependencies = dependencies_of(http)
    body = await dependencies.database.read(record_pages.read_record, kind, record_id, dependencies.today())
    if body is None:
        raise NotFound(kind.value)
    etag = f'"{body["version"]}"'
    # The record of another id has other versions, so a version of the retired record says nothing about it.
    if body["id"] == record_id and _has_version(http, etag) and not await _changes_with_day(http, kind, record_id):
        return Response(status_code=304, headers={"ETag": etag})
    return JSONResponse(body, headers={"ETag": etag})


async def _changes_with_day(http: Request, kind: RecordKind, record_id: int) -> bool:
    """Whether the record can change without a new version. Read after the record, so that no room is set in between."""
    if kind is not RecordKind.doctor:
        return False
    return await dependencies_of(http).database.read_inline(has_had_day_room, record_id)


def _has_version(http: Request, etag: str) -> bool:
    """Whether `If-None-Match` names this version. A weak tag matches too (RFC 9110, section 13.1.2)."""
    tags = {tag.strip().removeprefix("W/") for tag in ",".join(http.headers.getlist("if-none-match")).split(",")}
    return not tags.isdisjoint({etag, "*"})


@router.get("/api/patients", response_model=None, responses=page_responses(master_data_bodies.Patients))
async def search_patients(query: Annotated[PatientsQuery, Query()], _caller: Staff, http: Request) -> Response:
    """Patients by words of their names, birth date and record number, and by today's ticket. At most 1,000 are listed, 50 on a page."""
    today = dependencies_of(http).today()
    patient_query = PatientQuery(query.page, today, query.words, query.birth_date, query.identifier)
    return JSONResponse(await dependencies_of(http).database.read(patient_search.search_patients, patient_query))


@router.get("/api/doctors", response_model=None, responses=page_responses(master_data_bodies.Doctors))
async def search_doctors(query: Annotated[RecordsQuery, Query()], _caller: StaffOrAdmin, http: Request) -> Response:
    """Doctors by words of their names, 50 on a page."""
    named = NamedRecordQuery(query.page, dependencies_of(http).today(), query.words, query.identifier)
    return JSONResponse(await dependencies_of(http).database.read(record_pages.search_doctors, named))


@router.get("/api/prestations", response_model=None, responses=page_responses(master_data_bodies.Prestations))
async def search_prestations(query: Annotated[RecordsQuery, Query()], _caller: StaffOrAdmin, http: Request) -> Response:
    """Prestations by words of their names, 50 on a page."""
    named = NamedRecordQuery(query.page, dependencies_of(http).today(), query.words, query.identifier)
    return JSONResponse(await dependencies_of(http).database.read(record_pages.search_prestations, named))

"""How the hospital's own system feeds this one; it must not touch what a visit has opened."""

from functools import partial
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Path, Request
from starlette.responses import JSONResponse, Response

from patient_visit_engine.api.access.authentication import Feed
from patient_visit_engine.api.dependencies import Dependencies, dependencies_of
from patient_visit_engine.api.problems import Problem
from patient_visit_engine.api.schema import bodies
from patient_visit_engine.api.schema.openapi import OF_BODY, OF_STAFF, answers
from patient_visit_engine.storage import master_data
from patient_visit_engine.storage.master_data import (
    AppointmentPut,
    MasterDataPut,
    NotReplaceableError,
    UnknownReferenceError,
)
from patient_visit_engine.visit.calendar import to_rfc3339
from patient_visit_engine.wire import shapes

router = APIRouter(tags=["master data"])

RecordId = Annotated[bodies.TextId, Path()]
FED = (*OF_STAFF, *OF_BODY)
BECAUSE = {
    "tracking_open": "The patient is checked in or in consultation for this appointment",
    "appointment_closed": "The appointment is done",
    "doctor_waiting": "The doctor waits in line for the patient for this appointment's sake",
}


@router.put(
    "/api/patients/{record_id}",
    response_model=None,
    responses=answers({200: shapes.Patient, 201: shapes.Patient}, *FED),
)
async def put_patient(record_id: RecordId, body: bodies.PutPatient, _caller: Feed, http: Request) -> Response:
    """Create or replace a patient."""
    parts = dependencies_of(http)
    created = await parts.database.write(
        master_data.put_patient, _put(parts, record_id), body.first_name, body.last_name, body.birth_date
    )
    return _stands(http, created, record_id, body.model_dump(mode="json"))


@router.put(
    "/api/doctors/{record_id}", response_model=None, responses=answers({200: shapes.Doctor, 201: shapes.Doctor}, *FED)
)
async def put_doctor(record_id: RecordId, body: bodies.PutDoctor, _caller: Feed, http: Request) -> Response:
    """Create or replace a doctor."""
    parts = dependencies_of(http)
    created = await parts.database.write(master_data.put_doctor, _put(parts, record_id), body.name, body.specialization)
    return _stands(http, created, record_id, body.model_dump(mode="json"))


@router.put(
    "/api/prestations/{record_id}",
    response_model=None,
    responses=answers({200: shapes.Prestation, 201: shapes.Prestation}, *FED),
)
async def put_prestation(record_id: RecordId, body: bodies.PutPrestation, _caller: Feed, http: Request) -> Response:
    """Create or replace a prestation; consultations that run keep what they began with."""
    parts = dependencies_of(http)
    created = await parts.database.write(
        master_data.put_prestation, _put(parts, record_id), body.name, body.exclusive, body.expected_minutes
    )
    return _stands(http, created, record_id, body.model_dump(mode="json"))


@router.put(
    "/api/appointments/{record_id}",
    response_model=None,
    responses=answers({200: shapes.Appointment, 201: shapes.Appointment}, *FED, 409),
)
async def put_appointment(record_id: RecordId, body: bodies.PutAppointment, _caller: Feed, http: Request) -> Response:
    """Create or replace an appointment; without a status it keeps the one that it has, and a new one is scheduled."""
    parts = dependencies_of(http)
    wanted = AppointmentPut(body.patient_id, body.doctor_id, body.prestation_id, body.scheduled_at, body.status)
    try:
        created, status = await parts.database.write(
            partial(master_data.put_appointment, wanted=wanted), _put(parts, record_id)
        )
    except UnknownReferenceError as wrong:
        raise Problem(
            422, "unknown_reference", "Something that does not exist is referred to", field=wrong.field
        ) from None
    except NotReplaceableError as why:
        raise Problem(409, why.code, BECAUSE[why.code]) from None
    now = body.model_dump(mode="json") | {"scheduled_at": to_rfc3339(body.scheduled_at), "status": status.name}
    return _stands(http, created, record_id, now)


def _put(parts: Dependencies, record_id: int) -> MasterDataPut:
    return MasterDataPut(record_id, f"put/{uuid4().hex}", parts.now())


def _stands(http: Request, created: bool, record_id: int, fields: dict[str, Any]) -> Response:
    headers = {"Location": http.url.path} if created else None
    return JSONResponse({"id": record_id, **fields}, 201 if created else 200, headers)

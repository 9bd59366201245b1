"""Master data: how the hospital's own system creates and replaces patients, doctors, prestations and appointments."""

from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Path, Request
from starlette.responses import JSONResponse, Response

from patient_visit_engine.api.access.authentication import MasterDataSender
from patient_visit_engine.api.commands.appointment_changes import AppointmentChanges, AppointmentSender
from patient_visit_engine.api.dependencies import Dependencies, dependencies_of
from patient_visit_engine.api.problems import Problem
from patient_visit_engine.api.schema import bodies
from patient_visit_engine.api.schema.fields import TextId
from patient_visit_engine.api.schema.openapi import BODY_PROBLEMS, STAFF_PROBLEMS, responses
from patient_visit_engine.storage.master_data import doctors, patients, prestations
from patient_visit_engine.storage.master_data.appointments import (
    AppointmentPut,
    InactiveReferenceError,
    NotReplaceableError,
    UnknownReferenceError,
)
from patient_visit_engine.storage.master_data.doctors import DoctorPut
from patient_visit_engine.storage.master_data.patients import PatientPut
from patient_visit_engine.storage.master_data.prestations import PrestationInUseError, PrestationPut
from patient_visit_engine.storage.master_data.records import PutContext
from patient_visit_engine.wire import shapes
from patient_visit_engine.wire.answers import appointment_body

router = APIRouter(tags=["master data"])

RecordId = Annotated[TextId, Path()]
PUT_PROBLEMS = (*STAFF_PROBLEMS, *BODY_PROBLEMS)


@router.put(
    "/api/patients/{record_id}",
    response_model=None,
    responses=responses({200: shapes.Patient, 201: shapes.Patient}, *PUT_PROBLEMS),
)
async def put_patient(
    record_id: RecordId, body: bodies.PutPatient, _caller: MasterDataSender, http: Request
) -> Response:
    """Create or replace a patient."""
    dependencies = dependencies_of(http)
    values = PatientPut(body.first_name, body.last_name, body.birth_date, body.sex)
    created = await dependencies.database.write(patients.put_patient, _put_context(dependencies, record_id), values)
    patient: shapes.Patient = {
        "id": record_id,
        "first_name": body.first_name,
        "last_name": body.last_name,
        "birth_date": body.birth_date,
        "sex": body.sex,
    }
    return _response(http, created, patient)


@router.put(
    "/api/doctors/{record_id}",
    response_model=None,
    responses=responses({200: shapes.Doctor, 201: shapes.Doctor}, *PUT_PROBLEMS),
)
async def put_doctor(record_id: RecordId, body: bodies.PutDoctor, _caller: MasterDataSender, http: Request) -> Response:
    """Create or replace a doctor."""
    dependencies = dependencies_of(http)
    values = DoctorPut(body.name, body.specialization, body.room, body.active)
    created = await dependencies.database.write(doctors.put_doctor, _put_context(dependencies, record_id), values)
    doctor: shapes.Doctor = {
        "id": record_id,
        "name": body.name,
        "specialization": body.specialization,
        "room": body.room,
        "active": body.active,
    }
    return _response(http, created, doctor)


@router.put(
    "/api/prestations/{record_id}",
    response_model=None,
    responses=responses({200: shapes.Prestation, 201: shapes.Prestation}, *PUT_PROBLEMS, 409),
)
async def put_prestation(
    record_id: RecordId, body: bodies.PutPrestation, _caller: MasterDataSender, http: Request
) -> Response:
    """Create or replace a prestation. Running consultations keep their expected end, and while they run `exclusive` cannot change."""
    dependencies = dependencies_of(http)
    values = PrestationPut(body.name, body.exclusive, body.expected_minutes, body.active)
    context = _put_context(dependencies, record_id)
    try:
        created = await dependencies.database.write(prestations.put_prestation, context, values)
    except PrestationInUseError:
        title = "Consultations of this prestation are in progress, so `exclusive` cannot change"
        raise Problem(409, "prestation_in_use", title) from None
    prestation: shapes.Prestation = {
        "id": record_id,
        "name": body.name,
        "exclusive": body.exclusive,
        "expected_minutes": body.expected_minutes,
        "active": body.active,
    }
    return _response(http, created, prestation)


@router.put(
    "/api/appointments/{record_id}",
    response_model=None,
    responses=responses({200: shapes.Appointment, 201: shapes.Appointment}, *PUT_PROBLEMS, 409),
)
async def put_appointment(
    record_id: RecordId, body: bodies.PutAppointment, caller: MasterDataSender, http: Request
) -> Response:
    """Create or change an appointment. Without a status it keeps its status, or gets `scheduled` when it is new.

    While something is open for it, its patient's visit decides, as on a command.
    """
    dependencies = dependencies_of(http)
    changes = AppointmentChanges(dependencies.database, dependencies.dispatcher, dependencies.today)
    appointment = AppointmentPut(body.patient_id, body.doctor_id, body.prestation_id, body.scheduled_at, body.status)
    sender = AppointmentSender(caller, http, body)
    try:
        stored = await changes.put(sender, _put_context(dependencies, record_id), appointment)
    except UnknownReferenceError as error:
        title = "The appointment refers to something that does not exist"
        raise Problem(422, "unknown_reference", title, field=error.field) from None
    except InactiveReferenceError as error:
        title = "An inactive doctor or prestation takes no new appointment"
        raise Problem(422, "inactive_reference", title, field=error.field) from None
    except NotReplaceableError as error:
        raise Problem(409, error.code, "The appointment is done") from None
    if isinstance(stored, Response):
        return stored
    return _response(http, stored.created, appointment_body(stored.appointment))


def _put_context(dependencies: Dependencies, record_id: int) -> PutContext:
    return PutContext(record_id, f"put/{uuid4().hex}", dependencies.now())


def _response(
    http: Request, created: bool, body: shapes.Patient | shapes.Doctor | shapes.Prestation | shapes.Appointment
) -> Response:
    headers = {"Location": http.url.path} if created else None
    return JSONResponse(body, 201 if created else 200, headers)

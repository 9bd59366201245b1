"""Master data: how the hospital's own system creates and replaces patients, doctors, prestations and appointments."""

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from patient_visit_engine.api.commands.appointment_changes import AppointmentChanges
from patient_visit_engine.api.commands.record_puts import PutCall, PutCallOfSender, PutCallOfSenderOrAdmin
from patient_visit_engine.api.schema import master_data_requests
from patient_visit_engine.api.schema.fields import TextId
from patient_visit_engine.api.schema.openapi import BODY_PROBLEMS, STAFF_PROBLEMS, Responses, responses
from patient_visit_engine.api.schema.queries import RecordQuery
from patient_visit_engine.api.schema.query_check import QUERY_CHECK
from patient_visit_engine.storage.master_data import doctors, patients, prestations
from patient_visit_engine.storage.master_data.doctors import DoctorPut
from patient_visit_engine.storage.master_data.identifiers import Identifier, RecordKind
from patient_visit_engine.storage.master_data.patients import PatientPut
from patient_visit_engine.storage.master_data.prestations import PrestationPut
from patient_visit_engine.wire import master_data_bodies

router = APIRouter(tags=["master data"], dependencies=[QUERY_CHECK])

RecordId = Annotated[TextId, Path()]
ByIdentifier = Annotated[RecordQuery, Query()]


def put_responses(shape: type[Any]) -> Responses:
    """The answers to a PUT of this record."""
    return responses({200: shape, 201: shape}, *STAFF_PROBLEMS, *BODY_PROBLEMS, 409, 412, etag=True)


PATIENT, DOCTOR = put_responses(master_data_bodies.StoredPatient), put_responses(master_data_bodies.StoredDoctor)
PRESTATION, APPOINTMENT = (
    put_responses(master_data_bodies.StoredPrestation),
    put_responses(master_data_bodies.StoredAppointment),
)


@router.put("/api/patients/{record_id}", response_model=None, responses=PATIENT)
async def put_patient(record_id: RecordId, body: master_data_requests.PutPatient, call: PutCallOfSender) -> Response:
    """Create or change a patient."""
    return await _put_patient(call, record_id, body)


@router.put("/api/patients", response_model=None, responses=PATIENT)
async def put_identified_patient(
    query: ByIdentifier, body: master_data_requests.PutPatient, call: PutCallOfSender
) -> Response:
    """Create or change the patient who has this identifier."""
    return await _put_patient(call, query.identifier, body)


async def _put_patient(call: PutCall, target: int | Identifier, body: master_data_requests.PutPatient) -> Response:
    values = PatientPut(body.first_name, body.last_name, body.birth_date, body.sex)
    system = call.dependencies.settings.record_number_system
    write = partial(patients.put_patient, patient=values, record_number_system=system)
    return await call.put(RecordKind.patient, target, body, write)


@router.put("/api/doctors/{record_id}", response_model=None, responses=DOCTOR)
async def put_doctor(
    record_id: RecordId, body: master_data_requests.PutDoctor, call: PutCallOfSenderOrAdmin
) -> Response:
    """Create or change a doctor."""
    return await _put_doctor(call, record_id, body)


@router.put("/api/doctors", response_model=None, responses=DOCTOR)
async def put_identified_doctor(
    query: ByIdentifier, body: master_data_requests.PutDoctor, call: PutCallOfSenderOrAdmin
) -> Response:
    """Create or change the doctor who has this identifier."""
    return await _put_doctor(call, query.identifier, body)


async def _put_doctor(call: PutCall, target: int | Identifier, body: master_data_requests.PutDoctor) -> Response:
    values = DoctorPut(body.name, body.specialization, body.room, body.active)
    write = partial(doctors.put_doctor, doctor=values, today=call.dependencies.today())
    return await call.put(RecordKind.doctor, target, body, write)


@router.put("/api/prestations/{record_id}", response_model=None, responses=PRESTATION)
async def put_prestation(
    record_id: RecordId, body: master_data_requests.PutPrestation, call: PutCallOfSenderOrAdmin
) -> Response:
    """Create or change a prestation. While its consultations run, `exclusive` cannot change."""
    return await _put_prestation(call, record_id, body)


@router.put("/api/prestations", response_model=None, responses=PRESTATION)
async def put_identified_prestation(
    query: ByIdentifier, body: master_data_requests.PutPrestation, call: PutCallOfSenderOrAdmin
) -> Response:
    """Create or change the prestation that has this identifier."""
    return await _put_prestation(call, query.identifier, body)


async def _put_prestation(
    call: PutCall, target: int | Identifier, body: master_data_requests.PutPrestation
) -> Response:
    values = PrestationPut(body.name, body.exclusive, body.expected_minutes, body.active)
    return await call.put(RecordKind.prestation, target, body, partial(prestations.put_prestation, prestation=values))


@router.put("/api/appointments/{record_id}", response_model=None, responses=APPOINTMENT)
async def put_appointment(
    record_id: RecordId, body: master_data_requests.PutAppointment, call: PutCallOfSender
) -> Response:
    """Create or change an appointment. Without a status it keeps its status, or gets `scheduled` when it is new.

    While something is open for it, its patient's visit decides, as on a command.
    """
    return await AppointmentChanges(call).put(record_id, body)


@router.put("/api/appointments", response_model=None, responses=APPOINTMENT)
async def put_identified_appointment(
    query: ByIdentifier, body: master_data_requests.PutAppointment, call: PutCallOfSender
) -> Response:
    """Create or change the appointment that has this identifier."""
    return await AppointmentChanges(call).put(query.identifier, body)

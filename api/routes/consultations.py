"""Starting, completing, extending and releasing consultations. The visit decides whether they are granted."""

import json
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Request
from sqlalchemy import Connection
from starlette.responses import JSONResponse, Response

from patient_visit_engine.api.access.authentication import Doctor, Staff, Supervisor, not_yours
from patient_visit_engine.api.commands.idempotency import Key, PrefersAsync
from patient_visit_engine.api.commands.look_ups import look_up_consultation, look_up_own_consultation
from patient_visit_engine.api.commands.validity import check_valid_until
from patient_visit_engine.api.commands.visit_calls import VisitCall
from patient_visit_engine.api.dependencies import dependencies_of
from patient_visit_engine.api.problems import NotFound, Problem
from patient_visit_engine.api.schema import bodies
from patient_visit_engine.api.schema.openapi import COMMAND_PROBLEMS, STAFF_PROBLEMS, responses
from patient_visit_engine.storage.busy_doctor import read_appointment_and_busy_doctor
from patient_visit_engine.storage.person_records import find_person
from patient_visit_engine.storage.screens import patient_day
from patient_visit_engine.visit.appointment import Appointment
from patient_visit_engine.visit.codes import DoctorBusy
from patient_visit_engine.visit.consultation_commands import (
    CompleteConsultation,
    ExtendConsultation,
    ReleaseConsultation,
    StartConsultation,
)
from patient_visit_engine.visit.facts import OtherConsultation
from patient_visit_engine.wire import answer_bodies
from patient_visit_engine.wire.trackings import consultation_body

router = APIRouter(tags=["consultations"])

ConsultationId = Annotated[UUID, Path()]


@router.post(
    "/api/consultations",
    status_code=201,
    response_model=None,
    responses=responses(
        {201: answer_bodies.Consultation, 200: answer_bodies.Consultation, 202: answer_bodies.AsyncRequest},
        *COMMAND_PROBLEMS,
        refused=True,
    ),
)
async def start_consultation(
    body: bodies.StartConsultation, caller: Doctor, key: Key, prefers_async: PrefersAsync, http: Request
) -> Response:
    """Start the consultation of an appointment.

    An exclusive start gets 409 while the patient is in another exclusive consultation or reserved for another doctor.
    If the doctor is in an exclusive consultation with another patient, the answer has `warnings`, or is 409: the hospital
    chooses (`VISIT_DOCTOR_BUSY`).
    The appointment must be for today. Otherwise the patient must be checked in for it, or its doctor have a place in line.
    A start that is decided too late has no effect. An asynchronous one then gets 409 `request_expired`.
    """
    if body.doctor_id != caller.doctor_id:
        raise not_yours()
    dependencies = dependencies_of(http)
    dispatcher = dependencies.dispatcher
    doctor_busy = dependencies.settings.doctor_busy
    busy_doctor_id = None if doctor_busy is DoctorBusy.off else body.doctor_id
    prepared = await dispatcher.prepare(
        caller, key, http, body, partial(_look_up_start, body=body, busy_doctor_id=busy_doctor_id)
    )
    if prepared.earlier_response is not None:
        return prepared.earlier_response
    check_valid_until(body.valid_until, prepared.request, prefers_async=prefers_async)
    request = prepared.request.model_copy(update={"valid_until": body.valid_until})
    appointment, busy_with = prepared.looked_up
    command = StartConsultation(
        request=request,
        appointment=appointment,
        wait=body.wait,
        doctor_busy=doctor_busy,
        busy_with=busy_with,
    )
    if prefers_async:
        return await dispatcher.dispatch_later(command, dependencies.today(), key)
    response = await dispatcher.dispatch(command, dependencies.today())
    dependencies.metrics.count_start(_decision_code(response))
    return response


def _look_up_start(
    connection: Connection, body: bodies.StartConsultation, busy_doctor_id: int | None
) -> tuple[Appointment, tuple[OtherConsultation, ...]]:
    """What the start depends on, as it is now. The ledger compares it again. Without the look here it would be decided twice."""
    appointment, busy_with = read_appointment_and_busy_doctor(
        connection, body.appointment_id, body.patient_id, busy_doctor_id
    )
    if appointment is None:
        raise NotFound("appointment")
    person_id: int | None = body.patient_id
    if appointment.patient_id != body.patient_id:
        # It can be the id of a retired record of the same person.
        person_id = find_person(connection, body.patient_id)
    if person_id is None:
        raise NotFound("patient")
    if appointment.doctor_id != body.doctor_id and not patient_day.doctor_exists(connection, body.doctor_id):
        raise NotFound("doctor")
    if (appointment.patient_id, appointment.doctor_id) != (person_id, body.doctor_id):
        raise Problem(422, "appointment_mismatch", "Appointment belongs to another patient or doctor")
    return appointment, busy_with


def _decision_code(response: Response) -> str:
    if response.status_code < 300:
        return "started" if response.status_code == 201 else "already_yours"
    code: str = json.loads(bytes(response.body))["code"]
    return code


@router.get(
    "/api/consultations/{consultation_id}",
    response_model=None,
    responses=responses({200: answer_bodies.Consultation}, *STAFF_PROBLEMS, 404, 422),
)
async def show_consultation(consultation_id: ConsultationId, _caller: Staff, http: Request) -> Response:
    """The consultation, running or ended."""
    row = await dependencies_of(http).database.read_inline(look_up_consultation, str(consultation_id))
    return JSONResponse(consultation_body(row))


@router.post(
    "/api/consultations/{consultation_id}/complete",
    response_model=None,
    responses=responses(
        {200: answer_bodies.Consultation, 202: answer_bodies.AsyncRequest}, *COMMAND_PROBLEMS, refused=True
    ),
)
async def complete_consultation(
    consultation_id: ConsultationId,
    caller: Doctor,
    key: Key,
    prefers_async: PrefersAsync,
    http: Request,
    body: bodies.EmptyBody | None = None,
) -> Response:
    """End the caller's own consultation. A second completion gets the same answer as the first."""
    dependencies = dependencies_of(http)
    dispatcher = dependencies.dispatcher
    look_up = partial(look_up_own_consultation, caller=caller, consultation_id=str(consultation_id))
    prepared = await dispatcher.prepare(caller, key, http, None, look_up)
    if prepared.earlier_response is not None:
        return prepared.earlier_response
    row = prepared.looked_up
    command = CompleteConsultation(
        request=prepared.request,
        patient_id=row.patient_id,
        consultation_id=str(consultation_id),
        doctor_id=row.doctor_id,
    )
    if prefers_async:
        return await dispatcher.dispatch_later(command, dependencies.today(), key)
    return await dispatcher.dispatch(command, dependencies.today())


@router.post(
    "/api/consultations/{consultation_id}/extend",
    response_model=None,
    responses=responses({200: answer_bodies.Consultation}, *COMMAND_PROBLEMS, refused=True),
)
async def extend_consultation(
    consultation_id: ConsultationId, body: bodies.ExtendConsultation, caller: Doctor, key: Key, http: Request
) -> Response:
    """Extend the caller's consultation by some minutes.

    They are counted from its expected end, or from now if that has passed.
    """
    return await VisitCall(http, caller, key, body).send(
        partial(look_up_own_consultation, caller=caller, consultation_id=str(consultation_id)),
        lambda request, row: ExtendConsultation(
            request=request,
            patient_id=row.patient_id,
            consultation_id=str(consultation_id),
            doctor_id=row.doctor_id,
            minutes=body.minutes,
        ),
    )


@router.post(
    "/api/consultations/{consultation_id}/release",
    response_model=None,
    responses=responses({200: answer_bodies.Consultation}, *COMMAND_PROBLEMS, refused=True),
)
async def release_consultation(
    consultation_id: ConsultationId, body: bodies.ReleaseConsultation, caller: Supervisor, key: Key, http: Request
) -> Response:
    """End the forgotten consultation of any doctor. The patient's timeline keeps the caller and the reason."""
    return await VisitCall(http, caller, key, body, body.reason).send(
        partial(look_up_consultation, consultation_id=str(consultation_id)),
        lambda request, row: ReleaseConsultation(
            request=request, patient_id=row.patient_id, consultation_id=str(consultation_id)
        ),
    )

"""Starting, completing, extending and releasing consultations; it must not decide whether that is granted."""

import json
from datetime import date
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Request
from sqlalchemy import Connection
from starlette.responses import JSONResponse, Response

from patient_visit_engine.api.access.authentication import Doctor, Staff, Supervisor, not_yours
from patient_visit_engine.api.access.sessions import Caller
from patient_visit_engine.api.commands.idempotency import Key, Later
from patient_visit_engine.api.dependencies import dependencies_of
from patient_visit_engine.api.problems import NotFound, Problem
from patient_visit_engine.api.schema import bodies
from patient_visit_engine.api.schema.openapi import OF_BODY, OF_STAFF, answers
from patient_visit_engine.storage.screens import visit_view
from patient_visit_engine.visit import commands
from patient_visit_engine.visit.state import Appointment
from patient_visit_engine.wire import shapes
from patient_visit_engine.wire.answers import TrackingRow

router = APIRouter(tags=["consultations"])

ConsultationId = Annotated[UUID, Path()]
ENDED = (*OF_STAFF, *OF_BODY, 404, 409)


@router.post(
    "/api/consultations",
    status_code=201,
    response_model=None,
    responses=answers(
        {201: shapes.Consultation, 200: shapes.Consultation, 202: shapes.AsyncRequest}, *ENDED, refused=True
    ),
)
async def start_consultation(
    body: bodies.StartConsultation, caller: Doctor, key: Key, later: Later, http: Request
) -> Response:
    """Begin the consultation of an appointment; refused with 409 while the patient is in another exclusive one."""
    if body.doctor_id != caller.doctor_id:
        raise not_yours()
    parts = dependencies_of(http)
    asked = await parts.asking.begin(caller, key, http, body, partial(_startable, body=body))
    if asked.again is not None:
        return asked.again
    command = commands.StartConsultation(request=asked.request, appointment=asked.found, wait=body.wait)
    if later:
        return await parts.asking.send_later(command, parts.today(), key)
    answer = await parts.asking.send(command, parts.today())
    parts.metrics.start_decided(_code_of(answer))
    return answer


def _startable(connection: Connection, body: bodies.StartConsultation) -> Appointment:
    found = visit_view.appointment(connection, body.appointment_id)
    if found is None:
        raise NotFound("appointment")
    if found.patient_id != body.patient_id and not visit_view.patient_exists(connection, body.patient_id):
        raise NotFound("patient")
    if found.doctor_id != body.doctor_id and not visit_view.doctor_exists(connection, body.doctor_id):
        raise NotFound("doctor")
    if (found.patient_id, found.doctor_id) != (body.patient_id, body.doctor_id):
        raise Problem(422, "appointment_mismatch", "Appointment belongs to another patient or doctor")
    return found


def _code_of(answer: Response) -> str:
    if answer.status_code < 300:
        return "started" if answer.status_code == 201 else "already_yours"
    code: str = json.loads(bytes(answer.body))["code"]
    return code


@router.get(
    "/api/consultations/{consultation_id}",
    response_model=None,
    responses=answers({200: shapes.Consultation}, *OF_STAFF, 404, 422),
)
async def show_consultation(consultation_id: ConsultationId, _caller: Staff, http: Request) -> Response:
    """The consultation, running or ended."""
    row, _day = await dependencies_of(http).database.read(_known, str(consultation_id))
    return JSONResponse(row.consultation())


@router.post(
    "/api/consultations/{consultation_id}/complete",
    response_model=None,
    responses=answers({200: shapes.Consultation, 202: shapes.AsyncRequest}, *ENDED, refused=True),
)
async def complete_consultation(
    consultation_id: ConsultationId,
    caller: Doctor,
    key: Key,
    later: Later,
    http: Request,
    body: bodies.EmptyBody | None = None,
) -> Response:
    """End the caller's own consultation; a second completion is answered as the first."""
    asking = dependencies_of(http).asking
    asked = await asking.begin(caller, key, http, None, partial(_mine, caller=caller, consultation=consultation_id))
    if asked.again is not None:
        return asked.again
    row, day = asked.found
    command = commands.CompleteConsultation(
        request=asked.request,
        patient_id=row.patient_id,
        consultation_id=str(consultation_id),
        doctor_id=row.doctor_id,
    )
    return await (asking.send_later(command, day, key) if later else asking.send(command, day))


@router.post(
    "/api/consultations/{consultation_id}/extend",
    response_model=None,
    responses=answers({200: shapes.Consultation}, *ENDED, refused=True),
)
async def extend_consultation(
    consultation_id: ConsultationId, body: bodies.ExtendConsultation, caller: Doctor, key: Key, http: Request
) -> Response:
    """Give the caller's own consultation so many minutes more, counted from its due time or from now, the later."""
    asking = dependencies_of(http).asking
    asked = await asking.begin(caller, key, http, body, partial(_mine, caller=caller, consultation=consultation_id))
    if asked.again is not None:
        return asked.again
    row, day = asked.found
    command = commands.ExtendConsultation(
        request=asked.request,
        patient_id=row.patient_id,
        consultation_id=str(consultation_id),
        doctor_id=row.doctor_id,
        minutes=body.minutes,
    )
    return await asking.send(command, day)


@router.post(
    "/api/consultations/{consultation_id}/release",
    response_model=None,
    responses=answers({200: shapes.Consultation}, *ENDED, refused=True),
)
async def release_consultation(
    consultation_id: ConsultationId, body: bodies.ReleaseConsultation, caller: Supervisor, key: Key, http: Request
) -> Response:
    """End somebody else's forgotten consultation; who did it and why stays in the patient's timeline."""
    asking = dependencies_of(http).asking
    asked = await asking.begin(caller, key, http, body, partial(_known, consultation_id=str(consultation_id)))
    if asked.again is not None:
        return asked.again
    row, day = asked.found
    command = commands.ReleaseConsultation(
        request=asked.request, patient_id=row.patient_id, consultation_id=str(consultation_id)
    )
    return await asking.send_with_reason(command, day, body.reason)


def _known(connection: Connection, consultation_id: str) -> tuple[TrackingRow, date]:
    found = visit_view.consultation(connection, consultation_id)
    if found is None:
        raise NotFound("consultation")
    return found


def _mine(connection: Connection, caller: Caller, consultation: UUID) -> tuple[TrackingRow, date]:
    found = _known(connection, str(consultation))
    if found[0].doctor_id != caller.doctor_id:
        raise not_yours()
    return found

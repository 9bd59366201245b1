"""Pausing a consultation and going on with it. The visit decides whether that is possible."""

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Request
from sqlalchemy import Connection
from starlette.responses import Response

from patient_visit_engine.api.access.authentication import Doctor
from patient_visit_engine.api.access.sessions import Caller
from patient_visit_engine.api.commands.idempotency import Key
from patient_visit_engine.api.commands.look_ups import look_up_own_consultation
from patient_visit_engine.api.commands.visit_calls import VisitCall
from patient_visit_engine.api.dependencies import dependencies_of
from patient_visit_engine.api.problems import NotFound
from patient_visit_engine.api.schema import bodies
from patient_visit_engine.api.schema.openapi import COMMAND_PROBLEMS, responses
from patient_visit_engine.storage.busy_doctor import read_appointment_and_busy_doctor
from patient_visit_engine.visit.appointment import Appointment
from patient_visit_engine.visit.codes import DoctorBusy
from patient_visit_engine.visit.consultation_commands import Pause, Resume
from patient_visit_engine.visit.facts import OtherConsultation
from patient_visit_engine.wire import answer_bodies

router = APIRouter(tags=["consultations"])

ConsultationId = Annotated[UUID, Path()]


@router.post(
    "/api/consultations/{consultation_id}/pause",
    response_model=None,
    responses=responses({200: answer_bodies.Consultation}, *COMMAND_PROBLEMS, refused=True),
)
async def pause(
    consultation_id: ConsultationId,
    caller: Doctor,
    key: Key,
    http: Request,
    body: bodies.PauseConsultation | None = None,
) -> Response:
    """Pause the caller's own consultation. The patient is free for others, and the expected end moves by the pause.

    A pause that lasts longer than `VISIT_PAUSE_LIMIT` ends the consultation as `timed_out`.
    """
    call = VisitCall(http, caller, key, body, None if body is None else body.reason)
    return await call.send(
        partial(look_up_own_consultation, caller=caller, consultation_id=str(consultation_id)),
        lambda request, row: Pause(
            request=request,
            patient_id=row.patient_id,
            consultation_id=str(consultation_id),
            doctor_id=row.doctor_id,
        ),
    )


@router.post(
    "/api/consultations/{consultation_id}/resume",
    response_model=None,
    responses=responses({200: answer_bodies.Consultation}, *COMMAND_PROBLEMS, refused=True),
)
async def resume(
    consultation_id: ConsultationId,
    caller: Doctor,
    key: Key,
    http: Request,
    # Unused: FastAPI refuses a body with other content than an empty object.
    body: bodies.EmptyBody | None = None,
) -> Response:
    """Go on with the caller's own paused consultation.

    An exclusive one is refused like a start: while the patient is in another exclusive consultation or reserved for another doctor,
    and, if the hospital wants it so, while the doctor is with another patient. One that is decided too late has no effect.
    """
    doctor_busy = dependencies_of(http).settings.doctor_busy
    return await VisitCall(http, caller, key).send(
        partial(_look_up_paused, caller=caller, consultation_id=str(consultation_id), doctor_busy=doctor_busy),
        lambda request, paused: Resume(
            request=request,
            appointment=paused[0],
            consultation_id=str(consultation_id),
            doctor_busy=doctor_busy,
            busy_with=paused[1],
        ),
    )


def _look_up_paused(
    connection: Connection, caller: Caller, consultation_id: str, doctor_busy: DoctorBusy
) -> tuple[Appointment, tuple[OtherConsultation, ...]]:
    """What the resumption depends on, as it is now. The ledger compares it again."""
    row = look_up_own_consultation(connection, caller, consultation_id)
    busy_doctor_id = None if doctor_busy is DoctorBusy.off else row.doctor_id
    appointment, busy_with = read_appointment_and_busy_doctor(
        connection, row.appointment_id, row.patient_id, busy_doctor_id
    )
    if appointment is None:
        raise NotFound("appointment")
    return appointment, busy_with

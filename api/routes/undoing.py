"""Taking back a start, a completion, a check-in, a check-out or a cancellation. The visit decides whether that is possible."""

from collections.abc import Callable
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path
from fastapi import Request as HttpRequest
from starlette.responses import Response

from patient_visit_engine.api.access.authentication import (
    DoctorOrSupervisor,
    DoctorReceptionOrSupervisor,
    DoctorReceptionSupervisorOrService,
    ReceptionOrSupervisor,
)
from patient_visit_engine.api.access.sessions import Caller
from patient_visit_engine.api.commands.idempotency import Key
from patient_visit_engine.api.commands.look_ups import look_up_completed, look_up_started, look_up_with_past
from patient_visit_engine.api.dependencies import dependencies_of
from patient_visit_engine.api.schema import bodies
from patient_visit_engine.api.schema.fields import TextId
from patient_visit_engine.api.schema.openapi import COMMAND_PROBLEMS, responses
from patient_visit_engine.visit.appointment_commands import UndoCancel, UndoCheckIn, UndoCheckOut
from patient_visit_engine.visit.commands import Command
from patient_visit_engine.visit.consultation_commands import Reopen, UndoStart
from patient_visit_engine.visit.past_tracking import PastTracking
from patient_visit_engine.visit.request import Request
from patient_visit_engine.visit.state import Appointment
from patient_visit_engine.wire import shapes

router = APIRouter(tags=["corrections"])

AppointmentId = Annotated[TextId, Path()]
BuildUndo = Callable[[Request, Appointment, PastTracking], Command]


@router.post(
    "/api/consultations/{consultation_id}/undo-start",
    response_model=None,
    responses=responses({200: shapes.Consultation}, *COMMAND_PROBLEMS, refused=True),
)
async def undo_start(
    consultation_id: Annotated[UUID, Path()],
    caller: DoctorOrSupervisor,
    key: Key,
    http: HttpRequest,
    # Unused: FastAPI refuses a body with other content than an empty object.
    body: bodies.EmptyBody | None = None,
) -> Response:
    """Take back a start that was a mistake. The consultation ends as `mistaken`, and a patient who was checked in waits again.

    The doctor of the consultation can do this for 5 minutes, a supervisor at any time.
    """
    dependencies = dependencies_of(http)
    look_up = partial(look_up_started, caller=caller, consultation_id=str(consultation_id))
    prepared = await dependencies.dispatcher.prepare(caller, key, http, None, look_up)
    if prepared.earlier_response is not None:
        return prepared.earlier_response
    row, past = prepared.looked_up
    command = UndoStart(
        request=prepared.request,
        patient_id=row.patient_id,
        consultation_id=str(consultation_id),
        doctor_id=caller.doctor_id,
        past=past,
    )
    return await dependencies.dispatcher.dispatch(command, dependencies.today())


@router.post(
    "/api/consultations/{consultation_id}/reopen",
    response_model=None,
    responses=responses({200: shapes.Consultation}, *COMMAND_PROBLEMS, refused=True),
)
async def reopen(
    consultation_id: Annotated[UUID, Path()],
    caller: DoctorOrSupervisor,
    key: Key,
    http: HttpRequest,
    body: bodies.EmptyBody | None = None,
) -> Response:
    """Take back a completion. The same consultation goes on, for at least 15 minutes.

    Its doctor can do this for 5 minutes, a supervisor on the same day. An exclusive one gets 409 while another one is in progress.
    """
    dependencies = dependencies_of(http)
    look_up = partial(look_up_completed, caller=caller, consultation_id=str(consultation_id))
    prepared = await dependencies.dispatcher.prepare(caller, key, http, None, look_up)
    if prepared.earlier_response is not None:
        return prepared.earlier_response
    appointment, past = prepared.looked_up
    command = Reopen(
        request=prepared.request,
        appointment=appointment,
        consultation_id=str(consultation_id),
        doctor_id=caller.doctor_id,
        past=past,
    )
    return await dependencies.dispatcher.dispatch(command, dependencies.today())


@router.delete(
    "/api/appointments/{appointment_id}/check-in",
    response_model=None,
    responses=responses({200: shapes.AppointmentStatusNow}, *COMMAND_PROBLEMS, refused=True),
)
async def undo_check_in(
    appointment_id: AppointmentId, caller: DoctorReceptionOrSupervisor, key: Key, http: HttpRequest
) -> Response:
    """Take back a check-in that was a mistake. It ends as `mistaken`, and the appointment has its earlier status again."""

    def build(request: Request, appointment: Appointment, past: PastTracking) -> Command:
        return UndoCheckIn(request=request, appointment=appointment, past=past)

    return await _dispatch(http, caller, key, appointment_id, build)


@router.delete(
    "/api/appointments/{appointment_id}/check-out",
    response_model=None,
    responses=responses({200: shapes.Tracking}, *COMMAND_PROBLEMS, refused=True),
)
async def undo_check_out(
    appointment_id: AppointmentId, caller: DoctorReceptionSupervisorOrService, key: Key, http: HttpRequest
) -> Response:
    """Take back a check-out of today. The patient waits again, with the first `check_in_time`."""

    def build(request: Request, appointment: Appointment, past: PastTracking) -> Command:
        return UndoCheckOut(request=request, appointment=appointment, past=past)

    return await _dispatch(http, caller, key, appointment_id, build)


@router.delete(
    "/api/appointments/{appointment_id}/cancel",
    response_model=None,
    responses=responses({200: shapes.AppointmentStatusNow}, *COMMAND_PROBLEMS, refused=True),
)
async def undo_cancel(
    appointment_id: AppointmentId, caller: ReceptionOrSupervisor, key: Key, http: HttpRequest
) -> Response:
    """Take back a cancellation of today. A patient who had been checked in waits again, with the first `check_in_time`."""

    def build(request: Request, appointment: Appointment, past: PastTracking) -> Command:
        return UndoCancel(request=request, appointment=appointment, past=past)

    return await _dispatch(http, caller, key, appointment_id, build)


async def _dispatch(http: HttpRequest, caller: Caller, key: str, appointment_id: int, build: BuildUndo) -> Response:
    dependencies = dependencies_of(http)
    look_up = partial(look_up_with_past, caller=caller, appointment_id=appointment_id)
    prepared = await dependencies.dispatcher.prepare(caller, key, http, None, look_up)
    if prepared.earlier_response is not None:
        return prepared.earlier_response
    command = build(prepared.request, *prepared.looked_up)
    return await dependencies.dispatcher.dispatch(command, dependencies.today())

"""Taking back a start, a completion, a check-in, a check-out or a cancellation. The visit decides whether that is possible."""

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Request
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
from patient_visit_engine.api.commands.visit_calls import VisitCall
from patient_visit_engine.api.schema import bodies
from patient_visit_engine.api.schema.fields import TextId
from patient_visit_engine.api.schema.openapi import COMMAND_PROBLEMS, responses
from patient_visit_engine.visit.appointment_commands import UndoCancel, UndoCheckIn, UndoCheckOut
from patient_visit_engine.visit.consultation_commands import Reopen, UndoStart
from patient_visit_engine.wire import answer_bodies

router = APIRouter(tags=["corrections"])

AppointmentId = Annotated[TextId, Path()]


@router.post(
    "/api/consultations/{consultation_id}/undo-start",
    response_model=None,
    responses=responses({200: answer_bodies.Consultation}, *COMMAND_PROBLEMS, refused=True),
)
async def undo_start(
    consultation_id: Annotated[UUID, Path()],
    caller: DoctorOrSupervisor,
    key: Key,
    http: Request,
    # Unused: FastAPI refuses a body with other content than an empty object.
    body: bodies.EmptyBody | None = None,
) -> Response:
    """Take back a start that was a mistake. The consultation ends as `mistaken`, and a patient who was checked in waits again.

    The doctor of the consultation can do this for 5 minutes, a supervisor at any time.
    """
    return await VisitCall(http, caller, key).send(
        partial(look_up_started, caller=caller, consultation_id=str(consultation_id)),
        lambda request, started: UndoStart(
            request=request,
            patient_id=started[0].patient_id,
            consultation_id=str(consultation_id),
            doctor_id=caller.doctor_id,
            past=started[1],
        ),
    )


@router.post(
    "/api/consultations/{consultation_id}/reopen",
    response_model=None,
    responses=responses({200: answer_bodies.Consultation}, *COMMAND_PROBLEMS, refused=True),
)
async def reopen(
    consultation_id: Annotated[UUID, Path()],
    caller: DoctorOrSupervisor,
    key: Key,
    http: Request,
    body: bodies.EmptyBody | None = None,
) -> Response:
    """Take back a completion. The same consultation goes on, for at least 15 minutes.

    Its doctor can do this for 5 minutes, a supervisor on the same day. An exclusive one gets 409 while another one is in progress.
    """
    return await VisitCall(http, caller, key).send(
        partial(look_up_completed, caller=caller, consultation_id=str(consultation_id)),
        lambda request, completed: Reopen(
            request=request,
            appointment=completed[0],
            consultation_id=str(consultation_id),
            doctor_id=caller.doctor_id,
            past=completed[1],
        ),
    )


@router.delete(
    "/api/appointments/{appointment_id}/check-in",
    response_model=None,
    responses=responses({200: answer_bodies.AppointmentStatusNow}, *COMMAND_PROBLEMS, refused=True),
)
async def undo_check_in(
    appointment_id: AppointmentId, caller: DoctorReceptionOrSupervisor, key: Key, http: Request
) -> Response:
    """Take back a check-in that was a mistake. It ends as `mistaken`, and the appointment has its earlier status again."""
    return await _take_back(UndoCheckIn, http, caller, key, appointment_id)


@router.delete(
    "/api/appointments/{appointment_id}/check-out",
    response_model=None,
    responses=responses({200: answer_bodies.Tracking}, *COMMAND_PROBLEMS, refused=True),
)
async def undo_check_out(
    appointment_id: AppointmentId, caller: DoctorReceptionSupervisorOrService, key: Key, http: Request
) -> Response:
    """Take back a check-out of today. The patient waits again, with the first `check_in_time`."""
    return await _take_back(UndoCheckOut, http, caller, key, appointment_id)


@router.delete(
    "/api/appointments/{appointment_id}/cancel",
    response_model=None,
    responses=responses({200: answer_bodies.AppointmentStatusNow}, *COMMAND_PROBLEMS, refused=True),
)
async def undo_cancel(
    appointment_id: AppointmentId, caller: ReceptionOrSupervisor, key: Key, http: Request
) -> Response:
    """Take back a cancellation of today. A patient who had been checked in waits again, with the first `check_in_time`."""
    return await _take_back(UndoCancel, http, caller, key, appointment_id)


async def _take_back(
    command: type[UndoCheckIn | UndoCheckOut | UndoCancel],
    http: Request,
    caller: Caller,
    key: str,
    appointment_id: int,
) -> Response:
    return await VisitCall(http, caller, key).send(
        partial(look_up_with_past, caller=caller, appointment_id=appointment_id),
        lambda request, undone: command(request=request, appointment=undone[0], past=undone[1]),
    )

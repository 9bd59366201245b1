"""Changes of a day's order: an appointment's priority, and the doctor who has it."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from patient_visit_engine.api.access.authentication import DoctorReceptionOrSupervisor
from patient_visit_engine.api.commands.idempotency import Key
from patient_visit_engine.api.commands.look_ups import look_up_appointment
from patient_visit_engine.api.dependencies import dependencies_of
from patient_visit_engine.api.schema import bodies
from patient_visit_engine.api.schema.fields import TextId
from patient_visit_engine.api.schema.openapi import COMMAND_PROBLEMS, responses
from patient_visit_engine.visit import commands
from patient_visit_engine.wire import shapes

router = APIRouter(tags=["planning"])

AppointmentId = Annotated[TextId, Path()]


@router.patch(
    "/api/appointments/{appointment_id}/priority",
    response_model=None,
    responses=responses({200: shapes.AppointmentPriorityNow}, *COMMAND_PROBLEMS, refused=True),
)
async def set_priority(
    appointment_id: AppointmentId,
    body: bodies.SetPriority,
    caller: DoctorReceptionOrSupervisor,
    key: Key,
    http: Request,
) -> Response:
    """Set how urgent the appointment is, from 1 (most urgent) to 5, or remove it with null. The worklist shows it."""
    dependencies = dependencies_of(http)
    look_up = partial(look_up_appointment, caller=caller, appointment_id=appointment_id)
    prepared = await dependencies.dispatcher.prepare(caller, key, http, body, look_up)
    if prepared.earlier_response is not None:
        return prepared.earlier_response
    command = commands.SetPriority(request=prepared.request, appointment=prepared.looked_up, priority=body.priority)
    return await dependencies.dispatcher.dispatch_with_reason(command, dependencies.today(), body.reason)

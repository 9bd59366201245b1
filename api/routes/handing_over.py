"""Changes of a day's order: an appointment's priority, and the doctor who has it."""

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from patient_visit_engine.api.access.authentication import (
    DoctorOrSupervisor,
    DoctorReceptionOrSupervisor,
    ReceptionOrSupervisor,
)
from patient_visit_engine.api.commands.day_reassignment import DayReassignment
from patient_visit_engine.api.commands.idempotency import Key
from patient_visit_engine.api.commands.look_ups import (
    look_up_appointment,
    look_up_doctors,
    look_up_transferred,
    look_up_with_doctor,
)
from patient_visit_engine.api.commands.visit_calls import VisitCall
from patient_visit_engine.api.dependencies import dependencies_of
from patient_visit_engine.api.problems import Problem
from patient_visit_engine.api.schema import bodies
from patient_visit_engine.api.schema.fields import TextId
from patient_visit_engine.api.schema.openapi import COMMAND_PROBLEMS, responses
from patient_visit_engine.visit.appointment_commands import Reassign, SetPriority
from patient_visit_engine.visit.consultation_commands import Transfer
from patient_visit_engine.wire import answer_bodies, master_data_bodies

router = APIRouter(tags=["planning"])

AppointmentId = Annotated[TextId, Path()]


@router.patch(
    "/api/appointments/{appointment_id}/priority",
    response_model=None,
    responses=responses({200: answer_bodies.AppointmentPriorityNow}, *COMMAND_PROBLEMS, refused=True),
)
async def set_priority(
    appointment_id: AppointmentId,
    body: bodies.SetPriority,
    caller: DoctorReceptionOrSupervisor,
    key: Key,
    http: Request,
) -> Response:
    """Set how urgent the appointment is, from 1 (most urgent) to 5, or remove it with null. The worklist shows it."""
    return await VisitCall(http, caller, key, body, body.reason).send(
        partial(look_up_appointment, caller=caller, appointment_id=appointment_id),
        lambda request, appointment: SetPriority(request=request, appointment=appointment, priority=body.priority),
    )


@router.post(
    "/api/appointments/{appointment_id}/reassign",
    response_model=None,
    responses=responses({200: master_data_bodies.Appointment}, *COMMAND_PROBLEMS, refused=True),
)
async def reassign(
    appointment_id: AppointmentId,
    body: bodies.Reassign,
    caller: DoctorReceptionOrSupervisor,
    key: Key,
    http: Request,
) -> Response:
    """Give an appointment that has not begun to another doctor. A patient who is checked in keeps the arrival time."""
    return await VisitCall(http, caller, key, body, body.reason).send(
        partial(look_up_with_doctor, caller=caller, appointment_id=appointment_id, doctor_id=body.doctor_id),
        lambda request, looked_up: Reassign(
            request=request, appointment=looked_up[0], doctor_id=body.doctor_id, doctor_active=looked_up[1]
        ),
    )


@router.post(
    "/api/consultations/{consultation_id}/transfer",
    response_model=None,
    responses=responses({200: answer_bodies.Consultation}, *COMMAND_PROBLEMS, refused=True),
)
async def transfer(
    consultation_id: Annotated[UUID, Path()],
    body: bodies.Transfer,
    caller: DoctorOrSupervisor,
    key: Key,
    http: Request,
) -> Response:
    """End the consultation as `transferred`, and keep its patient for another doctor, who has the appointment then.

    The patient of an exclusive consultation is reserved for that doctor, or that doctor is first in line while another exclusive one is
    in progress.
    """
    return await VisitCall(http, caller, key, body).send(
        partial(look_up_transferred, caller=caller, consultation_id=str(consultation_id), doctor_id=body.doctor_id),
        lambda request, looked_up: Transfer(
            request=request,
            appointment=looked_up[0],
            consultation_id=str(consultation_id),
            doctor_id=caller.doctor_id,
            to_doctor_id=body.doctor_id,
            to_doctor_active=looked_up[1],
        ),
    )


@router.post(
    "/api/doctors/{doctor_id}/reassign-all",
    response_model=None,
    responses=responses({200: answer_bodies.ReassignedDay}, *COMMAND_PROBLEMS),
)
async def reassign_all(
    doctor_id: Annotated[TextId, Path()],
    body: bodies.ReassignAll,
    caller: ReceptionOrSupervisor,
    key: Key,
    http: Request,
) -> Response:
    """Give all appointments of the doctor's day that have not begun to another doctor. The answer says what moved and what did not.

    After a 503, a repeat with the same key goes on with the same appointments.
    """
    if doctor_id == body.doctor_id:
        raise Problem(422, "same_doctor", "The appointments have this doctor already")
    dependencies = dependencies_of(http)
    return await VisitCall(http, caller, key, body).answer(
        partial(look_up_doctors, doctor_ids=(doctor_id, body.doctor_id)),
        lambda request, _: DayReassignment(dependencies, http, request, doctor_id, body).run(),
    )

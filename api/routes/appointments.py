"""The worklist, and the commands on an appointment: status, check-in, check-out and the waiting line."""

from functools import partial
from typing import Annotated, Protocol

from fastapi import APIRouter, Path, Query
from fastapi import Request as HttpRequest
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from patient_visit_engine.api.access.authentication import (
    Doctor,
    DoctorReceptionOrSupervisor,
    DoctorReceptionSupervisorOrService,
    ReceptionOrSupervisor,
    Staff,
)
from patient_visit_engine.api.access.sessions import Caller
from patient_visit_engine.api.commands.idempotency import Key
from patient_visit_engine.api.commands.look_ups import look_up_appointment, look_up_completed_by_status, look_up_leaving
from patient_visit_engine.api.commands.visit_calls import VisitCall
from patient_visit_engine.api.dependencies import dependencies_of
from patient_visit_engine.api.schema import bodies
from patient_visit_engine.api.schema.fields import TextId
from patient_visit_engine.api.schema.openapi import COMMAND_PROBLEMS, STAFF_PROBLEMS, responses
from patient_visit_engine.api.schema.queries import WorklistQuery
from patient_visit_engine.api.schema.query_check import QUERY_CHECK
from patient_visit_engine.storage.screens import record_pages, worklist
from patient_visit_engine.storage.screens.worklist_filter import WorklistFilter
from patient_visit_engine.visit.appointment import Appointment
from patient_visit_engine.visit.appointment_commands import (
    CancelAppointment,
    CheckIn,
    CheckOut,
    JoinWaitingLine,
    LeaveWaitingLine,
    SetAppointmentStatus,
)
from patient_visit_engine.visit.codes import AppointmentStatus, Role
from patient_visit_engine.visit.commands import Command
from patient_visit_engine.visit.request import Request
from patient_visit_engine.wire import answer_bodies, worklist_bodies

router = APIRouter(tags=["appointments"])

AppointmentId = Annotated[TextId, Path()]


class AppointmentCommand(Protocol):
    """The class of a command on an appointment, with its other fields."""

    def __call__(self, *, request: Request, appointment: Appointment) -> Command: ...


@router.get(
    "/api/appointments",
    response_model=None,
    responses=responses({200: worklist_bodies.Worklist}, *STAFF_PROBLEMS, 422),
    dependencies=[QUERY_CHECK],
)
async def show_worklist(query: Annotated[WorklistQuery, Query()], caller: Staff, http: HttpRequest) -> Response:
    """A day's appointments with the state of each patient, and the id of the last event that they include.

    With an identifier it lists this appointment, on its own day unless another date is sent.
    """
    dependencies = dependencies_of(http)
    calendar, today = dependencies.settings.calendar, dependencies.today()
    day, listed_ids = query.date or today, None
    if query.identifier is not None:
        identified = await dependencies.database.read(record_pages.find_appointment, query.identifier)
        listed_ids = () if identified is None else (identified.id,)
        if query.date is None and identified is not None:
            day = calendar.day_of(identified.scheduled_at)
    worklist_filter = WorklistFilter(
        day=day,
        starts_at=calendar.starts_at(day),
        ends_at=calendar.ends_at(day),
        today=calendar.hospital_day(today),
        now=dependencies.now(),
        page=query.page,
        page_size=query.page_size,
        doctor_id=query.doctor_id,
        statuses=frozenset(query.status),
        search=query.q,
        asking_doctor_id=caller.doctor_id,
        appointment_ids=listed_ids,
        sees_all_ends=caller.role is Role.supervisor,
    )
    return JSONResponse(await dependencies.database.read(worklist.read_worklist, worklist_filter))


@router.patch(
    "/api/appointments/{appointment_id}/status",
    response_model=None,
    responses=responses({200: answer_bodies.AppointmentStatusNow}, *COMMAND_PROBLEMS, refused=True),
)
async def set_appointment_status(
    appointment_id: AppointmentId,
    body: bodies.SetAppointmentStatus,
    caller: DoctorReceptionOrSupervisor,
    key: Key,
    http: HttpRequest,
) -> Response:
    """Set the status by number or name. `done` ends the running consultation of the appointment, for its own doctor only."""
    command = partial(SetAppointmentStatus, status=body.status, doctor_id=caller.doctor_id)
    is_completion = body.status is AppointmentStatus.done
    look_up = partial(
        look_up_completed_by_status if is_completion else look_up_appointment,
        caller=caller,
        appointment_id=appointment_id,
    )
    call = VisitCall(http, caller, key, body)
    return await call.send(look_up, lambda request, appointment: command(request=request, appointment=appointment))


@router.post(
    "/api/appointments/{appointment_id}/cancel",
    response_model=None,
    responses=responses({200: answer_bodies.AppointmentStatusNow}, *COMMAND_PROBLEMS, refused=True),
)
async def cancel_appointment(
    appointment_id: AppointmentId,
    body: bodies.CancelAppointment,
    caller: ReceptionOrSupervisor,
    key: Key,
    http: HttpRequest,
) -> Response:
    """Cancel the appointment, and say why. A patient who is checked in for it no longer waits."""
    command = partial(CancelAppointment, reason=body.reason)
    return await _send(http, caller, key, appointment_id, command, body, body.text)


@router.post(
    "/api/appointments/{appointment_id}/check-in",
    status_code=201,
    response_model=None,
    responses=responses({201: answer_bodies.Tracking, 200: answer_bodies.Tracking}, *COMMAND_PROBLEMS, refused=True),
)
async def check_in(
    appointment_id: AppointmentId,
    caller: DoctorReceptionSupervisorOrService,
    key: Key,
    http: HttpRequest,
    # Unused: FastAPI refuses a body with other content than an empty object.
    body: bodies.EmptyBody | None = None,
) -> Response:
    """Record that the patient has arrived. A repeat returns the same tracking."""
    return await _send(http, caller, key, appointment_id, CheckIn)


@router.post(
    "/api/appointments/{appointment_id}/check-out",
    response_model=None,
    responses=responses({200: answer_bodies.Tracking}, *COMMAND_PROBLEMS, refused=True),
)
async def check_out(
    appointment_id: AppointmentId,
    caller: DoctorReceptionSupervisorOrService,
    key: Key,
    http: HttpRequest,
    body: bodies.EmptyBody | None = None,
) -> Response:
    """Record that the patient has left without being seen. A repeat returns the same tracking."""
    return await VisitCall(http, caller, key).send(
        partial(look_up_leaving, caller=caller, appointment_id=appointment_id),
        lambda request, left: CheckOut(request=request, appointment=left[0], past=left[1]),
    )


@router.post(
    "/api/appointments/{appointment_id}/wait",
    response_model=None,
    responses=responses({200: answer_bodies.Place}, *COMMAND_PROBLEMS, refused=True),
)
async def join_waiting_line(
    appointment_id: AppointmentId, caller: Doctor, key: Key, http: HttpRequest, body: bodies.EmptyBody | None = None
) -> Response:
    """Take the last place in the waiting line of a busy patient. A repeat returns the place that the doctor has."""
    return await _send(http, caller, key, appointment_id, JoinWaitingLine)


@router.delete(
    "/api/appointments/{appointment_id}/wait",
    status_code=204,
    response_model=None,
    responses=responses({204: None}, *STAFF_PROBLEMS, 404, 413, 422),
)
async def leave_waiting_line(appointment_id: AppointmentId, caller: Doctor, key: Key, http: HttpRequest) -> Response:
    """Leave the waiting line. Returns 204 also when the doctor does not wait."""
    return await _send(http, caller, key, appointment_id, LeaveWaitingLine)


async def _send(
    http: HttpRequest,
    caller: Caller,
    key: str,
    appointment_id: int,
    command: AppointmentCommand,
    body: BaseModel | None = None,
    reason: str | None = None,
) -> Response:
    look_up = partial(look_up_appointment, caller=caller, appointment_id=appointment_id)
    call = VisitCall(http, caller, key, body, reason)
    return await call.send(look_up, lambda request, appointment: command(request=request, appointment=appointment))

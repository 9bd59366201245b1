"""The worklist, and what a desk or a doctor does with an appointment before a consultation; it must not decide what is granted."""

from collections.abc import Callable
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel
from sqlalchemy import Connection
from starlette.responses import JSONResponse, Response

from patient_visit_engine.api.access.authentication import Desk, Doctor, Staff, not_yours
from patient_visit_engine.api.access.sessions import Caller
from patient_visit_engine.api.commands.idempotency import Key
from patient_visit_engine.api.dependencies import dependencies_of
from patient_visit_engine.api.problems import NotFound
from patient_visit_engine.api.schema import bodies
from patient_visit_engine.api.schema.openapi import OF_BODY, OF_STAFF, answers
from patient_visit_engine.storage.screens import visit_view, worklist
from patient_visit_engine.visit import commands
from patient_visit_engine.visit.calendar import day_ends_at, day_starts_at
from patient_visit_engine.visit.codes import Role
from patient_visit_engine.visit.state import Appointment
from patient_visit_engine.wire import shapes

router = APIRouter(tags=["appointments"])

AppointmentId = Annotated[bodies.TextId, Path()]
ASKED = (*OF_STAFF, *OF_BODY, 404, 409)
Saying = Callable[[commands.Request, Appointment], commands.Command]


@router.get("/api/appointments", response_model=None, responses=answers({200: shapes.Worklist}, *OF_STAFF, 422))
async def show_worklist(query: Annotated[bodies.WorklistQuery, Query()], caller: Staff, http: Request) -> Response:
    """A day's appointments with the state of each patient, and the event id that they are true at."""
    parts = dependencies_of(http)
    zone, day = parts.settings.zone, query.date or parts.today()
    wanted = worklist.WorklistFilter(
        day=day,
        starts_at=day_starts_at(day, zone),
        ends_at=day_ends_at(day, zone),
        today=parts.today(),
        now=parts.now(),
        page=query.page,
        page_size=query.page_size,
        doctor_id=query.doctor_id,
        statuses=frozenset(query.status),
        words=tuple(query.q.split()),
        asking_doctor=caller.doctor_id,
    )
    return JSONResponse(await parts.database.read(worklist.read_worklist, wanted))


@router.patch(
    "/api/appointments/{appointment_id}/status",
    response_model=None,
    responses=answers({200: shapes.AppointmentStatusNow}, *ASKED, refused=True),
)
async def set_appointment_status(
    appointment_id: AppointmentId, body: bodies.SetAppointmentStatus, caller: Desk, key: Key, http: Request
) -> Response:
    """Set the status by number or name; `done` ends the appointment's own consultation, for its holder only."""

    def saying(request: commands.Request, found: Appointment) -> commands.Command:
        return commands.SetAppointmentStatus(
            request=request, appointment=found, status=body.status, doctor_id=caller.doctor_id
        )

    return await _ask(http, caller, key, appointment_id, saying, body)


@router.post(
    "/api/appointments/{appointment_id}/check-in",
    status_code=201,
    response_model=None,
    responses=answers({201: shapes.Tracking, 200: shapes.Tracking}, *ASKED, refused=True),
)
async def check_in(
    appointment_id: AppointmentId, caller: Desk, key: Key, http: Request, body: bodies.EmptyBody | None = None
) -> Response:
    """The patient has arrived; again: the same tracking."""
    return await _ask(http, caller, key, appointment_id, _check_in)


@router.post(
    "/api/appointments/{appointment_id}/check-out",
    response_model=None,
    responses=answers({200: shapes.Tracking}, *ASKED, refused=True),
)
async def check_out(
    appointment_id: AppointmentId, caller: Desk, key: Key, http: Request, body: bodies.EmptyBody | None = None
) -> Response:
    """The patient has left without being seen."""
    return await _ask(http, caller, key, appointment_id, _check_out)


@router.post(
    "/api/appointments/{appointment_id}/wait",
    response_model=None,
    responses=answers({200: shapes.Place}, *ASKED, refused=True),
)
async def join_waiting_line(
    appointment_id: AppointmentId, caller: Doctor, key: Key, http: Request, body: bodies.EmptyBody | None = None
) -> Response:
    """Take the last place in the line for a busy patient; again: the place that the doctor has."""
    return await _ask(http, caller, key, appointment_id, _join)


@router.delete(
    "/api/appointments/{appointment_id}/wait",
    status_code=204,
    response_model=None,
    responses=answers({204: None}, *OF_STAFF, 404, 413, 422),
)
async def leave_waiting_line(appointment_id: AppointmentId, caller: Doctor, key: Key, http: Request) -> Response:
    """Wait no longer; harmless for a doctor who does not."""
    return await _ask(http, caller, key, appointment_id, _leave)


def _check_in(request: commands.Request, found: Appointment) -> commands.Command:
    return commands.CheckIn(request=request, appointment=found)


def _check_out(request: commands.Request, found: Appointment) -> commands.Command:
    return commands.CheckOut(request=request, appointment=found)


def _join(request: commands.Request, found: Appointment) -> commands.Command:
    return commands.JoinWaitingLine(request=request, appointment=found)


def _leave(request: commands.Request, found: Appointment) -> commands.Command:
    return commands.LeaveWaitingLine(request=request, appointment=found)


async def _ask(
    http: Request, caller: Caller, key: str, appointment_id: int, saying: Saying, body: BaseModel | None = None
) -> Response:
    parts = dependencies_of(http)
    look = partial(_for_caller, caller=caller, appointment_id=appointment_id)
    asked = await parts.asking.begin(caller, key, http, body, look)
    if asked.again is not None:
        return asked.again
    return await parts.asking.send(saying(asked.request, asked.found), parts.today())


def _for_caller(connection: Connection, caller: Caller, appointment_id: int) -> Appointment:
    found = visit_view.appointment(connection, appointment_id)
    if found is None:
        raise NotFound("appointment")
    if caller.role is Role.doctor and found.doctor_id != caller.doctor_id:
        raise not_yours()
    return found

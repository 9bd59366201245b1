"""A patient arrives or leaves: reception checks in or out all appointments of the day at once, and takes it back."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Request
from sqlalchemy import Connection
from starlette.responses import Response

from patient_visit_engine.api.access.authentication import ReceptionOrSupervisor
from patient_visit_engine.api.access.sessions import Caller
from patient_visit_engine.api.commands.idempotency import Key
from patient_visit_engine.api.commands.visit_calls import VisitCall
from patient_visit_engine.api.dependencies import dependencies_of
from patient_visit_engine.api.problems import NotFound
from patient_visit_engine.api.schema import bodies
from patient_visit_engine.api.schema.fields import TextId
from patient_visit_engine.api.schema.openapi import COMMAND_PROBLEMS, responses
from patient_visit_engine.storage.day_appointments import read_day_appointments
from patient_visit_engine.storage.person_records import find_person
from patient_visit_engine.visit.commands import PatientCommand
from patient_visit_engine.visit.day_appointments import DayAppointments
from patient_visit_engine.visit.patient_commands import (
    CheckInPatient,
    CheckOutPatient,
    UndoCheckInPatient,
    UndoCheckOutPatient,
)
from patient_visit_engine.visit.request import Request as VisitRequest
from patient_visit_engine.wire import answer_bodies

router = APIRouter(tags=["arrivals"])

PatientId = Annotated[TextId, Path()]
RESPONSES = responses({200: answer_bodies.Trackings}, *COMMAND_PROBLEMS, refused=True)


@router.post("/api/patients/{patient_id}/check-in", response_model=None, responses=RESPONSES)
async def check_in_patient(
    patient_id: PatientId,
    caller: ReceptionOrSupervisor,
    key: Key,
    http: Request,
    # Unused: FastAPI refuses a body with other content than an empty object.
    body: bodies.EmptyBody | None = None,
) -> Response:
    """Check the patient in for all open appointments of today. The answer also lists what was checked in or started before."""
    return await _dispatch(CheckInPatient, http, caller, key, patient_id)


@router.delete("/api/patients/{patient_id}/check-in", response_model=None, responses=RESPONSES)
async def undo_check_in_patient(
    patient_id: PatientId, caller: ReceptionOrSupervisor, key: Key, http: Request
) -> Response:
    """Take back today's check-ins, which were a mistake. They end as `mistaken`, and the appointments have their earlier statuses."""
    return await _dispatch(UndoCheckInPatient, http, caller, key, patient_id)


@router.post("/api/patients/{patient_id}/check-out", response_model=None, responses=RESPONSES)
async def check_out_patient(
    patient_id: PatientId,
    caller: ReceptionOrSupervisor,
    key: Key,
    http: Request,
    # Unused, as in a check-in.
    body: bodies.EmptyBody | None = None,
) -> Response:
    """The patient has left without being seen: end all check-ins. While a consultation is open, nothing ends."""
    return await _dispatch(CheckOutPatient, http, caller, key, patient_id)


@router.delete("/api/patients/{patient_id}/check-out", response_model=None, responses=RESPONSES)
async def undo_check_out_patient(
    patient_id: PatientId, caller: ReceptionOrSupervisor, key: Key, http: Request
) -> Response:
    """Take back the latest check-out of today. What it ended waits again, with the first `check_in_time`."""
    return await _dispatch(UndoCheckOutPatient, http, caller, key, patient_id)


async def _dispatch(
    command: type[PatientCommand], http: Request, caller: Caller, key: str, patient_id: int
) -> Response:
    dependencies = dependencies_of(http)
    today, calendar = dependencies.today(), dependencies.settings.calendar
    day = DayAppointments(day=today, starts_at=calendar.starts_at(today), ends_at=calendar.ends_at(today))
    look_up = partial(_look_up, patient_id=patient_id, day=day)

    def build_command(sent: VisitRequest, looked_up: tuple[int, DayAppointments]) -> PatientCommand:
        survivor_id, appointments = looked_up
        # The id in the path may be that of a retired record, and it may be separated before the visit decides.
        record_id = None if survivor_id == patient_id else patient_id
        return command(request=sent, patient_id=survivor_id, day=appointments, record_id=record_id)

    return await VisitCall(http, caller, key).send(look_up, build_command)


def _look_up(connection: Connection, patient_id: int, day: DayAppointments) -> tuple[int, DayAppointments]:
    """The survivor of the patient's record, with the appointments of the day. The ledger compares them again."""
    survivor_id = find_person(connection, patient_id)
    if survivor_id is None:
        raise NotFound("patient")
    return survivor_id, read_day_appointments(connection, survivor_id, day)

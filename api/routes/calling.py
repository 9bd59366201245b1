"""Calling patients: the next one of a doctor's list, and the one who did not come."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Request
from sqlalchemy import Connection
from starlette.responses import Response

from patient_visit_engine.api.access.authentication import DoctorOrReception, not_yours
from patient_visit_engine.api.access.sessions import Caller
from patient_visit_engine.api.commands.idempotency import Key
from patient_visit_engine.api.commands.look_ups import look_up_appointment, look_up_doctors
from patient_visit_engine.api.commands.next_call import NextCall
from patient_visit_engine.api.commands.visit_calls import VisitCall
from patient_visit_engine.api.dependencies import dependencies_of
from patient_visit_engine.api.problems import NotFound
from patient_visit_engine.api.schema import bodies
from patient_visit_engine.api.schema.fields import TextId
from patient_visit_engine.api.schema.openapi import COMMAND_PROBLEMS, responses
from patient_visit_engine.storage.doctor_calls import read_call
from patient_visit_engine.storage.screens.callable_patients import find_next
from patient_visit_engine.visit.appointment import Appointment
from patient_visit_engine.visit.calendar import HospitalDay
from patient_visit_engine.visit.call_commands import NoAnswer
from patient_visit_engine.visit.codes import Role
from patient_visit_engine.visit.doctor_call import DoctorCall
from patient_visit_engine.visit.request import Request as CommandRequest
from patient_visit_engine.wire import answer_bodies

router = APIRouter(tags=["calls"])


@router.post(
    "/api/doctors/{doctor_id}/call-next",
    response_model=None,
    responses=responses({200: answer_bodies.CalledPatient}, *COMMAND_PROBLEMS, 409),
)
async def call_next(
    doctor_id: Annotated[TextId, Path()],
    caller: DoctorOrReception,
    key: Key,
    http: Request,
    body: bodies.CallNext | None = None,
) -> Response:
    """Call the first patient of the doctor's list who is in the house and free, and keep the patient for the doctor.

    While the doctor has an open call, the answer is the same patient.
    """
    if caller.role is Role.doctor and caller.doctor_id != doctor_id:
        raise not_yours()
    dependencies = dependencies_of(http)
    return await VisitCall(http, caller, key, body).answer(
        partial(look_up_doctors, doctor_ids=(doctor_id,)),
        lambda request, _: NextCall(dependencies, http, request, doctor_id, body or bodies.CallNext()).run(),
    )


@router.post(
    "/api/appointments/{appointment_id}/no-answer",
    response_model=None,
    responses=responses({200: answer_bodies.UnansweredCalls}, *COMMAND_PROBLEMS, refused=True),
)
async def no_answer(
    appointment_id: Annotated[TextId, Path()],
    caller: DoctorOrReception,
    key: Key,
    http: Request,
    body: bodies.EmptyBody | None = None,
) -> Response:
    """The patient whom the doctor has called last did not come, and stands behind the next one.

    After three times the patient is no longer called.
    """
    dependencies = dependencies_of(http)
    today = dependencies.settings.calendar.hospital_day(dependencies.today())
    dispatcher = dependencies.dispatcher

    async def decide(command_request: CommandRequest, looked_up: tuple[Appointment, DoctorCall]) -> Response:
        appointment, call = looked_up
        find = partial(find_next, appointment=appointment, today=today, now=dependencies.now())
        behind_id = await dispatcher.read_snapshot(http, body, find)
        command = NoAnswer(
            request=command_request, appointment=appointment, call=call, called_at=call.called_at, behind_id=behind_id
        )
        return await dispatcher.dispatch(command, today.date)

    look_up = partial(_look_up, caller=caller, appointment_id=appointment_id, today=today)
    return await VisitCall(http, caller, key, body).answer(look_up, decide)


def _look_up(
    connection: Connection, caller: Caller, appointment_id: int, today: HospitalDay
) -> tuple[Appointment, DoctorCall]:
    """The appointment, and the last call of its doctor."""
    appointment = look_up_appointment(connection, caller, appointment_id)
    last = read_call(connection, appointment.doctor_id, today.date)
    if last is None:
        raise NotFound("doctor")
    return appointment, last.call

"""The room in which a doctor sits today. No visit decides it, because it is about no patient."""

from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Path, Request
from starlette.responses import JSONResponse, Response

from patient_visit_engine.api.access.authentication import DoctorOrSupervisor, not_yours
from patient_visit_engine.api.dependencies import dependencies_of
from patient_visit_engine.api.problems import NotFound
from patient_visit_engine.api.schema import bodies
from patient_visit_engine.api.schema.fields import TextId
from patient_visit_engine.api.schema.openapi import BODY_PROBLEMS, STAFF_PROBLEMS, responses
from patient_visit_engine.api.schema.query_check import QUERY_CHECK
from patient_visit_engine.storage.master_data import doctors
from patient_visit_engine.storage.master_data.doctors import RoomPut
from patient_visit_engine.visit.codes import Role
from patient_visit_engine.wire import master_data_bodies

router = APIRouter(tags=["master data"], dependencies=[QUERY_CHECK])


@router.put(
    "/api/doctors/{doctor_id}/room",
    response_model=None,
    responses=responses({200: master_data_bodies.RoomOfDay}, *STAFF_PROBLEMS, *BODY_PROBLEMS, 404),
)
async def put_room(
    doctor_id: Annotated[TextId, Path()], body: bodies.PutRoom, caller: DoctorOrSupervisor, http: Request
) -> Response:
    """Where the doctor sits today, instead of the usual room. It ends with the hospital day. With null it ends now."""
    if caller.role is Role.doctor and caller.doctor_id != doctor_id:
        raise not_yours()
    dependencies, cause = dependencies_of(http), f"room/{uuid4().hex}"
    put = RoomPut(doctor_id, body.room, dependencies.today(), cause, dependencies.now())
    try:
        room = await dependencies.database.write(doctors.put_room, put)
    except LookupError:
        raise NotFound("doctor") from None
    answer: master_data_bodies.RoomOfDay = {"doctor_id": doctor_id, "date": put.today.isoformat(), "room": room}
    return JSONResponse(answer)

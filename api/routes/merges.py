"""Making two patient records one person, and separating them again. The survivor's visit decides."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Request
from sqlalchemy import Connection
from starlette.responses import Response

from patient_visit_engine.api.access.authentication import MasterDataSender, Supervisor
from patient_visit_engine.api.commands.idempotency import Key
from patient_visit_engine.api.dependencies import dependencies_of
from patient_visit_engine.api.problems import NotFound, Problem
from patient_visit_engine.api.schema import bodies
from patient_visit_engine.api.schema.fields import TextId
from patient_visit_engine.api.schema.openapi import COMMAND_PROBLEMS, STAFF_PROBLEMS, responses
from patient_visit_engine.storage.person_records import find_person, read_record
from patient_visit_engine.visit.patient_commands import MergePatients, SeparatePatients
from patient_visit_engine.visit.person_records import SeenRecord
from patient_visit_engine.wire import answer_bodies

router = APIRouter(tags=["patients"])

PatientId = Annotated[TextId, Path()]


@router.post(
    "/api/patients/{patient_id}/merge",
    response_model=None,
    responses=responses({200: answer_bodies.Merge}, *COMMAND_PROBLEMS, refused=True),
)
async def merge_patients(
    patient_id: PatientId, body: bodies.MergePatients, caller: MasterDataSender, key: Key, http: Request
) -> Response:
    """Make the record of the body part of this patient. From then on both are one person, and its id stands for the survivor.

    What is open for both moves to the survivor. If both are in an exclusive consultation, both run to their end.
    The same merge again changes nothing.
    """
    if patient_id == body.patient_id:
        raise Problem(422, "same_patient", "A patient cannot be merged with itself")
    dependencies = dependencies_of(http)
    dispatcher = dependencies.dispatcher
    look_up = partial(_look_up, patient_id=patient_id, other_id=body.patient_id)
    prepared = await dispatcher.prepare(caller, key, http, body, look_up)
    if prepared.earlier_response is not None:
        return prepared.earlier_response
    survivor_id, retired = prepared.looked_up
    command = MergePatients(
        request=prepared.request,
        patient_id=survivor_id,
        retired=retired,
        record_id=_other_id(patient_id, survivor_id),
    )
    response = await dispatcher.dispatch_with_reason(command, dependencies.today(), body.reason)
    if response.status_code == 200:
        await dispatcher.end_retired_visit(retired.id, dependencies.today())
    return response


@router.delete(
    "/api/patients/{patient_id}/merge/{retired_id}",
    response_model=None,
    responses=responses({200: answer_bodies.Separation}, *STAFF_PROBLEMS, 404, 409, 413, 422, refused=True),
)
async def separate_patients(
    patient_id: PatientId, retired_id: PatientId, caller: Supervisor, key: Key, http: Request
) -> Response:
    """Undo a merge of today, while nothing is open for the patient. What was recorded under the retired id belongs to it again."""
    dependencies = dependencies_of(http)
    dispatcher = dependencies.dispatcher
    look_up = partial(_look_up, patient_id=patient_id, other_id=retired_id)
    prepared = await dispatcher.prepare(caller, key, http, None, look_up)
    if prepared.earlier_response is not None:
        return prepared.earlier_response
    survivor_id, retired = prepared.looked_up
    command = SeparatePatients(
        request=prepared.request,
        patient_id=survivor_id,
        retired=retired,
        record_id=_other_id(patient_id, survivor_id),
    )
    return await dispatcher.dispatch(command, dependencies.today())


def _other_id(patient_id: int, survivor_id: int) -> int | None:
    """The id in the path, when it is that of a retired record. It may be separated before the visit decides."""
    return None if patient_id == survivor_id else patient_id


def _look_up(connection: Connection, patient_id: int, other_id: int) -> tuple[int, SeenRecord]:
    """The survivor of the path's record, and the other record, as they are now. The ledger compares the other one again."""
    survivor_id, record = find_person(connection, patient_id), read_record(connection, other_id)
    if survivor_id is None or record is None:
        raise NotFound("patient")
    return survivor_id, record

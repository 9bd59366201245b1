"""Walk-ins: a patient who comes without an appointment, or is sent to another service by a doctor."""

import json
from datetime import datetime
from functools import partial

from fastapi import APIRouter, Request
from sqlalchemy import Connection
from starlette.responses import Response

from patient_visit_engine.api.access.authentication import DoctorReceptionOrSupervisor, not_yours
from patient_visit_engine.api.access.sessions import Caller
from patient_visit_engine.api.commands.idempotency import Key
from patient_visit_engine.api.dependencies import dependencies_of
from patient_visit_engine.api.problems import NotFound, Problem
from patient_visit_engine.api.schema import bodies
from patient_visit_engine.api.schema.openapi import COMMAND_PROBLEMS, responses
from patient_visit_engine.storage.master_data.identifiers import RecordKind, find_record
from patient_visit_engine.storage.person_records import find_person
from patient_visit_engine.storage.walk_ins import id_of_request, read_walk_in
from patient_visit_engine.visit.appointment import Appointment
from patient_visit_engine.visit.codes import AppointmentStatus, Role
from patient_visit_engine.visit.frozen import LONG_AGO
from patient_visit_engine.visit.patient_commands import OpenWalkIn
from patient_visit_engine.wire import answer_bodies

router = APIRouter(tags=["arrivals"])


@router.post(
    "/api/walk-ins",
    # Without it, FastAPI documents a 200 too.
    status_code=201,
    response_model=None,
    responses=responses({201: answer_bodies.WalkIn}, *COMMAND_PROBLEMS, refused=True),
)
async def open_walk_in(
    body: bodies.OpenWalkIn, caller: DoctorReceptionOrSupervisor, key: Key, http: Request
) -> Response:
    """Add an appointment for now, with its check-in, for a known patient (by id or identifier) or for a new one with these names.

    A doctor adds it to the own list, or sends a patient of a consultation in progress to another service.
    """
    dependencies = dependencies_of(http)
    dispatcher = dependencies.dispatcher
    look_up = partial(_look_up, body=body, caller=caller)
    prepared = await dispatcher.prepare(caller, key, http, body, look_up)
    if prepared.earlier_response is not None:
        return prepared.earlier_response
    names = None if body.new_patient is None else json.dumps(body.new_patient.model_dump(mode="json"))
    # The ids follow from the time of the first asking, so it is stored before the command is built.
    request = await dispatcher.keep_material(prepared.request, names, http, body)
    asked_at = request.asked_at or dependencies.now()
    walk_in = _number(prepared.looked_up, request.id, asked_at)
    command = OpenWalkIn(request=request, walk_in=walk_in, sent_by=caller.doctor_id)
    return await dispatcher.dispatch(command, dependencies.today())


def _number(walk_in: Appointment, request_id: str, asked_at: datetime) -> Appointment:
    """The appointment with its id and its time, and with that of a new patient."""
    numbers: dict[str, object] = {
        "id": id_of_request(request_id, asked_at, "appointment"),
        "scheduled_at": asked_at,
    }
    if walk_in.patient_id == NEW_PATIENT:
        numbers["patient_id"] = id_of_request(request_id, asked_at, "patient")
    return walk_in.model_copy(update=numbers)


#: Stands for the id that a new patient will get.
NEW_PATIENT = 0


def _look_up(connection: Connection, body: bodies.OpenWalkIn, caller: Caller) -> Appointment:
    """The appointment as it will be, without its id. The ledger compares doctor and prestation again."""
    record_id = _find_patient(connection, body)
    person_id = NEW_PATIENT if record_id == NEW_PATIENT else find_person(connection, record_id)
    if person_id is None:
        raise NotFound("patient")
    unread = Appointment(
        id=0,
        patient_id=person_id,
        doctor_id=body.doctor_id,
        prestation_id=body.prestation_id,
        exclusive=True,
        expected_minutes=0,
        status=AppointmentStatus.confirmed,
        scheduled_at=LONG_AGO,
        record_id=None if record_id == person_id else record_id,
        priority=body.priority,
    )
    walk_in = read_walk_in(connection, unread)
    if walk_in is None:
        raise NotFound("doctor_or_prestation")
    for kind in ("doctor", "prestation"):
        if not getattr(walk_in, f"{kind}_active"):
            raise Problem(422, "inactive_reference", f"This {kind} is inactive", field=f"{kind}_id")
    if caller.role is Role.doctor and person_id == NEW_PATIENT and caller.doctor_id != body.doctor_id:
        raise not_yours()
    return walk_in


def _find_patient(connection: Connection, body: bodies.OpenWalkIn) -> int:
    """The id of the known patient, or NEW_PATIENT. Raises NotFound for an unknown identifier."""
    if body.patient_id is not None:
        return body.patient_id
    if body.identifier is None:
        return NEW_PATIENT
    record_id = find_record(connection, RecordKind.patient, body.identifier)
    if record_id is None:
        raise NotFound("patient")
    return record_id

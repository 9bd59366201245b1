"""Plans of calls on several patients. Each is stored before its first command, so a repeat after a crash goes on with the same one."""

import hashlib
import json
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection, select, update

from patient_visit_engine.storage.doctor_days import PlannedAppointment
from patient_visit_engine.storage.kept_answers import KeptAnswer, keep_answer
from patient_visit_engine.storage.requests import StoredRequest, open_request
from patient_visit_engine.storage.tables import requests
from patient_visit_engine.visit.request import Request


def open_plan(
    connection: Connection,
    request: Request,
    at: datetime,
    reason: str,
    make_plan: Callable[[Connection], list[PlannedAppointment] | KeptAnswer],
) -> tuple[StoredRequest, list[PlannedAppointment]]:
    """Store the open request with its plan, and an open request with the reason for each of its parts, unless they are stored.

    Returns the stored request and its plan, which is empty when the request is decided or is another one. When `make_plan` returns an
    answer, the request is decided with it.
    """
    stored = open_request(connection, request, at, reason=reason)
    if stored.decided or stored.fingerprint != request.fingerprint:
        return stored, []
    is_this = requests.c.request_id == request.id
    # Locked: otherwise two calls with one key could both make a plan.
    text = connection.scalar(select(requests.c.plan).where(is_this).with_for_update())
    if text is not None:
        return stored, [PlannedAppointment(*planned) for planned in json.loads(text)]
    plan = make_plan(connection)
    if isinstance(plan, KeptAnswer):
        return keep_answer(connection, request, at, plan), []
    connection.execute(update(requests).where(is_this).values(plan=json.dumps(plan)))
    for planned in plan:
        open_request(connection, part_of(request, planned), at, reason=reason)
    return stored, plan


def part_of(request: Request, planned: PlannedAppointment) -> Request:
    """The request of one command of the plan. Its id follows from the call's, so a repeat finds its answer."""
    part_id = hashlib.sha256(f"{request.id}/{planned.appointment_id}".encode()).hexdigest()
    return request.model_copy(update={"id": part_id})

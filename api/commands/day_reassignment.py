"""Gives all of a doctor's appointments of today to another doctor: one command for each, and one answer under the call's key."""

import asyncio
import json
from dataclasses import dataclass
from functools import partial

from fastapi import Request as HttpRequest
from sqlalchemy import Connection
from starlette.responses import Response

from patient_visit_engine.api.commands.idempotency import check_same_request, stored_response
from patient_visit_engine.api.dependencies import Dependencies
from patient_visit_engine.api.schema.bodies import ReassignAll
from patient_visit_engine.storage.doctor_days import PlannedAppointment, find_open_appointments, is_active_doctor
from patient_visit_engine.storage.facts import read_appointment
from patient_visit_engine.storage.kept_answers import KeptAnswer, keep_answer
from patient_visit_engine.storage.plans import open_plan, part_of
from patient_visit_engine.storage.requests import StoredRequest, find_request
from patient_visit_engine.visit.appointment import Appointment
from patient_visit_engine.visit.appointment_commands import Reassign
from patient_visit_engine.visit.refusals import AppointmentMismatch, DoctorInactive
from patient_visit_engine.visit.request import Request
from patient_visit_engine.wire import answer_bodies
from patient_visit_engine.wire.problems import problem_body
from patient_visit_engine.wire.refusals import TITLES

#: How many commands of one call are on their way at the same time. More would keep the visits of other patients waiting.
COMMANDS_AT_ONCE = 8


@dataclass(frozen=True)
class DayReassignment:
    """One call. `doctor_id` is the doctor whose appointments move."""

    dependencies: Dependencies
    http: HttpRequest
    request: Request
    doctor_id: int
    body: ReassignAll

    async def run(self) -> Response:
        """Move what can move, and return what did not move, with the reason.

        Raises Undecided. Then the call goes on with the same appointments when it is repeated with the same key.
        """
        dispatcher = self.dependencies.dispatcher
        now = self.dependencies.now()
        opening = partial(open_plan, request=self.request, at=now, reason=self.body.reason, make_plan=self._make_plan)
        stored, plan = await dispatcher.write(self.http, self.body, opening)
        check_same_request(stored, self.request)
        if stored.decided:
            return stored_response(stored)
        codes: list[str | None] = []
        failures: list[BaseException] = []
        for first in range(0, len(plan), COMMANDS_AT_ONCE):
            sent = map(self._reassign, plan[first : first + COMMANDS_AT_ONCE])
            results = await asyncio.gather(*sent, return_exceptions=True)
            failed = [result for result in results if isinstance(result, BaseException)]
            codes += [result for result in results if not isinstance(result, BaseException)]
            failures += failed
            if len(failed) == len(results):
                # While Temporal is away none gets an answer, and so the call ends in time.
                break
        if failures:
            # One patient whose visit gives no answer does not keep the others.
            raise failures[0]
        keeping = partial(keep_answer, request=self.request, at=now, answer=KeptAnswer(200, _to_body(plan, codes)))
        return stored_response(await dispatcher.write(self.http, self.body, keeping))

    def _make_plan(self, connection: Connection) -> list[PlannedAppointment] | KeptAnswer:
        if not is_active_doctor(connection, self.body.doctor_id):
            return KeptAnswer(409, problem_body(409, DoctorInactive().code, TITLES[DoctorInactive]))
        calendar, today = self.dependencies.settings.calendar, self.dependencies.today()
        return find_open_appointments(connection, self.doctor_id, calendar.starts_at(today), calendar.ends_at(today))

    async def _reassign(self, planned: PlannedAppointment) -> str | None:
        """Send one command, unless it has its answer. Returns the code of its refusal, or None when the appointment has moved."""
        dispatcher, part = self.dependencies.dispatcher, part_of(self.request, planned)
        looking = partial(_look_up, part=part, appointment_id=planned.appointment_id, doctor_id=self.body.doctor_id)
        stored, appointment, is_active = await dispatcher.read(self.http, self.body, looking)
        if stored is not None and stored.decided:
            return _code_of(stored_response(stored))
        if appointment.doctor_id not in (self.doctor_id, self.body.doctor_id):
            # Someone has given it to a third doctor since this call began.
            return AppointmentMismatch().code
        command = Reassign(
            request=part, appointment=appointment, doctor_id=self.body.doctor_id, doctor_active=is_active
        )
        return _code_of(await dispatcher.dispatch(command, self.dependencies.today()))


def _look_up(
    connection: Connection, part: Request, appointment_id: int, doctor_id: int
) -> tuple[StoredRequest | None, Appointment, bool]:
    appointment = read_appointment(connection, appointment_id)
    assert appointment is not None, "no program deletes appointments"
    return find_request(connection, part.id), appointment, bool(is_active_doctor(connection, doctor_id))


def _code_of(response: Response) -> str | None:
    if response.status_code == 200:
        return None
    code: str = json.loads(bytes(response.body))["code"]
    return code


def _to_body(plan: list[PlannedAppointment], codes: list[str | None]) -> answer_bodies.ReassignedDay:
    body: answer_bodies.ReassignedDay = {"moved": [], "not_moved": []}
    for planned, code in zip(plan, codes, strict=True):
        moved: answer_bodies.MovedAppointment = {
            "appointment_id": planned.appointment_id,
            "patient_id": planned.patient_id,
        }
        if code is None:
            body["moved"].append(moved)
        else:
            body["not_moved"].append({**moved, "code": code})
    return body

"""The path of a changed appointment: written directly while nothing is open for it, else decided by its patient's visit."""

import json
from contextlib import suppress
from dataclasses import replace
from functools import partial
from uuid import uuid4

from sqlalchemy import Connection
from starlette.responses import Response

from patient_visit_engine.api.commands.record_puts import PutCall, put_problems
from patient_visit_engine.api.problems import NotFound
from patient_visit_engine.api.schema.master_data_requests import PutAppointment
from patient_visit_engine.storage.facts import read_appointment
from patient_visit_engine.storage.master_data.appointments import (
    AppointmentPut,
    OpenInVisitError,
    note_decided,
    write_appointment,
)
from patient_visit_engine.storage.master_data.identifiers import Identifier, RecordKind
from patient_visit_engine.storage.master_data.put_requests import PutRequest
from patient_visit_engine.storage.master_data.records import PutOvertakenError, PutResult
from patient_visit_engine.visit.appointment import Appointment
from patient_visit_engine.visit.appointment_commands import ChangeAppointment
from patient_visit_engine.visit.refusals import AppointmentMismatch


class AppointmentChanges:
    """Changes an appointment as the hospital's own system sends it."""

    def __init__(self, call: PutCall) -> None:
        self._call = call

    async def put(self, target: int | Identifier, body: PutAppointment) -> Response:
        """The appointment as it is then, or the refusal of its patient's visit. Raises Problem and Undecided."""
        request = await self._call.request(RecordKind.appointment, target, body)
        with put_problems():
            result = await self._write(request, body)
        return result if isinstance(result, Response) else await self._call.respond(RecordKind.appointment, result)

    async def _write(self, request: PutRequest, body: PutAppointment) -> PutResult | Response:
        database = self._call.dependencies.database
        appointment = AppointmentPut(
            body.patient_id,
            body.doctor_id,
            body.prestation_id,
            body.scheduled_at,
            body.status,
            body.expected_minutes,
            body.clears_minutes,
        )
        while True:
            try:
                stored = await write_appointment(database, request, appointment, body.references)
                return PutResult(stored.appointment.id, stored.created, stored.applied)
            except OpenInVisitError as error:
                open_in_visit = error
            response = await self._send(open_in_visit, body)
            if response.status_code == 200:
                # The same PUT again finds that nothing differs any more, and notes what was sent. So a crash before this is harmless.
                with suppress(PutOvertakenError):
                    written_patient_id = open_in_visit.fields.patient_id
                    await database.write(note_decided, open_in_visit.put, open_in_visit.appointment, written_patient_id)
                    return PutResult(open_in_visit.put.id, created=False)
                # The decision has changed the version that `If-Match` names.
                request = replace(request, envelope=replace(request.envelope, if_match=None))
                continue
            # Another PUT has given the appointment to another patient, so another visit decides, or none. Or the appointment has
            # another version than the one with which `If-Match` or `as_of` was compared. Each repetition follows another commit, so
            # it ends.
            if json.loads(bytes(response.body)).get("code") != AppointmentMismatch().code:
                return response

    async def _send(self, open_in_visit: OpenInVisitError, body: PutAppointment) -> Response:
        dependencies = self._call.dependencies
        look_up = partial(_look_up, appointment_id=open_in_visit.put.id)
        # A PUT has no Idempotency-Key. It is sent again as a whole, and then changes nothing more.
        prepared = await dependencies.dispatcher.prepare(self._call.caller, uuid4().hex, self._call.http, body, look_up)
        command = ChangeAppointment(
            request=prepared.request,
            appointment=prepared.looked_up,
            fields_sent=open_in_visit.fields,
            version=open_in_visit.version,
        )
        return await dependencies.dispatcher.dispatch(command, dependencies.today())


def _look_up(connection: Connection, appointment_id: int) -> Appointment:
    appointment = read_appointment(connection, appointment_id)
    if appointment is None:
        raise NotFound("appointment")
    return appointment

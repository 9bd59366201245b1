"""The path of a changed appointment: written directly while nothing is open for it, else decided by its patient's visit."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import partial
from uuid import uuid4

from pydantic import BaseModel
from sqlalchemy import Connection
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from patient_visit_engine.api.access.sessions import Caller
from patient_visit_engine.api.commands.dispatcher import CommandDispatcher
from patient_visit_engine.api.problems import NotFound
from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.facts import read_appointment
from patient_visit_engine.storage.master_data.appointments import (
    AppointmentPut,
    OpenInVisitError,
    StoredAppointment,
    write_appointment,
)
from patient_visit_engine.storage.master_data.records import PutContext
from patient_visit_engine.visit.commands import ChangeAppointment
from patient_visit_engine.visit.refusals import AppointmentMismatch
from patient_visit_engine.visit.state import Appointment, AppointmentFields


@dataclass(frozen=True)
class AppointmentSender:
    """Who sends the change of an appointment, with the HTTP request and its body."""

    caller: Caller
    http: HttpRequest
    body: BaseModel


class AppointmentChanges:
    """Changes appointments as the hospital's own system sends them. `today` returns the current day."""

    def __init__(self, database: Database, dispatcher: CommandDispatcher, today: Callable[[], date]) -> None:
        self._database = database
        self._dispatcher = dispatcher
        self._today = today

    async def put(
        self, sender: AppointmentSender, context: PutContext, appointment: AppointmentPut
    ) -> StoredAppointment | Response:
        """The appointment as it is then, or the refusal of its patient's visit.

        Raises like `write_appointment`, except OpenInVisitError, and Undecided.
        """
        while True:
            try:
                return await write_appointment(self._database, context, appointment)
            except OpenInVisitError:
                response = await self._send(sender, context.id, appointment.fields)
            if response.status_code == 200:
                return StoredAppointment(
                    created=False, appointment=await self._database.read_inline(_look_up, context.id)
                )
            # Another PUT has given the appointment to another patient, so another visit decides, or none. Each repetition follows
            # another commit, so it ends.
            if json.loads(bytes(response.body)).get("code") != AppointmentMismatch().code:
                return response

    async def _send(self, sender: AppointmentSender, appointment_id: int, fields: AppointmentFields) -> Response:
        look_up = partial(_look_up, appointment_id=appointment_id)
        # A PUT has no Idempotency-Key. It is sent again as a whole, and then changes nothing more.
        prepared = await self._dispatcher.prepare(sender.caller, uuid4().hex, sender.http, sender.body, look_up)
        command = ChangeAppointment(request=prepared.request, appointment=prepared.looked_up, fields_sent=fields)
        return await self._dispatcher.dispatch(command, self._today())


def _look_up(connection: Connection, appointment_id: int) -> Appointment:
    appointment = read_appointment(connection, appointment_id)
    if appointment is None:
        raise NotFound("appointment")
    return appointment

"""Reads the records of one patient: answers, appointments, trackings, facts and events."""

import json
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Row, select

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.facts import read_appointment, read_facts
from patient_visit_engine.storage.tables import events, patient_trackings, requests
from patient_visit_engine.visit.appointment import Appointment
from patient_visit_engine.visit.facts import Facts
from patient_visit_engine.visit.request import Request
from tests.support.visit_rows import appointment_id
from tests.support.waiting import wait_until_async


class Answer(NamedTuple):
    """The stored answer to one request."""

    status: int
    body: dict[str, Any]


class LoggedEvent(NamedTuple):
    """One event of the log."""

    name: str
    channel: str
    at: datetime
    data: dict[str, Any]


class PatientRecords:
    """Reads what the database has about one patient."""

    def __init__(self, database: Database, patient: int) -> None:
        self.database, self.patient = database, patient

    async def answer(self, request: Request) -> Answer | None:
        """The stored answer; None while there is none."""
        query = select(requests.c.status, requests.c.body).where(requests.c.request_id == request.id)
        row = await self.database.read(lambda connection: connection.execute(query).one_or_none())
        return None if row is None or row.status is None else Answer(row.status, json.loads(row.body or "{}"))

    async def appointment(self, doctor: int) -> Appointment:
        """The stored appointment of the patient with the doctor."""
        appointment = await self.database.read(read_appointment, appointment_id(self.patient, doctor))
        assert appointment is not None
        return appointment

    async def trackings(self) -> list[Row[Any]]:
        """All rows of `patient_trackings`, the oldest first."""
        query = select(patient_trackings).order_by(patient_trackings.c.id)
        return await self.database.read(lambda connection: list(connection.execute(query)))

    async def facts(self) -> Facts:
        """The facts of the patient in the ledger."""
        return await self.database.read(read_facts, self.patient)

    async def events(self, *names: str) -> list[LoggedEvent]:
        """The events of the log; with names, only those."""
        query = select(events).order_by(events.c.seq)
        rows = await self.database.read(lambda connection: list(connection.execute(query)))
        logged = [LoggedEvent(row.name, row.channel, row.at, json.loads(row.data)) for row in rows]
        return [event for event in logged if not names or event.name in names]

    async def wait_for_answer(self, request: Request) -> Answer:
        """Wait until the request has a stored answer."""
        return await wait_until_async(lambda: self.answer(request), "an answer to the request")

    async def wait_for_events(self, name: str) -> list[LoggedEvent]:
        """Wait until the log has an event of this name, and return all of them."""
        return await wait_until_async(lambda: self.events(name), f"{name} in the log")

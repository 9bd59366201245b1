"""Sends commands to the visits of a few persons as the API, the visits and the sweep do, without HTTP and Temporal."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta

from sqlalchemy import Connection, insert

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.facts import read_appointment
from patient_visit_engine.storage.master_data.appointments import (
    AppointmentPut,
    NotReplaceableError,
    OpenInVisitError,
    write_appointment,
)
from patient_visit_engine.storage.master_data.patients import PatientPut, put_patient
from patient_visit_engine.storage.master_data.prestations import PrestationInUseError, PrestationPut, put_prestation
from patient_visit_engine.storage.master_data.records import PutContext
from patient_visit_engine.storage.person_records import read_record
from patient_visit_engine.storage.tables import callers, doctors
from patient_visit_engine.visit.appointment import Appointment
from patient_visit_engine.visit.appointment_commands import ChangeAppointment
from patient_visit_engine.visit.call_commands import CallPatient
from patient_visit_engine.visit.carry_over import visit_ends_at
from patient_visit_engine.visit.commands import (
    Command,
    appointment_of,
    call_of,
    day_of,
    keeps_refusal,
    named_record_of,
    past_tracking_of,
    patient_of,
    retired_record_of,
    walk_in_of,
    with_busy_doctor,
    with_call,
    with_day,
    with_past_tracking,
    with_patient,
    with_retired_record,
    with_walk_in,
)
from patient_visit_engine.visit.patient_commands import Adopt
from patient_visit_engine.visit.person_records import SeenRecord
from patient_visit_engine.visit.policy import decide, decide_on_appointment
from patient_visit_engine.visit.record import LedgerReply, new_person
from patient_visit_engine.visit.request import Request
from patient_visit_engine.visit.state import Limits
from patient_visit_engine.visit.timers import day_is_over, decide_due, next_deadline
from tests.support.builders import A_DOCTORS_ACCOUNT, CALENDAR, a_request
from tests.support.ledger import LedgerDriver, StoredAnswer, stored_answer
from tests.support.person_model import BookedAppointment

#: After so many attempts a test fails instead of looping forever.
MAX_ATTEMPTS = 50
#: A command is sent at most to so many visits: a retired record leads to its survivor, and that to the person of the record.
MAX_HOPS = 4


class PersonVisits:
    """The visits of all patients. Each keeps its own facts, and they can be stale."""

    def __init__(self, database: Database, limits: Limits, now: datetime) -> None:
        self.database, self.limits, self.now = database, limits, now
        self.visits: dict[tuple[int, date], LedgerDriver] = {}
        self._numbers = 0

    def request(self) -> Request:
        """A request with a new key."""
        self._numbers += 1
        return a_request(str(self._numbers))

    # -- commands

    async def look_up(self, appointment_id: int) -> Appointment:
        """The appointment, as the API reads it."""
        appointment = await self.database.read_inline(read_appointment, appointment_id)
        assert appointment is not None
        return appointment

    async def look_up_record(self, record_id: int) -> SeenRecord:
        """The patient record, as the API reads it for a merge."""
        record = await self.database.read_inline(read_record, record_id)
        assert record is not None
        return record

    async def send(self, command: Command) -> StoredAnswer:
        """Send the command to today's visit of its patient, and return the stored answer."""
        await self._send(command)
        return await self.database.read_inline(stored_answer, command.request.id)

    async def call(self, command: CallPatient) -> str | None:
        """Send the call. Returns the code of its refusal, which is not stored. None when the call is granted."""
        reply = await self._send(command)
        return reply.code if reply.answer == "refused" else None

    async def _send(self, command: Command) -> LedgerReply:
        for _ in range(MAX_HOPS):
            reply = await self._handle(self._visit_of(patient_of(command)), command)
            if (person_id := new_person(command, reply)) is None:
                return reply
            self.lose(patient_of(command))
            command = with_patient(command, person_id)
        raise AssertionError(f"moved {MAX_HOPS} times")

    async def _handle(self, visit: LedgerDriver, command: Command) -> LedgerReply:
        """Decide and record the command, or find out that it belongs to another person."""
        appointment = appointment_of(command)
        for _ in range(MAX_ATTEMPTS):
            decision = decide_on_appointment(command, appointment, visit.state, self.now)
            about = {
                "request": command.request,
                "appointment": appointment,
                "retired": retired_record_of(command),
                "past": past_tracking_of(command),
                "day_appointments": day_of(command),
                "walk_in": walk_in_of(command),
                "record_id": named_record_of(command),
                "call": call_of(command),
                "keeps_refusal": keeps_refusal(command),
                "day_starts_at": visit.state.day_starts_at,
                "yesterday_starts_at": visit.state.yesterday_starts_at,
            }
            reply = await visit.record(visit.entry_of(decision).model_copy(update=about))
            # A request that was decided before has its answer, also in the visit of a retired record.
            if not reply.overtaken or new_person(command, reply) is not None:
                return reply
            appointment = reply.appointment or appointment
            command = with_retired_record(with_busy_doctor(command, reply.busy_with), reply.retired)
            command = with_walk_in(with_past_tracking(command, reply.past), reply.walk_in)
            command = with_call(with_day(command, reply.day_appointments), reply.call)
        raise AssertionError(f"overtaken {MAX_ATTEMPTS} times")

    def _visit_of(self, patient_id: int) -> LedgerDriver:
        """Today's visit of the patient, opened with empty facts when there is none."""
        day = CALENDAR.day_of(self.now)
        if (patient_id, day) not in self.visits:
            visit = LedgerDriver(self.database, patient_id=patient_id, day=day, limits=self.limits)
            self.visits[patient_id, day] = visit
        return self.visits[patient_id, day]

    # -- time

    async def pass_time(self, pause: timedelta, *, on_time: bool) -> None:
        """Let time pass. `on_time`: each visit acts at its deadlines, also the visit of the day before."""
        until = self.now + pause
        while on_time and (deadline := self._next_deadline(until)) <= until:
            self.now = deadline
            await self.record_due()
        self.now = until
        ended = [key for key, visit in self.visits.items() if visit_ends_at(visit.state) <= self.now]
        for key in ended:
            del self.visits[key]

    def _next_deadline(self, until: datetime) -> datetime:
        later = until + timedelta(days=1)
        deadlines = (next_deadline(visit.state) for visit in self.visits.values())
        return min((at for at in deadlines if at > self.now), default=later)

    async def record_due(self) -> None:
        """Each visit records what is due, on the facts that it has."""
        for visit in list(self.visits.values()):
            call = None
            for _ in range(MAX_ATTEMPTS):
                if (decision := decide_due(visit.state, self.now, call)) is None:
                    break
                reply = await visit.record(visit.entry_of(decision))
                call = reply.call
                if reply.facts.moved_to is not None:
                    self.lose(visit.state.patient_id)
            else:
                raise AssertionError("there is always one more decision due")
            if day_is_over(visit.state, self.now):
                visit.state = visit.state.model_copy(update={"phase": "closing"})

    async def adopt(self, patient_ids: Iterable[int]) -> None:
        """The sweep makes today's visits take over what is open from earlier days."""
        for patient_id in patient_ids:
            visit = self._visit_of(patient_id)
            await visit.load_facts()
            decision = decide(Adopt(), visit.state, self.now)
            if decision.changes:
                assert not (await visit.record(visit.entry_of(decision))).overtaken

    def lose(self, patient_id: int) -> None:
        """The workflows of the patient are ended. The next message opens today's again."""
        for key in [key for key in self.visits if key[0] == patient_id]:
            del self.visits[key]

    # -- the hospital's own system

    async def feed_appointment(self, appointment_id: int, sent: BookedAppointment) -> tuple[int, str | None]:
        """PUT the appointment. Its patient's visit decides when something is open for it. Returns status and code."""
        put = AppointmentPut(
            patient_id=sent.record_id,
            doctor_id=sent.doctor_id,
            prestation_id=sent.prestation_id,
            scheduled_at=sent.scheduled_at,
            status=sent.status,
        )
        request = self.request()
        context = PutContext(appointment_id, request.id, self.now)
        try:
            stored = await write_appointment(self.database, context, put)
        except NotReplaceableError as refusal:
            return 409, refusal.code
        except OpenInVisitError as open_in_visit:
            appointment = await self.look_up(appointment_id)
            fields = open_in_visit.fields
            answer = await self.send(ChangeAppointment(request=request, appointment=appointment, fields_sent=fields))
            return answer.status, None if answer.status == 200 else answer.body["code"]
        return (201 if stored.created else 200), None

    async def feed_prestation(self, prestation_id: int, *, exclusive: bool) -> bool:
        """PUT the prestation. Returns whether that is possible: not while a consultation of it is in progress."""
        context = PutContext(prestation_id, self.request().id, self.now)
        prestation = PrestationPut(f"Prestation {prestation_id}", exclusive, expected_minutes=20)
        try:
            await self.database.write(put_prestation, context, prestation)
        except PrestationInUseError:
            return False
        return True

    async def feed_patient(self, patient_id: int, last_name: str) -> None:
        """PUT the patient with this name."""
        context = PutContext(patient_id, self.request().id, self.now)
        await self.database.write(put_patient, context, PatientPut("Maria", last_name))


def insert_staff(connection: Connection, doctor_ids: Iterable[int]) -> None:
    """Insert the doctors, and the caller of all requests."""
    connection.execute(insert(doctors), [{"id": number, "name": f"Dr. {number}"} for number in doctor_ids])
    connection.execute(insert(callers).values(id=A_DOCTORS_ACCOUNT, subject="account:3", created_by="3"))

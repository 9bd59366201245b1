"""One hospital with one patient, on a real Temporal server and a real database; it must not know what the tests check."""

import asyncio
import hashlib
import itertools
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row, insert, select
from temporalio.client import WorkflowHandle, WorkflowHistory
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker, WorkflowRunner

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.facts import NameCache, read_appointment, read_facts
from patient_visit_engine.storage.ledger.recording import Ledger
from patient_visit_engine.storage.tables import (
    appointments,
    callers,
    doctors,
    events,
    patient_trackings,
    patients,
    prestations,
    requests,
)
from patient_visit_engine.visit.calendar import local_day
from patient_visit_engine.visit.codes import AppointmentStatus
from patient_visit_engine.visit.commands import (
    CheckIn,
    CheckOut,
    Command,
    CompleteConsultation,
    ExtendConsultation,
    JoinWaitingLine,
    LeaveWaitingLine,
    ReleaseConsultation,
    Request,
    SetAppointmentStatus,
    StartConsultation,
)
from patient_visit_engine.visit.names import visit_id
from patient_visit_engine.visit.state import Appointment, Facts, Limits, VisitState
from patient_visit_engine.worker.builder import CACHED_VISITS, build
from patient_visit_engine.worker.sweep import Sweep
from patient_visit_engine.workflows.patient_visit import PatientVisit
from patient_visit_engine.workflows.visit_client import VisitClient
from tests.support.faulty_ledgers import FaultyLedger

T = TypeVar("T")

PATIENT_NAME = ("Zebulon", "Quarterpole")
DR_AMRANI, DR_BENNIS, DR_CHRAIBI, DR_DAOUDI = 1, 2, 3, 4
#: Forty doctors who want the patient for themselves, one whose imaging runs beside others, one who operates for hours.
CARDIOLOGISTS = range(1, 41)
DR_IMAGING, DR_SURGERY = 41, 42
CARDIOLOGY, IMAGING, SURGERY = 1, 2, 3
DOCTOR_NAMES = {1: "Dr. Amrani", 2: "Dr. Bennis", 3: "Dr. Chraibi", 4: "Dr. Daoudi"}
CARDIOLOGY_MINUTES = 20
A_DAY = timedelta(days=1)
PATIENCE = 15.0


class Answer(NamedTuple):
    """What the ledger kept as the answer to one request."""

    status: int
    body: dict[str, Any]


class Told(NamedTuple):
    """One event of the log."""

    name: str
    channel: str
    at: datetime
    data: dict[str, Any]


def morning(now: datetime) -> ZoneInfo:
    """A time zone in which it is past eight in the morning at `now`: no test meets a midnight it did not ask for."""
    ahead = (8 - now.astimezone(UTC).hour + 12) % 24 - 12
    return ZoneInfo(f"Etc/GMT{-ahead:+d}")


class VisitDriver:
    """A patient, forty-two doctors with an appointment each, and the visits that they go through."""

    def __init__(self, env: WorkflowEnvironment, database: Database, patient: int, *, zone: ZoneInfo | None = None):
        self.env, self.database, self.patient = env, database, patient
        self.ledger = FaultyLedger(Ledger(database))
        self.zone = zone or morning(datetime.now(UTC))
        self.goes_by(Limits())
        self.today = local_day(datetime.now(UTC), self.zone)
        self._queue = f"clinic-{patient}"
        self._keys = itertools.count(1)
        self._worker: Worker | None = None
        self._work: asyncio.Task[None] | None = None

    # -- the house

    def goes_by(self, limits: Limits) -> None:
        """Visits opened from now on go by these time limits."""
        self.limits = limits
        self.visits = VisitClient(
            self.env.client, f"clinic-{self.patient}", self.zone, limits, lambda: datetime.now(UTC)
        )

    async def furnish(self) -> None:
        """Write the patient, the doctors and the appointments into the empty database."""
        await self.database.write(_furnish, self.patient)

    async def hire(self, *, cached: int = CACHED_VISITS, runner: WorkflowRunner | None = None) -> None:
        """Start a worker."""
        self._worker = build(
            self.env.client, self._queue, self.ledger, max_cached_workflows=cached, workflow_runner=runner
        )
        self._work = asyncio.create_task(self._worker.run())

    async def dismiss(self) -> None:
        """Stop the worker, if there is one."""
        if self._worker is not None and self._work is not None:
            await self._worker.shutdown()
            await self._work
        self._worker = self._work = None

    def sweep(self, at: datetime) -> Sweep:
        """The worker's sweep, as it would look at things at the moment `at`."""
        return Sweep(
            self.database,
            self.visits,
            zone=self.zone,
            every=timedelta(minutes=1),
            offers_expire=bool(self.limits.offer),
            retention=timedelta(days=7),
            clock=lambda: at,
        )

    # -- what doctors and desks ask for

    async def start(
        self, doctor: int, *, key: str | None = None, day: date | None = None, wait: bool = False
    ) -> Answer:
        """The doctor presses Start."""
        return await self.send(await self.to_start(doctor, key=key, wait=wait), day)

    async def to_start(self, doctor: int, *, key: str | None = None, wait: bool = False) -> StartConsultation:
        """The command of a start."""
        mine = await self.appointment(doctor)
        return StartConsultation(request=self.request(key), appointment=mine, wait=wait)

    async def complete(self, begun: Answer, *, by: int | None = None, day: date | None = None) -> Answer:
        """The doctor of the consultation, or another, presses Complete."""
        return await self.send(self.to_complete(begun, by=by), day)

    def to_complete(self, begun: Answer, *, by: int | None = None, key: str | None = None) -> CompleteConsultation:
        """The command of a completion."""
        return CompleteConsultation(
            request=self.request(key),
            patient_id=self.patient,
            consultation_id=begun.body["id"],
            doctor_id=by or begun.body["doctor_id"],
        )

    async def extend(self, begun: Answer, minutes: int) -> Answer:
        """The doctor of the consultation takes more time."""
        doctor_id, consultation_id = begun.body["doctor_id"], begun.body["id"]
        asked = ExtendConsultation(
            request=self.request(),
            patient_id=self.patient,
            consultation_id=consultation_id,
            doctor_id=doctor_id,
            minutes=minutes,
        )
        return await self.send(asked)

    async def release(self, begun: Answer) -> Answer:
        """A supervisor ends the consultation."""
        consultation_id = begun.body["id"]
        return await self.send(
            ReleaseConsultation(request=self.request(), patient_id=self.patient, consultation_id=consultation_id)
        )

    async def check_in(self, doctor: int, *, day: date | None = None) -> Answer:
        """The patient arrives for the doctor's appointment."""
        return await self.send(CheckIn(request=self.request(), appointment=await self.appointment(doctor)), day)

    async def check_out(self, doctor: int) -> Answer:
        """The patient leaves without having been seen."""
        return await self.send(CheckOut(request=self.request(), appointment=await self.appointment(doctor)))

    async def set_status(self, doctor: int, status: AppointmentStatus) -> Answer:
        """A desk sets the status of the doctor's appointment."""
        mine = await self.appointment(doctor)
        return await self.send(SetAppointmentStatus(request=self.request(), appointment=mine, status=status))

    async def wait(self, doctor: int, *, day: date | None = None) -> Answer:
        """The doctor joins the waiting line."""
        return await self.send(JoinWaitingLine(request=self.request(), appointment=await self.appointment(doctor)), day)

    async def leave(self, doctor: int) -> Answer:
        """The doctor leaves the waiting line."""
        return await self.send(LeaveWaitingLine(request=self.request(), appointment=await self.appointment(doctor)))

    async def send(self, command: Command, day: date | None = None) -> Answer:
        """Have the visit carry out the command as an Update; the answer that the ledger then holds."""
        await self.visits.update(self.patient, day or self.today, command, command.request.id)
        answer = await self.answer(command.request)
        assert answer is not None, "decided without an answer"
        return answer

    def request(self, key: str | None = None) -> Request:
        """A request under the idempotency key, or under one of its own."""
        told_apart = f"{self.patient}/{key or next(self._keys)}"
        return Request(id=hashlib.sha256(told_apart.encode()).hexdigest(), caller_id=2, fingerprint="f" * 64)

    # -- what can be seen afterwards

    async def answer(self, request: Request) -> Answer | None:
        """The kept answer; None while there is none."""
        query = select(requests.c.status, requests.c.body).where(requests.c.request_id == request.id)
        row = await self.database.read(lambda connection: connection.execute(query).one_or_none())
        return None if row is None or row.status is None else Answer(row.status, json.loads(row.body or "{}"))

    async def appointment(self, doctor: int) -> Appointment:
        """The patient's appointment with the doctor as it is stored."""
        found = await self.database.read(read_appointment, appointment_id(self.patient, doctor), NameCache())
        assert found is not None
        return found

    async def trackings(self) -> list[Row[Any]]:
        """All rows of `patient_trackings`, the oldest first."""
        query = select(patient_trackings).order_by(patient_trackings.c.id)
        return await self.database.read(lambda connection: list(connection.execute(query)))

    async def facts(self) -> Facts:
        """What is open for the patient, as the ledger has it."""
        return await self.database.read(read_facts, self.patient, NameCache())

    async def told(self, *names: str) -> list[Told]:
        """The log, or its events of these names."""
        query = select(events).order_by(events.c.seq)
        rows = await self.database.read(lambda connection: list(connection.execute(query)))
        everything = [Told(row.name, row.channel, row.at, json.loads(row.data)) for row in rows]
        return [event for event in everything if not names or event.name in names]

    def visit(self, day: date | None = None) -> WorkflowHandle[Any, Any]:
        """The day's workflow, whichever run it is in."""
        return self.env.client.get_workflow_handle(visit_id(self.patient, day or self.today))

    async def snapshot(self, day: date | None = None) -> VisitState:
        """What the visit itself knows."""
        return await self.visit(day).query(PatientVisit.snapshot)

    async def histories(self, day: date | None = None) -> list[WorkflowHistory]:
        """The histories of all runs of the day's visit, the first one first."""
        found: list[WorkflowHistory] = []
        run_id: str | None = None
        while run_id != "":
            handle = self.env.client.get_workflow_handle(self.visit(day).id, run_id=run_id)
            found.insert(0, await handle.fetch_history())
            run_id = found[0].events[0].workflow_execution_started_event_attributes.continued_execution_run_id
        return found

    # -- time

    async def now(self, day: date | None = None) -> datetime:
        """The moment that it is for the day's visit."""
        return await self.env.get_current_time(self.visit(day))

    async def time_passes(self, *, until: datetime, day: date | None = None) -> None:
        """Skip the visit's time to `until`; what falls due before has then happened."""
        await self.env.fast_forward(self.visit(day), until - await self.now(day))

    async def eventually(self, look: Callable[[], Awaitable[T | None]]) -> T:
        """The first thing that `look` finds, which is neither None nor False nor empty."""
        async with asyncio.timeout(PATIENCE):
            while True:
                if found := await look():
                    return found
                await asyncio.sleep(0.02)


def appointment_id(patient: int, doctor: int) -> int:
    """The id of the patient's only appointment with the doctor."""
    return patient * 100 + doctor


def _furnish(connection: Connection, patient: int) -> None:
    first, last = PATIENT_NAME
    of_doctor = {DR_IMAGING: IMAGING, DR_SURGERY: SURGERY}
    everybody = (*CARDIOLOGISTS, DR_IMAGING, DR_SURGERY)
    connection.execute(insert(patients).values(id=patient, first_name=first, last_name=last))
    connection.execute(insert(doctors), [{"id": d, "name": DOCTOR_NAMES.get(d, f"Dr. Number {d}")} for d in everybody])
    offered = [
        (CARDIOLOGY, "Cardiology", True, CARDIOLOGY_MINUTES),
        (IMAGING, "Radiography", False, 15),
        (SURGERY, "Open surgery", True, 24 * 60),
    ]
    columns = ("id", "name", "exclusive", "expected_minutes")
    connection.execute(insert(prestations), [dict(zip(columns, row, strict=True)) for row in offered])
    booked = [
        {
            "id": appointment_id(patient, doctor),
            "patient_id": patient,
            "doctor_id": doctor,
            "prestation_id": of_doctor.get(doctor, CARDIOLOGY),
            "scheduled_at": datetime.now(UTC),
            "status": AppointmentStatus.confirmed.value,
        }
        for doctor in everybody
    ]
    connection.execute(insert(appointments), booked)
    connection.execute(insert(callers).values(id=2, subject="7", created_by="7"))

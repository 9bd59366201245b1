"""Sends commands to the visits of one patient, on a real Temporal server and a real database."""

import asyncio
import hashlib
import itertools
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle, WorkflowHistory
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker, WorkflowRunner

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.day_appointments import read_day_appointments
from patient_visit_engine.storage.doctor_calls import read_call
from patient_visit_engine.storage.ledger.recording import SqlLedger
from patient_visit_engine.storage.past_trackings import read_past_tracking
from patient_visit_engine.visit.appointment import AppointmentFields
from patient_visit_engine.visit.appointment_commands import (
    CancelAppointment,
    ChangeAppointment,
    CheckIn,
    CheckOut,
    JoinWaitingLine,
    LeaveWaitingLine,
    Reassign,
    SetAppointmentStatus,
    SetPriority,
    UndoCancel,
    UndoCheckIn,
    UndoCheckOut,
)
from patient_visit_engine.visit.calendar import HospitalCalendar
from patient_visit_engine.visit.call_commands import CallPatient, NoAnswer
from patient_visit_engine.visit.codes import AppointmentStatus, CancelReason
from patient_visit_engine.visit.commands import Command, PatientCommand
from patient_visit_engine.visit.consultation_commands import (
    CompleteConsultation,
    ExtendConsultation,
    Pause,
    ReleaseConsultation,
    Reopen,
    Resume,
    StartConsultation,
    Transfer,
    UndoStart,
)
from patient_visit_engine.visit.day_appointments import DayAppointments
from patient_visit_engine.visit.doctor_call import DoctorCall
from patient_visit_engine.visit.names import visit_id
from patient_visit_engine.visit.past_tracking import PastTracking
from patient_visit_engine.visit.patient_commands import OpenWalkIn
from patient_visit_engine.visit.request import Request
from patient_visit_engine.visit.state import Limits, VisitState
from patient_visit_engine.wire.field_types import LOWEST_MINTED_ID
from patient_visit_engine.worker.builder import CACHED_VISITS, build
from patient_visit_engine.worker.sweep import Sweep
from patient_visit_engine.workflows.patient_visit import PatientVisit
from patient_visit_engine.workflows.visit_client import VisitClient
from patient_visit_engine.workflows.visit_rescue import VisitRescue
from tests.support.builders import move_appointments
from tests.support.clocks import morning_zone
from tests.support.faulty_ledgers import FaultyLedger
from tests.support.patient_records import Answer, PatientRecords
from tests.support.visit_rows import CALLER, insert_patient
from tests.support.waiting import wait_until_async


def visits_in_memory(*counts: int) -> object:
    """A fixture with how many visits the worker keeps in memory. With 0 it rebuilds the visit from its history for every message."""

    @pytest.fixture(params=counts, ids=lambda count: "cached" if count else "uncached")
    def cached_visits(request: pytest.FixtureRequest) -> int:
        """How many visits the worker keeps in memory."""
        count: int = request.param
        return count

    return cached_visits


class VisitDriver(PatientRecords):
    """One patient with an appointment with each of 42 doctors, a worker, and the patient's visits."""

    def __init__(self, environment: WorkflowEnvironment, database: Database, patient: int) -> None:
        super().__init__(database, patient)
        self.environment = environment
        self.ledger = FaultyLedger(SqlLedger(database))
        self.calendar = HospitalCalendar(morning_zone())
        self.set_limits(Limits())
        self.today = self.calendar.day_of(datetime.now(UTC))
        #: How far the clock of the client is ahead, for visits whose time was skipped.
        self.clock_ahead = timedelta(0)
        self._keys = itertools.count(1)
        self._worker: Worker | None = None
        self._worker_task: asyncio.Task[None] | None = None

    # -- set-up

    def set_limits(self, limits: Limits) -> None:
        """Use these limits, and the current `calendar`, for visits that are opened from now on."""
        self.limits = limits
        self.client = VisitClient(
            self.environment.client,
            self._task_queue,
            self.calendar,
            limits,
            lambda: datetime.now(UTC) + self.clock_ahead,
        )
        self.visit_rescue = VisitRescue(self.environment.client, self.client, self._task_queue)

    @property
    def _task_queue(self) -> str:
        return f"visits-{self.patient}"

    async def insert_patient(self) -> None:
        """Write the patient, the doctors and the appointments into the empty database."""
        await self.database.write(insert_patient, self.patient)

    async def start_worker(self, *, cached: int = CACHED_VISITS, runner: WorkflowRunner | None = None) -> None:
        """Start a worker that keeps at most `cached` visits in memory."""
        self._worker = build(
            self.environment.client,
            self._task_queue,
            self.ledger,
            max_cached_workflows=cached,
            workflow_runner=runner,
        )
        self._worker_task = asyncio.create_task(self._worker.run())

    async def stop_worker(self) -> None:
        """Stop the worker, if there is one."""
        if self._worker is not None and self._worker_task is not None:
            await self._worker.shutdown()
            await self._worker_task
        self._worker = self._worker_task = None

    async def sweep(self, now: datetime) -> None:
        """Run the worker's sweep once, as it would run at `now`."""
        sweep = Sweep(
            self.database,
            self.client,
            self.visit_rescue,
            calendar=self.calendar,
            every=timedelta(minutes=1),
            offers_expire=bool(self.limits.offer),
            retention=timedelta(days=7),
            now=lambda: now,
        )
        await sweep.run_round()

    # -- commands

    async def start(
        self, doctor: int, *, key: str | None = None, day: date | None = None, wait: bool = False
    ) -> Answer:
        """The doctor starts the consultation. With `day`, all appointments are moved to that day before."""
        if day is not None:
            await self.book(day)
        return await self.send(await self.start_command(doctor, key=key, wait=wait), day)

    async def book(self, day: date) -> None:
        """All appointments are for this day now."""
        await self.database.write(move_appointments, self.calendar.starts_at(day) + timedelta(hours=1))

    async def start_command(self, doctor: int, *, key: str | None = None, wait: bool = False) -> StartConsultation:
        """The command of a start."""
        return StartConsultation(request=self.request(key), appointment=await self.appointment(doctor), wait=wait)

    async def complete(self, start: Answer, *, by: int | None = None, day: date | None = None) -> Answer:
        """The holder, or the doctor `by`, completes the consultation."""
        return await self.send(self.complete_command(start, by=by), day)

    def complete_command(self, start: Answer, *, by: int | None = None) -> CompleteConsultation:
        """The command of a completion."""
        return CompleteConsultation(
            request=self.request(),
            patient_id=self.patient,
            consultation_id=start.body["id"],
            doctor_id=by or start.body["doctor_id"],
        )

    async def extend(self, start: Answer, minutes: int) -> Answer:
        """The holder extends the consultation."""
        command = ExtendConsultation(
            request=self.request(),
            patient_id=self.patient,
            consultation_id=start.body["id"],
            doctor_id=start.body["doctor_id"],
            minutes=minutes,
        )
        return await self.send(command)

    async def release(self, start: Answer) -> Answer:
        """A supervisor releases the consultation."""
        return await self.send(self.release_command(start))

    async def undo_start(self, start: Answer) -> Answer:
        """A supervisor takes back the start."""
        past = await self._past(start.body["appointment_id"])
        consultation_id = start.body["id"]
        return await self.send(
            UndoStart(request=self.request(), patient_id=self.patient, consultation_id=consultation_id, past=past)
        )

    async def pause(self, start: Answer) -> Answer:
        """The holder pauses the consultation."""
        return await self.send(
            Pause(
                request=self.request(),
                patient_id=self.patient,
                consultation_id=start.body["id"],
                doctor_id=start.body["doctor_id"],
            )
        )

    async def resume(self, start: Answer, doctor: int) -> Answer:
        """The doctor of the paused consultation goes on with it."""
        appointment = await self.appointment(doctor)
        return await self.send(
            Resume(request=self.request(), appointment=appointment, consultation_id=start.body["id"])
        )

    async def reopen(self, start: Answer, doctor: int) -> Answer:
        """A supervisor takes back the completion of the doctor's consultation."""
        appointment = await self.appointment(doctor)
        past = await self._past(appointment.id)
        consultation_id = start.body["id"]
        return await self.send(
            Reopen(request=self.request(), appointment=appointment, consultation_id=consultation_id, past=past)
        )

    async def cancel(self, doctor: int, reason: CancelReason) -> Answer:
        """Reception cancels the doctor's appointment."""
        appointment = await self.appointment(doctor)
        return await self.send(CancelAppointment(request=self.request(), appointment=appointment, reason=reason))

    async def undo_cancel(self, doctor: int) -> Answer:
        """Reception takes back the cancellation of the doctor's appointment."""
        appointment = await self.appointment(doctor)
        past = await self._past(appointment.id)
        return await self.send(UndoCancel(request=self.request(), appointment=appointment, past=past))

    async def undo_check_in(self, doctor: int) -> Answer:
        """Reception takes back the check-in for the doctor's appointment."""
        appointment = await self.appointment(doctor)
        past = await self._past(appointment.id)
        return await self.send(UndoCheckIn(request=self.request(), appointment=appointment, past=past))

    async def undo_check_out(self, doctor: int) -> Answer:
        """Reception takes back the check-out of the doctor's appointment."""
        appointment = await self.appointment(doctor)
        past = await self._past(appointment.id)
        return await self.send(UndoCheckOut(request=self.request(), appointment=appointment, past=past))

    async def of_patient(self, command: type[PatientCommand]) -> Answer:
        """Reception checks the patient in or out for all appointments of the day, or takes it back."""
        today, calendar = self.today, self.calendar
        day = DayAppointments(day=today, starts_at=calendar.starts_at(today), ends_at=calendar.ends_at(today))
        appointments = await self.database.read(read_day_appointments, self.patient, day)
        return await self.send(command(request=self.request(), patient_id=self.patient, day=appointments))

    async def walk_in(self, doctor: int) -> Answer:
        """The patient gets a second appointment with the doctor, for now."""
        booked = await self.appointment(doctor)
        walk_in = booked.model_copy(update={"id": LOWEST_MINTED_ID + booked.id})
        return await self.send(OpenWalkIn(request=self.request(), walk_in=walk_in))

    async def _past(self, appointment_id: int) -> PastTracking:
        past = await self.database.read(read_past_tracking, appointment_id)
        assert past is not None
        return past

    def release_command(self, start: Answer) -> ReleaseConsultation:
        """The command of a release."""
        return ReleaseConsultation(request=self.request(), patient_id=self.patient, consultation_id=start.body["id"])

    async def check_in(self, doctor: int, *, day: date | None = None) -> Answer:
        """Reception checks the patient in for the doctor's appointment."""
        return await self.send(CheckIn(request=self.request(), appointment=await self.appointment(doctor)), day)

    async def check_out(self, doctor: int) -> Answer:
        """Reception checks the patient out without a consultation."""
        return await self.send(CheckOut(request=self.request(), appointment=await self.appointment(doctor)))

    async def set_status(self, doctor: int, status: AppointmentStatus) -> Answer:
        """Reception sets the status of the doctor's appointment."""
        appointment = await self.appointment(doctor)
        return await self.send(SetAppointmentStatus(request=self.request(), appointment=appointment, status=status))

    async def set_priority(self, doctor: int, priority: int | None) -> Answer:
        """Reception sets the priority of the doctor's appointment."""
        appointment = await self.appointment(doctor)
        return await self.send(SetPriority(request=self.request(), appointment=appointment, priority=priority))

    async def reassign(self, doctor: int, other: int) -> Answer:
        """Reception gives the doctor's appointment to the other doctor."""
        appointment = await self.appointment(doctor)
        return await self.send(Reassign(request=self.request(), appointment=appointment, doctor_id=other))

    async def transfer(self, start: Answer, doctor: int, other: int) -> Answer:
        """A supervisor transfers the consultation of the doctor to the other doctor."""
        return await self.send(await self.transfer_command(start, doctor, other))

    async def transfer_command(self, start: Answer, doctor: int, other: int) -> Transfer:
        """The command of `transfer`, which is not sent yet."""
        return Transfer(
            request=self.request(),
            appointment=await self.appointment(doctor),
            consultation_id=start.body["id"],
            to_doctor_id=other,
        )

    async def call(self, doctor: int) -> Answer:
        """The doctor calls the patient."""
        command = CallPatient(
            request=self.request(), appointment=await self.appointment(doctor), call=await self._last_call(doctor)
        )
        return await self.send(command)

    async def no_answer(self, doctor: int) -> Answer:
        """The patient whom the doctor has called does not come."""
        call = await self._last_call(doctor)
        appointment = await self.appointment(doctor)
        command = NoAnswer(request=self.request(), appointment=appointment, call=call, called_at=call.called_at)
        return await self.send(command)

    async def _last_call(self, doctor: int) -> DoctorCall:
        last = await self.database.read(read_call, doctor, self.today)
        assert last is not None
        return last.call

    async def change(self, doctor: int, **fields: Any) -> Answer:
        """The hospital's own system changes these fields of the doctor's appointment."""
        appointment, changed = await self.appointment(doctor), AppointmentFields(**fields)
        return await self.send(ChangeAppointment(request=self.request(), appointment=appointment, fields_sent=changed))

    async def wait(self, doctor: int, *, day: date | None = None) -> Answer:
        """The doctor joins the waiting line."""
        return await self.send(JoinWaitingLine(request=self.request(), appointment=await self.appointment(doctor)), day)

    async def leave(self, doctor: int) -> Answer:
        """The doctor leaves the waiting line."""
        return await self.send(LeaveWaitingLine(request=self.request(), appointment=await self.appointment(doctor)))

    async def send(self, command: Command, day: date | None = None) -> Answer:
        """Send the command to the visit as an Update, and return the stored answer."""
        await self.client.update(self.patient, day or self.today, command, command.request.id)
        answer = await self.answer(command.request)
        assert answer is not None, "the visit decided but the ledger has no answer"
        return answer

    async def send_and_follow(self, command: Command) -> Answer:
        """Send the command, also to the visit of the person who has its record now, and return the stored answer."""
        await self.client.send(self.patient, self.today, command, command.request.id)
        return await self.wait_for_answer(command.request)

    async def send_signal(self, command: Command, day: date | None = None) -> None:
        """Send the command to the visit as a Signal, which has no reply."""
        await self.client.signal(self.patient, day or self.today, command)

    def request(self, key: str | None = None) -> Request:
        """A request with this Idempotency-Key, or with a new one."""
        unique_key = f"{self.patient}/{key or next(self._keys)}"
        return Request(id=hashlib.sha256(unique_key.encode()).hexdigest(), caller_id=CALLER, fingerprint="f" * 64)

    # -- workflows

    def workflow(self, day: date | None = None) -> WorkflowHandle[Any, Any]:
        """The workflow of the day's visit, in its latest run."""
        return self.environment.client.get_workflow_handle(visit_id(self.patient, day or self.today))

    async def snapshot(self, day: date | None = None) -> VisitState:
        """The state of the visit in its workflow."""
        return await self.workflow(day).query(PatientVisit.snapshot)

    async def histories(self, day: date | None = None) -> list[WorkflowHistory]:
        """The histories of all runs of the day's visit, the first run first."""
        histories: list[WorkflowHistory] = []
        run_id: str | None = None
        while run_id != "":
            handle = self.environment.client.get_workflow_handle(self.workflow(day).id, run_id=run_id)
            histories.insert(0, await handle.fetch_history())
            run_id = histories[0].events[0].workflow_execution_started_event_attributes.continued_execution_run_id
        return histories

    async def has_failed_call(self) -> bool:
        """Whether the visit has given up a call to the ledger: its history has the failure of a local activity."""
        markers = [
            event.marker_recorded_event_attributes
            for event in (await self.workflow().fetch_history()).events
            if event.HasField("marker_recorded_event_attributes")
        ]
        return any(marker.HasField("failure") for marker in markers)

    # -- time

    async def now(self, day: date | None = None) -> datetime:
        """The current moment of the day's visit, which time skipping can move into the future."""
        return await self.environment.get_current_time(self.workflow(day))

    async def skip_time(self, *, until: datetime, day: date | None = None) -> None:
        """Skip the visit's time to `until`. All timers that are due before then have fired."""
        await self.environment.fast_forward(self.workflow(day), until - await self.now(day))

    async def wait_until_closed(self, day: date) -> None:
        """Wait until the workflow of that day has ended."""

        async def is_closed() -> bool:
            return (await self.workflow(day).describe()).status is WorkflowExecutionStatus.COMPLETED

        await wait_until_async(is_closed, f"the visit of {day} is closed")

    async def wait_until_blocked(self) -> None:
        """Wait until a call is blocked in the faulty ledger."""
        await wait_until_async(lambda: self.ledger.waiting > 0, "a call that is blocked in the ledger")

"""Sends each command to the visits of one patient, and returns the stored answer."""

import hashlib
import itertools
from datetime import UTC, date, datetime, timedelta
from typing import Any

from patient_visit_engine.storage.database import Database
from patient_visit_engine.storage.day_appointments import read_day_appointments
from patient_visit_engine.storage.doctor_calls import read_call
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
from patient_visit_engine.visit.past_tracking import PastTracking
from patient_visit_engine.visit.patient_commands import OpenWalkIn
from patient_visit_engine.visit.request import Request
from patient_visit_engine.wire.field_types import LOWEST_MINTED_ID
from patient_visit_engine.workflows.visit_client import VisitClient
from tests.support.builders import move_appointments
from tests.support.clocks import morning_zone
from tests.support.patient_records import Answer, PatientRecords
from tests.support.visit_rows import CALLER


class VisitCommands(PatientRecords):
    """The commands of one patient, who has an appointment with each of 42 doctors. A subclass sets the `client`."""

    client: VisitClient

    def __init__(self, database: Database, patient: int) -> None:
        super().__init__(database, patient)
        self.calendar = HospitalCalendar(morning_zone())
        self.today = self.calendar.day_of(datetime.now(UTC))
        self._keys = itertools.count(1)

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
        return await self.send(await self.reopen_command(start, doctor))

    async def reopen_command(self, start: Answer, doctor: int) -> Reopen:
        """The command of `reopen`, which is not sent yet."""
        appointment = await self.appointment(doctor)
        past = await self._past(appointment.id)
        return Reopen(request=self.request(), appointment=appointment, consultation_id=start.body["id"], past=past)

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
        return await self.send(await self.check_out_command(doctor))

    async def check_out_command(self, doctor: int) -> CheckOut:
        """The command of a check-out, as it is read while the patient is checked in."""
        return CheckOut(request=self.request(), appointment=await self.appointment(doctor))

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

"""What transfers, corrections, walk-ins and whole arrivals do in the small model of a few persons."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from patient_visit_engine.visit.codes import AppointmentStatus
from tests.support.person_model import CLOSED, BookedAppointment, Expected, PersonModel, RunningConsultation

UNDO_WITHIN = timedelta(minutes=5)


@dataclass(frozen=True)
class AppointmentPast:
    """What the tables say about an appointment's past. `outcome` is None unless its latest tracking is of its person and has ended."""

    earlier_status: AppointmentStatus = AppointmentStatus.confirmed
    canceled_at: datetime | None = None
    outcome: str | None = None
    consultation_id: str | None = None
    started_at: datetime | None = None
    #: When the patient arrived, and whether that was before the start.
    check_in_time: datetime | None = None
    was_checked_in: bool = True
    ended_at: datetime | None = None

    @property
    def check_in_ended_as(self) -> str | None:
        """How the latest check-in ended without a consultation."""
        return self.outcome if self.consultation_id is None else None


class PersonDayModel(PersonModel):
    """The model with everything that a clinic does in a day."""

    def transfer(self, consultation_id: str, to_doctor_id: int, by: int | None) -> Expected:
        """The doctor `by`, or a supervisor, transfers the consultation."""
        if consultation_id not in self.consultations:
            return 409, "consultation_ended"
        consultation = self.consultations[consultation_id]
        if by not in (None, consultation.doctor_id):
            return 403, "not_yours"
        self.finish(consultation_id, "transferred")
        self._wait(consultation.appointment_id, consultation.arrived_at or consultation.started_at)
        self.appointments[consultation.appointment_id].doctor_id = to_doctor_id
        return 200, None

    def undo_start(self, consultation_id: str, by: int | None, past: AppointmentPast, now: datetime) -> Expected:
        """The doctor `by`, or a supervisor, takes back the start."""
        if consultation_id not in self.consultations:
            return (200, None) if self.outcomes[consultation_id] == "mistaken" else (409, "consultation_ended")
        consultation = self.consultations[consultation_id]
        if by not in (None, consultation.doctor_id):
            return 403, "not_yours"
        if by is not None and now - consultation.started_at > UNDO_WITHIN:
            return 409, "too_late"
        self.finish(consultation_id, "mistaken")
        self.appointments[consultation.appointment_id].status = past.earlier_status
        if consultation.arrived_at is not None:
            self._wait(consultation.appointment_id, consultation.arrived_at)
        return 200, None

    def reopen(
        self, consultation_id: str, appointment_id: int, past: AppointmentPast, *, is_in_time: bool, now: datetime
    ) -> Expected:
        """The doctor of the appointment, or a supervisor, takes back the completion. `is_in_time`: it is not too late."""
        if consultation_id in self.consultations:
            return 200, None
        if past.outcome != "done" or past.consultation_id != consultation_id:
            return 409, "consultation_ended"
        if not is_in_time:
            return 409, "too_late"
        appointment = self.appointments[appointment_id]
        exclusive = self.exclusive[appointment.prestation_id]
        if exclusive and self.exclusive_of(self.person_of(appointment_id)):
            return 409, "patient_in_consultation"
        del self.outcomes[consultation_id]
        self.both_at_merge.discard(consultation_id)
        self.running[consultation_id] = RunningConsultation(
            appointment_id=appointment_id,
            doctor_id=appointment.doctor_id,
            exclusive=exclusive,
            started_at=past.started_at or now,
            arrived_at=past.check_in_time if past.was_checked_in else None,
        )
        appointment.status = AppointmentStatus.in_progress
        return 200, None

    def undo_cancel(self, appointment_id: int, past: AppointmentPast, *, is_same_day: bool) -> Expected:
        """The desk takes back a cancellation."""
        appointment = self.appointments[appointment_id]
        if self.consultation_of(appointment_id) is not None:
            return 409, "appointment_in_progress"
        if appointment.status is AppointmentStatus.done:
            return 409, "appointment_closed"
        if appointment.status is not AppointmentStatus.canceled:
            return 200, None
        if past.canceled_at is None or not is_same_day:
            return 409, "too_late"
        appointment.status = past.earlier_status
        if past.outcome == "cancelled" and past.ended_at == past.canceled_at and past.check_in_time is not None:
            self._wait(appointment_id, past.check_in_time)
        return 200, None

    def undo_check_in(self, appointment_id: int, past: AppointmentPast) -> Expected:
        """The desk takes back the check-in for one appointment."""
        if self.consultation_of(appointment_id) is not None:
            return 409, "appointment_in_progress"
        if appointment_id in self.pending:
            self._leave(appointment_id, past.earlier_status)
            return 200, None
        return (200, None) if past.check_in_ended_as == "mistaken" else (409, "not_checked_in")

    def undo_check_out(self, appointment_id: int, past: AppointmentPast, *, is_same_day: bool) -> Expected:
        """The desk takes back the check-out from one appointment."""
        if self.consultation_of(appointment_id) is not None:
            return 409, "appointment_in_progress"
        if appointment_id in self.pending:
            return 200, None
        if self.appointments[appointment_id].status in CLOSED:
            return 409, "appointment_closed"
        if past.check_in_ended_as != "left" or past.check_in_time is None:
            return 409, "not_checked_out"
        if not is_same_day:
            return 409, "too_late"
        self._wait(appointment_id, past.check_in_time)
        return 200, None

    def walk_in(self, appointment_id: int, booked: BookedAppointment, sent_by: int | None) -> Expected:
        """Reception, or the doctor `sent_by`, adds the appointment of a patient who has come without one."""
        person = self.survivors[booked.record_id]
        senders = {
            each.doctor_id for each in self.consultations.values() if self.person_of(each.appointment_id) == person
        }
        if sent_by not in (None, booked.doctor_id, *senders):
            return 403, "not_yours"
        self.appointments[appointment_id] = booked
        self._wait(appointment_id, booked.scheduled_at)
        return 201, None

    def check_in_patient(self, person: int, today: Iterable[int], now: datetime) -> Expected:
        """The patient arrives. `today` are all appointments of the day."""
        waiting = self.waiting_of(person)
        new = [
            number
            for number in today
            if self.person_of(number) == person
            and number not in waiting
            and self.consultation_of(number) is None
            and self.appointments[number].status not in CLOSED
        ]
        if not (waiting or new or self.is_in_consultation(person)):
            return 409, "nothing_open"
        for number in new:
            self._wait(number, now)
        return 200, None

    def check_out_patient(self, person: int) -> Expected:
        """The patient leaves without being seen."""
        if self.is_in_consultation(person):
            return 409, "appointment_in_progress"
        waiting = self.waiting_of(person)
        for number in waiting:
            self._leave(number, AppointmentStatus.confirmed)
        return (200, None) if waiting else (409, "nothing_open")

    def undo_check_in_patient(
        self, person: int, pasts: dict[int, AppointmentPast], day: date, day_of: dict[int, date]
    ) -> Expected:
        """The patient is not here. `day_of` are the days of the check-ins that are open, or whose latest one ended as `mistaken`."""
        if self.is_in_consultation(person):
            return 409, "appointment_in_progress"
        waiting = self.waiting_of(person)
        arrived = [number for number in waiting if day_of[number] == day]
        for number in arrived:
            self._leave(number, pasts[number].earlier_status)
        if arrived:
            return 200, None
        undone = [number for number, past in pasts.items() if past.check_in_ended_as == "mistaken"]
        was_today = any(day_of[number] == day for number in undone if self.person_of(number) == person)
        return (200, None) if was_today and not waiting else (409, "not_checked_in")

    def undo_check_out_patient(
        self, person: int, pasts: dict[int, AppointmentPast], left_at: datetime | None
    ) -> Expected:
        """The patient is still here. `left_at` is the latest check-out of the day."""
        if left_at is None:
            return 409, "not_checked_out"
        left = [
            number
            for number, past in pasts.items()
            if self.person_of(number) == person and past.check_in_ended_as == "left" and past.ended_at == left_at
        ]
        if not left and self.waiting_of(person):
            return 200, None
        again = [number for number in left if self.appointments[number].status not in CLOSED]
        if not again:
            return 409, "appointment_closed" if left else "not_checked_out"
        for number in again:
            if (arrived_at := pasts[number].check_in_time) is not None:
                self._wait(number, arrived_at)
        return 200, None

    def waiting_of(self, person: int) -> list[int]:
        """The appointments for which the person is checked in."""
        return [number for number in self.pending if self.person_of(number) == person]

    def is_in_consultation(self, person: int) -> bool:
        """Whether a consultation of the person is in progress or paused."""
        return any(self.person_of(each.appointment_id) == person for each in self.consultations.values())

    def _wait(self, appointment_id: int, arrived_at: datetime) -> None:
        self.pending[appointment_id] = arrived_at
        self.appointments[appointment_id].status = AppointmentStatus.pending

    def _leave(self, appointment_id: int, status: AppointmentStatus) -> None:
        del self.pending[appointment_id]
        self.appointments[appointment_id].status = status

"""What the senders of corrections and arrivals have read: the past of an appointment, a walk-in, the appointments of a day."""

from datetime import date
from typing import Any

from patient_visit_engine.storage.day_appointments import read_day_appointments
from patient_visit_engine.storage.past_trackings import read_past_tracking
from patient_visit_engine.storage.walk_ins import read_walk_in
from patient_visit_engine.visit.appointment import Appointment
from patient_visit_engine.visit.codes import AppointmentStatus
from patient_visit_engine.visit.day_appointments import DayAppointments
from patient_visit_engine.visit.past_tracking import PastTracking
from tests.support.builders import CALENDAR
from tests.support.checked_persons import CheckedPersons
from tests.support.person_day_model import AppointmentPast


class PersonReads(CheckedPersons):
    """The reads. Each is of now, or of some time ago."""

    def is_of_patient(self, read: Appointment) -> bool:
        """Whether the appointment is still of the person or of the record that the client has read."""
        return self.is_same(read.model_copy(update={"doctor_id": self.model.appointments[read.id].doctor_id}))

    def is_now(self, at: Any) -> bool:
        """Whether the time is on the present day."""
        return CALENDAR.day_of(at) == CALENDAR.day_of(self.visits.now)

    def past_of(self, appointment: int) -> AppointmentPast:
        """The past of the appointment in the tables."""
        booked = self.picture.appointments[appointment]
        earlier = AppointmentStatus.confirmed if booked.earlier_status is None else booked.earlier_status
        before = {"earlier_status": AppointmentStatus(earlier), "canceled_at": booked.canceled_at}
        latest = [row for row in self.picture.trackings if row.appointment_id == appointment][-1:]
        for row in latest:
            if row.status == "completed" and row.person_id == self.model.person_of(appointment):
                return AppointmentPast(
                    **before,
                    outcome=row.outcome,
                    consultation_id=row.consultation_id,
                    started_at=row.started_at,
                    check_in_time=row.check_in_time,
                    was_checked_in=row.checked_in is not False,
                    ended_at=row.check_out_time,
                )
        return AppointmentPast(**before)

    def has_left_today(self, appointment: int) -> bool:
        """Whether the patient was checked out of the appointment today, as the last thing there."""
        past = self.past_of(appointment)
        return past.outcome == "left" and past.ended_at is not None and self.is_now(past.ended_at)

    def read_past(self, appointment: int, *, stale: bool) -> PastTracking:
        """The past as the API reads it now, or has read it some time ago."""
        past: PastTracking = self._read("past", appointment, stale, read_past_tracking, appointment)
        return past

    def read_settings(self, doctor: int, prestation: int, *, stale: bool) -> Appointment:
        """A walk-in, as the API reads what its doctor and its prestation have."""
        unread = Appointment(
            id=0,
            patient_id=0,
            doctor_id=doctor,
            prestation_id=prestation,
            exclusive=True,
            expected_minutes=0,
            status=AppointmentStatus.confirmed,
        )
        walk_in: Appointment = self._read("walk-in", (doctor, prestation), stale, read_walk_in, unread)
        return walk_in

    def read_day(self, record: int, *, stale: bool) -> DayAppointments:
        """The appointments of the day, as the API reads them now, or has read them some time ago."""
        day: date = CALENDAR.day_of(self.visits.now)
        empty = DayAppointments(day=day, starts_at=CALENDAR.starts_at(day), ends_at=CALENDAR.ends_at(day))
        person = self.model.survivors[record]
        read: DayAppointments = self._read("day", (record, day), stale, read_day_appointments, person, empty)
        return read

    def _read(self, kind: str, key: object, stale: bool, query: Any, *arguments: object) -> Any:
        if not stale or (kind, key) not in self.seen_before:
            self.seen_before[kind, key] = self.run(self.database.read_inline(query, *arguments))
        return self.seen_before[kind, key]

"""The rules of random days about calls: a doctor calls a patient, and the patient comes or does not come."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from patient_visit_engine.storage.doctor_calls import read_call
from patient_visit_engine.storage.screens.callable_patients import find_next, read_call_list
from patient_visit_engine.visit.appointment import Appointment
from patient_visit_engine.visit.call_commands import CallPatient, NoAnswer
from patient_visit_engine.visit.codes import AppointmentStatus
from patient_visit_engine.visit.doctor_call import DoctorCall
from tests.support.builders import CALENDAR
from tests.support.person_model import CLOSED, Expected
from tests.support.person_reads import PersonReads

WAITING = {AppointmentStatus.scheduled, AppointmentStatus.confirmed, AppointmentStatus.pending}

rarely = st.sampled_from([False, False, False, True])
indices = st.integers(0, 30)


class LastCall(NamedTuple):
    """The appointment whose patient a doctor has called last, its time then, and the end of the call."""

    appointment_id: int
    scheduled_at: datetime
    until: datetime


class PersonCalls(PersonReads):
    """The rules. A call that is refused is no answer, so it is not sent again."""

    def __init__(self, hospital: Any) -> None:
        super().__init__(hospital)
        #: The last call of each doctor.
        self.calls: dict[int, LastCall] = {}

    @rule(index=indices, stale=rarely, stale_call=rarely)
    def call(self, index: int, stale: bool, stale_call: bool) -> None:
        number = self.choose_appointment(index)
        if (read := self.read_by_client(number, stale=stale)) is None:
            return
        last = self.read_call(read.doctor_id, stale=stale_call)
        has_left = self.status_of(number) in WAITING - {AppointmentStatus.pending}
        is_mismatch = not self.is_same(read) or (read.status is AppointmentStatus.pending and has_left)
        expected = "appointment_mismatch" if is_mismatch else self.judge_call(number)
        command = CallPatient(request=self.visits.request(), appointment=read, call=last)
        code = self.run(self.visits.call(command))
        assert code == expected
        if code is None:
            self.note_call(read, command)
        self.check()

    def note_call(self, read: Appointment, command: CallPatient) -> None:
        """The call was granted. The patient is kept for its doctor only."""
        person, doctor = self.model.person_of(read.id), read.doctor_id
        self.sent.append((command, self.run(self.visits.send(command))))
        if self.open_call(doctor) == read.id:
            return
        until = self.visits.now + self.visits.limits.call
        if self.is_exclusive(read.id):
            reserved = self.read().reserved[person]
            assert (reserved.kind, reserved.doctor_id, reserved.appointment_id) == ("called", doctor, read.id)
            assert reserved.until >= until
            until = reserved.until
        self.calls[doctor] = LastCall(read.id, self.model.appointments[read.id].scheduled_at, until)

    def judge_call(self, number: int) -> str | None:
        """The code with which the call of this appointment must be refused. None: it must be granted."""
        model, booked = self.model, self.model.appointments[number]
        person, doctor = model.person_of(number), booked.doctor_id
        line = self.line_of(person)
        if model.consultation_of(number) is not None:
            return "appointment_in_progress"
        if booked.status in CLOSED:
            return "appointment_closed"
        if (called := self.open_call(doctor)) is not None:
            return None if called == number else "doctor_has_call"
        if self.has_left(person):
            return "appointment_mismatch"
        reserved_for = None if line.reserved_for is None else line.reserved_for[1]
        if not (self.is_today(number) or number in {*model.pending, *line.appointments, reserved_for}):
            return "appointment_not_today"
        if model.exclusive_of(person):
            return "patient_in_consultation"
        is_called_by_other = any(
            model.person_of(called) == person for called in map(self.open_call, self.calls) if called is not None
        )
        return "patient_reserved" if is_called_by_other or reserved_for not in (None, number) else None

    @precondition(lambda self: self.calls)
    @rule(index=indices, stale=rarely, stale_call=rarely)
    def no_answer(self, index: int, stale: bool, stale_call: bool) -> None:
        doctor, called = sorted(self.calls.items())[index % len(self.calls)]
        read = self.read_by_client(called.appointment_id, stale=stale)
        assert read is not None
        meant = self.read_call(read.doctor_id, stale=stale_call)
        self.send_no_answer(doctor, read, meant, behind_id=None)

    @rule(index=indices)
    def call_in_vain(self, index: int) -> None:
        """A patient who can be called does not come, and stands behind the next one who can."""
        callable_ids = [number for number in sorted(self.model.appointments) if self.judge_call(number) is None]
        if not callable_ids or (read := self.read_by_client(callable_ids[index % len(callable_ids)])) is None:
            return
        command = CallPatient(
            request=self.visits.request(), appointment=read, call=self.read_call(read.doctor_id, stale=False)
        )
        assert self.run(self.visits.call(command)) is None
        self.note_call(read, command)
        self.check()
        today, now = CALENDAR.hospital_day(CALENDAR.day_of(self.visits.now)), self.visits.now
        behind_id = self.run(self.database.read(find_next, read, today, now))
        called = self.look_up(read.id)
        call = self.read_call(read.doctor_id, stale=False)
        if not self.send_no_answer(read.doctor_id, called, call, behind_id=behind_id):
            # The patient was seen or left in the moment of the call, because the clock stands still.
            return
        listed: Any = self.run(self.database.read(read_call_list, read.doctor_id, today, now))
        free = [patient.appointment.id for patient in listed.patients if patient.reason is None]
        if behind_id is not None and {read.id, behind_id} <= set(free) and self.was_called_before(behind_id, read.id):
            assert free.index(behind_id) < free.index(read.id)

    def was_called_before(self, first: int, second: int) -> bool:
        """Whether the first of these appointments was called before the second one, or never."""
        first_at, second_at = (self.picture.appointments[number].called_at for number in (first, second))
        return first_at is None or bool(first_at < second_at)

    def send_no_answer(self, doctor: int, read: Appointment, meant: DoctorCall, behind_id: int | None) -> bool:
        """Send it, and return whether it must be granted."""
        before = self.picture.appointments[read.id]
        expected = self.judge_no_answer(read, meant)
        command = NoAnswer(
            request=self.visits.request(),
            appointment=read,
            call=meant,
            called_at=meant.called_at,
            behind_id=behind_id,
        )
        self.send(command, expected)
        is_granted = expected == (200, None)
        # An unanswered call costs its doctor a place in line.
        self.check(is_command=not is_granted)
        if is_granted:
            del self.calls[doctor]
            after = self.picture.appointments[read.id]
            assert (after.no_answers, after.behind_id) == (min(before.no_answers + 1, 3), behind_id)
            assert read.id not in [row.appointment_id for row in self.picture.reservations if row.kind == "called"]
        return is_granted

    def judge_no_answer(self, read: Appointment, meant: DoctorCall) -> Expected:
        number, doctor = read.id, read.doctor_id
        if not self.is_same(read):
            return 422, "appointment_mismatch"
        if self.model.consultation_of(number) is not None:
            return 409, "appointment_in_progress"
        if self.status_of(number) in CLOSED:
            return 409, "appointment_closed"
        # A call is known by its time. The ledger reads which appointment it is of.
        is_same_call = meant.called_at == self.picture.appointments[number].called_at
        return (200, None) if self.left_call(doctor) == number and is_same_call else (409, "not_called")

    # -- the calls in the tables

    def read_call(self, doctor: int, *, stale: bool) -> DoctorCall:
        """The last call of the doctor, as the API reads it now, or has read it some time ago."""
        today = CALENDAR.day_of(self.visits.now)
        call: DoctorCall = self._read("call", doctor, stale, read_call, doctor, today).call
        return call

    def status_of(self, number: int) -> AppointmentStatus:
        return self.model.appointments[number].status

    def is_exclusive(self, number: int) -> bool:
        return self.model.exclusive[self.model.appointments[number].prestation_id]

    def left_call(self, doctor: int) -> int | None:
        """The appointment of the doctor's last call, unless the patient came or left, or the appointment moved."""
        if (call := self.calls.get(doctor)) is None:
            return None
        number, booked = call.appointment_id, self.model.appointments[call.appointment_id]
        if booked.doctor_id != doctor or booked.status not in WAITING:
            return None
        stored = self.picture.appointments[number]
        if (called_at := stored.called_at) is None or stored.behind_id == number:
            # It was moved or canceled, and has come back.
            return None
        trackings = [row for row in self.picture.trackings if row.appointment_id == number]
        times = [at for row in trackings for at in (row.started_at, row.check_out_time) if at is not None]
        if self.is_reserved_for_call(number):
            return number
        if any(at >= called_at for at in times):
            return None
        person = self.model.person_of(number)
        left_at = [row.check_out_time for row in self.ended_of(person) if row.outcome == "left"]
        has_left = any(at >= called_at and not self.has_stayed(person, at) for at in left_at)
        return None if has_left else number

    def has_stayed(self, person: int, at: datetime) -> bool:
        """Whether something was open for the person at this check-out of something else, and no mistake."""
        of_person = [row for row in self.picture.trackings if row.person_id == person and row.check_in_time <= at]
        return any(
            row.status != "completed" or (row.check_out_time > at and row.outcome != "mistaken") for row in of_person
        )

    def ended_of(self, person: int) -> list[Any]:
        """The trackings of the person that have ended, the last one at the end."""
        ended = [row for row in self.picture.trackings if row.person_id == person and row.status == "completed"]
        return sorted(ended, key=lambda row: (row.check_out_time, row.id))

    def has_left(self, person: int) -> bool:
        """Whether the last thing that the person did here since yesterday was to leave, or to arrive today by mistake."""
        if any(row.person_id == person and row.status != "completed" for row in self.picture.trackings):
            return False
        today = CALENDAR.day_of(self.visits.now)
        ended = [row for row in self.ended_of(person) if row.visit_day >= today - timedelta(days=1)]
        came_today = any(row.visit_day == today for row in ended)
        serious = [row for row in ended if row.outcome != "mistaken"]
        if not serious:
            return came_today
        if serious[-1].outcome in ("left", "not_seen"):
            return True
        return came_today and serious[-1].visit_day < today and not self.has_missed_yesterday(person)

    def has_missed_yesterday(self, person: int) -> bool:
        """Whether an appointment of yesterday has not begun, and can still begin."""
        yesterday = CALENDAR.day_of(self.visits.now) - timedelta(days=1)
        return any(
            booked.status in (AppointmentStatus.scheduled, AppointmentStatus.confirmed)
            and CALENDAR.day_of(booked.scheduled_at) == yesterday
            for number, booked in self.model.appointments.items()
            if self.model.person_of(number) == person
        )

    def is_reserved_for_call(self, number: int) -> bool:
        reserved = self.picture.reserved.get(self.model.person_of(number))
        return reserved is not None and (reserved.kind, reserved.appointment_id) == ("called", number)

    def open_call(self, doctor: int) -> int | None:
        """The appointment of the doctor's open call."""
        if (number := self.left_call(doctor)) is None:
            return None
        until = self.calls[doctor].until
        if self.is_exclusive(number) and not self.is_reserved_for_call(number):
            return None
        return number if self.visits.now < until else None

    def has_moved(self, doctor: int, call: LastCall) -> bool:
        """Whether the appointment was moved or canceled. Then the call is over, also when the appointment comes back."""
        number, booked = call.appointment_id, self.model.appointments[call.appointment_id]
        if booked.doctor_id != doctor or booked.status is AppointmentStatus.canceled:
            return True
        return booked.scheduled_at != call.scheduled_at and not self.is_reserved_for_call(number)

    def check(self, *, is_command: bool = True) -> None:
        super().check(is_command=is_command)
        self.calls = {doctor: call for doctor, call in self.calls.items() if not self.has_moved(doctor, call)}
        for row in self.picture.reservations:
            call = self.calls.get(row.doctor_id)
            if row.kind == "called" and call is not None and call.appointment_id == row.appointment_id:
                # A call that ended late has got more time.
                self.calls[row.doctor_id] = call._replace(until=row.until)

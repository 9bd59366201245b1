"""The rules of random days about transfers, mistakes that are taken back, walk-ins, and patients who arrive or leave."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from patient_visit_engine.visit.appointment_commands import CancelAppointment, UndoCancel, UndoCheckIn, UndoCheckOut
from patient_visit_engine.visit.codes import AppointmentStatus, CancelReason
from patient_visit_engine.visit.commands import Command, PatientCommand
from patient_visit_engine.visit.consultation_commands import CompleteConsultation, Reopen, Transfer, UndoStart
from patient_visit_engine.visit.patient_commands import (
    CheckInPatient,
    CheckOutPatient,
    OpenWalkIn,
    UndoCheckInPatient,
    UndoCheckOutPatient,
)
from patient_visit_engine.wire.field_types import LOWEST_MINTED_ID
from tests.support.builders import CALENDAR
from tests.support.person_calls import PersonCalls
from tests.support.person_day_model import UNDO_WITHIN
from tests.support.person_model import BookedAppointment, Expected
from tests.support.person_morning import DOCTORS, EXCLUSIVE, MORNING, RECORDS

#: More walk-ins would slow every step down.
MAX_WALK_INS = 3
MORNING_IDS = tuple(MORNING)
ARRIVALS: dict[str, type[PatientCommand]] = {
    "in": CheckInPatient,
    "out": CheckOutPatient,
    "undo in": UndoCheckInPatient,
    "undo out": UndoCheckOutPatient,
}

rarely = st.sampled_from([False, False, False, True])
indices = st.integers(0, 30)


class PersonCorrections(PersonCalls):
    """The rules. `PersonMachine` has the others."""

    # -- doctors and supervisors

    @precondition(lambda self: self.model.consultations)
    @rule(index=indices, to=st.sampled_from(DOCTORS), by=st.sampled_from("dds"), by_other=rarely, stale=rarely)
    def transfer(self, index: int, to: int, by: str, by_other: bool, stale: bool) -> None:
        consultation = self.choose_consultation(index)
        row = self.row_of(consultation)
        read = self.read_by_client(row.appointment_id, stale=stale)
        if to == row.doctor_id or read is None or not self.is_of_patient(read):
            return
        holder = None if by == "s" else row.doctor_id % len(DOCTORS) + 1 if by_other else row.doctor_id
        person = self.model.person_of(read.id)
        if self.model.outcomes.get(consultation) == "transferred":
            is_with_receiver = self.model.appointments[read.id].doctor_id == to
            expected: Expected = (200, None) if is_with_receiver else (409, "consultation_ended")
            is_given = False
        else:
            expected = self.model.transfer(consultation, to, holder)
            is_given = expected == (200, None)
        reserved_before = self.picture.reserved.get(person)
        command = Transfer(
            request=self.visits.request(),
            appointment=read,
            consultation_id=consultation,
            doctor_id=holder,
            to_doctor_id=to,
        )
        self.send(command, expected)
        self.check(is_command=not is_given)
        if is_given and row.exclusive:
            self.check_receiver(person, read.id, to, reserved_before)

    def check_receiver(self, person: int, appointment_id: int, receiver: int, reserved_before: Any) -> None:
        """No third doctor has the patient before the receiver."""
        is_of_another = reserved_before is not None and reserved_before.appointment_id != appointment_id
        if self.model.exclusive_of(person) or is_of_another:
            assert self.picture.lines[person][0].doctor_id == receiver
        else:
            reserved = self.picture.reserved[person]
            assert (reserved.kind, reserved.doctor_id) == ("transferred", receiver)
            assert reserved.appointment_id == appointment_id
            assert reserved.until == self.visits.now + self.visits.limits.call

    @precondition(lambda self: self.model.consultations)
    @rule(index=indices, by=st.sampled_from("dds"), by_other=rarely, stale=rarely)
    def undo_start(self, index: int, by: str, by_other: bool, stale: bool) -> None:
        consultation = self.choose_consultation(index)
        row = self.row_of(consultation)
        holder = None if by == "s" else row.doctor_id % len(DOCTORS) + 1 if by_other else row.doctor_id
        command = UndoStart(
            request=self.visits.request(),
            patient_id=row.person_id,
            consultation_id=consultation,
            doctor_id=holder,
            past=self.read_past(row.appointment_id, stale=stale),
        )
        expected = self.model.undo_start(consultation, holder, self.past_of(row.appointment_id), self.visits.now)
        self.send(command, expected)
        self.check()

    @precondition(lambda self: self.model.outcomes or self.model.running)
    @rule(index=indices, by=st.sampled_from("dds"), stale=rarely, is_fresh=st.booleans())
    def reopen(self, index: int, by: str, stale: bool, is_fresh: bool) -> None:
        if is_fresh:
            self.complete_awaited()
        completed = [key for key, outcome in self.model.outcomes.items() if outcome == "done"]
        choices = [*completed, *completed, *self.model.outcomes, *self.model.running]
        consultation = completed[-1] if is_fresh and completed else choices[-1 - index % len(choices)]
        row = self.row_of(consultation)
        read = self.read_by_client(row.appointment_id, stale=stale)
        if read is None or not self.is_same(read) or read.doctor_id != row.doctor_id:
            return
        past, now = self.past_of(read.id), self.visits.now
        ended_at = past.ended_at or now
        is_same_day = CALENDAR.day_of(ended_at) == CALENDAR.day_of(now)
        is_in_time = is_same_day if by == "s" else now - ended_at <= UNDO_WITHIN
        expected = self.model.reopen(consultation, read.id, past, is_in_time=is_in_time, now=now)
        command = Reopen(
            request=self.visits.request(),
            appointment=read,
            consultation_id=consultation,
            doctor_id=None if by == "s" else row.doctor_id,
            past=self.read_past(read.id, stale=stale),
        )
        reserved = self.picture.reserved.get(self.model.person_of(read.id))
        gets_first_place = expected == (200, None) and reserved is not None and reserved.kind != "offered"
        self.send(command, expected)
        self.check(is_command=not gets_first_place)

    def complete_awaited(self) -> None:
        """Complete a consultation, if possible one for whose end a doctor waits."""
        awaited = [key for key, row in self.picture.running.items() if row.person_id in self.picture.lines]
        for key in [*awaited, *self.model.running][:1]:
            row = self.picture.running[key]
            command = CompleteConsultation(
                request=self.visits.request(),
                patient_id=row.person_id,
                consultation_id=key,
                doctor_id=row.doctor_id,
            )
            self.send(command, self.model.end(key, "done", row.doctor_id))
            self.check()

    # -- the desk

    @rule(appointment=st.sampled_from(MORNING_IDS), stale=rarely, undo=st.booleans())
    def cancel(self, appointment: int, stale: bool, undo: bool) -> None:
        read = self.read_by_client(appointment, stale=stale)
        if read is None or not self.is_same(read):
            return
        request = self.visits.request()
        if undo:
            past = self.past_of(appointment)
            is_same_day = past.canceled_at is not None and self.is_now(past.canceled_at)
            expected = self.model.undo_cancel(appointment, past, is_same_day=is_same_day)
            seen = self.read_past(appointment, stale=stale)
            self.send(UndoCancel(request=request, appointment=read, past=seen), expected)
        else:
            expected = self.model.set_status(appointment, AppointmentStatus.canceled)
            self.send(CancelAppointment(request=request, appointment=read, reason=CancelReason.patient), expected)
        self.check()

    @rule(appointment=st.sampled_from(MORNING_IDS), stale=rarely, out=st.booleans())
    def undo_arrival(self, appointment: int, stale: bool, out: bool) -> None:
        """The check-in or the check-out of one appointment was a mistake."""
        read = self.read_by_client(appointment, stale=stale)
        # The decision may end a check-in of the day before. Then it is not there.
        if read is None or not self.is_same(read) or self.model.waits_too_long(appointment, self.visits.now):
            return
        past, seen = self.past_of(appointment), self.read_past(appointment, stale=stale)
        command: Command
        if out:
            is_same_day = past.ended_at is not None and self.is_now(past.ended_at)
            expected = self.model.undo_check_out(appointment, past, is_same_day=is_same_day)
            command = UndoCheckOut(request=self.visits.request(), appointment=read, past=seen)
        else:
            expected = self.model.undo_check_in(appointment, past)
            command = UndoCheckIn(request=self.visits.request(), appointment=read, past=seen)
        self.send(command, expected)
        self.check()

    @precondition(lambda self: len(self.model.appointments) < len(MORNING) + MAX_WALK_INS)
    @rule(
        record=st.sampled_from(RECORDS),
        doctor=st.sampled_from(DOCTORS),
        prestation=st.sampled_from(tuple(EXCLUSIVE)),
        by=st.sampled_from([None, None, *DOCTORS]),
        stale=rarely,
    )
    def walk_in(self, record: int, doctor: int, prestation: int, by: int | None, stale: bool) -> None:
        number, person = LOWEST_MINTED_ID + len(self.sent), self.model.survivors[record]
        seen = self.read_settings(doctor, prestation, stale=stale)
        numbers = {"id": number, "patient_id": person, "scheduled_at": self.visits.now}
        walk_in = seen.model_copy(update=numbers | {"record_id": None if record == person else record})
        booked = BookedAppointment(record, doctor, prestation, self.visits.now, AppointmentStatus.pending)
        expected = self.model.walk_in(number, booked, by)
        self.send(OpenWalkIn(request=self.visits.request(), walk_in=walk_in, sent_by=by), expected)
        self.check()

    @rule(record=st.sampled_from(RECORDS), stale=rarely, kind=st.sampled_from(tuple(ARRIVALS)))
    def arrive(self, record: int, stale: bool, kind: str) -> None:
        """The whole patient is checked in or out, or that is taken back."""
        for awaited in sorted(self.picture.reserved):
            # A patient for whom a doctor waits is more interesting.
            record = awaited if self.model.waiting_of(awaited) else record
        person = self.model.survivors[record]
        # The decision may end a check-in of the day before. Then it is not there, or begins again.
        if any(self.model.waits_too_long(number, self.visits.now) for number in self.model.waiting_of(person)):
            return
        day = self.read_day(record, stale=stale)
        expected = self.expected_of_arrival(kind, person)
        command = ARRIVALS[kind](
            request=self.visits.request(),
            patient_id=person,
            day=day,
            record_id=None if record == person else record,
        )
        answer = self.send(command, expected)
        self.check()
        if answer.status == 200 and kind == "out":
            assert person not in self.picture.lines, "a doctor waits for a patient who left"
            assert person not in self.picture.reserved

    def expected_of_arrival(self, kind: str, person: int) -> Expected:
        model, today = self.model, CALENDAR.day_of(self.visits.now)
        pasts = {number: self.past_of(number) for number in model.appointments if model.person_of(number) == person}
        if kind == "in":
            return model.check_in_patient(person, [n for n in pasts if self.is_today(n)], self.visits.now)
        if kind == "out":
            return model.check_out_patient(person)
        if kind == "undo in":
            days = {number: CALENDAR.day_of(past.ended_at) for number, past in pasts.items() if past.ended_at}
            days |= {number: CALENDAR.day_of(at) for number, at in model.pending.items()}
            return model.undo_check_in_patient(person, pasts, today, days)
        left = [row for row in self.picture.trackings if (row.person_id, row.outcome) == (person, "left")]
        left_at = max((row.check_out_time for row in left if row.visit_day == today), default=None)
        return model.undo_check_out_patient(person, pasts, left_at)

"""Random days of a few persons: each rule is one command, one PUT, or one thing that goes wrong."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from patient_visit_engine.visit.appointment_commands import (
    CheckIn,
    CheckOut,
    JoinWaitingLine,
    LeaveWaitingLine,
    Reassign,
    SetAppointmentStatus,
    SetPriority,
)
from patient_visit_engine.visit.codes import AppointmentStatus
from patient_visit_engine.visit.commands import Command
from patient_visit_engine.visit.consultation_commands import (
    CompleteConsultation,
    ExtendConsultation,
    Pause,
    ReleaseConsultation,
    Resume,
    StartConsultation,
)
from patient_visit_engine.visit.patient_commands import MergePatients, SeparatePatients
from tests.support.builders import CALENDAR
from tests.support.person_corrections import PersonCorrections
from tests.support.person_model import (
    BookedAppointment,
)
from tests.support.person_morning import DOCTORS, EXCLUSIVE, MORNING, RECORDS

APPOINTMENTS = (*MORNING, 41)
#: The time of an appointment after noon of the present day.
TIMES = [timedelta(0), timedelta(0), timedelta(0), timedelta(days=1)]
FED = (AppointmentStatus.confirmed, AppointmentStatus.confirmed, AppointmentStatus.canceled)
SET = (AppointmentStatus.scheduled, AppointmentStatus.canceled)
PAUSES = [timedelta(seconds=seconds) for seconds in (0, 1, 20, 61, 61, 130, 900, 1_200, 2_700, 15_000, 50_000)]
BEFORE_END = [timedelta(hours=20), timedelta(hours=5), timedelta(seconds=70)]

rarely = st.sampled_from([False, False, False, True])
appointment_ids, indices = st.sampled_from(APPOINTMENTS), st.integers(0, 30)


class PersonMachine(PersonCorrections):
    """The rules. Each of them sends something, and then compares the answer, the tables and the log with the model."""

    @initialize(offer=st.sampled_from([60, 60, 0]), before_end=st.sampled_from(BEFORE_END))
    def open(self, offer: int, before_end: timedelta) -> None:
        self.open_hospital(offer, before_end)

    # -- doctors

    @rule(index=indices, stale=rarely)
    def start(self, index: int, stale: bool) -> None:
        self.send_start(self.choose_appointment(index), stale=stale, wait=False)

    @rule(index=indices, stale=rarely)
    def start_or_wait(self, index: int, stale: bool) -> None:
        self.send_start(self.choose_appointment(index), stale=stale, wait=True)

    def send_start(self, appointment: int, *, stale: bool, wait: bool) -> None:
        if (read := self.read_by_client(appointment, stale=stale)) is None:
            return
        line = self.line_of(self.model.person_of(appointment))
        expected = self.model.judge_start(appointment, line, is_today=self.is_today(appointment))
        if not self.is_same(read):
            expected = 422, "appointment_mismatch"
        answer = self.send(StartConsultation(request=self.visits.request(), appointment=read, wait=wait), expected)
        if expected == (201, None):
            self.model.open(answer.body["id"], appointment, self.visits.now)
        if expected == (200, None):
            assert answer.body["id"] == self.model.consultation_of(appointment)
            self.model.resume(answer.body["id"])
        self.check()

    @precondition(lambda self: self.model.consultations or self.model.outcomes)
    @rule(index=indices, by_other=rarely)
    def pause(self, index: int, by_other: bool) -> None:
        consultation = self.choose_consultation(index)
        row = self.row_of(consultation)
        holder: int = row.doctor_id % len(DOCTORS) + 1 if by_other else row.doctor_id
        expected = self.model.pause(consultation, holder, self.visits.now)
        command = Pause(
            request=self.visits.request(), patient_id=row.patient_id, consultation_id=consultation, doctor_id=holder
        )
        self.send(command, expected)
        self.check()

    @precondition(lambda self: self.model.paused)
    @rule(index=indices, stale=rarely)
    def resume(self, index: int, stale: bool) -> None:
        paused = sorted(self.model.paused)
        consultation = paused[index % len(paused)]
        read = self.read_by_client(self.row_of(consultation).appointment_id, stale=stale)
        if read is None or not self.is_same(read):
            return
        expected = self.model.judge_resumption(consultation, self.line_of(self.model.person_of(read.id)))
        self.send(Resume(request=self.visits.request(), appointment=read, consultation_id=consultation), expected)
        if expected == (200, None):
            self.model.resume(consultation)
        self.check()

    @precondition(lambda self: self.model.consultations or self.model.outcomes)
    @rule(index=indices, by_other=rarely, kind=st.sampled_from("cccrrx"))
    def end(self, index: int, by_other: bool, kind: str) -> None:
        consultation = self.choose_consultation(index)
        row = self.row_of(consultation)
        holder: int = row.doctor_id % len(DOCTORS) + 1 if by_other else row.doctor_id
        fields: dict[str, Any] = {
            "request": self.visits.request(),
            "patient_id": row.patient_id,
            "consultation_id": consultation,
        }
        command: Command
        if kind == "c":
            command = CompleteConsultation(**fields, doctor_id=holder)
            expected = self.model.end(consultation, "done", holder)
        elif kind == "r":
            command, expected = ReleaseConsultation(**fields), self.model.end(consultation, "released")
        else:
            command = ExtendConsultation(**fields, doctor_id=holder, minutes=20)
            expected = self.model.extend(consultation, holder)
        self.send(command, expected)
        self.check()

    @rule(appointment=appointment_ids, leave=rarely)
    def line(self, appointment: int, leave: bool) -> None:
        if (read := self.read_by_client(appointment)) is None:
            return
        if leave:
            command: Command = LeaveWaitingLine(request=self.visits.request(), appointment=read)
            self.send(command, (204, None))
        else:
            expected = self.model.join_line(appointment, self.line_of(self.model.person_of(appointment)))
            self.send(JoinWaitingLine(request=self.visits.request(), appointment=read), expected)
        self.check()

    # -- the desk

    @rule(appointment=appointment_ids, stale=rarely, kind=st.sampled_from("iiiosd"), to=st.sampled_from(SET))
    def desk(self, appointment: int, stale: bool, kind: str, to: AppointmentStatus) -> None:
        if (read := self.read_by_client(appointment, stale=stale)) is None or not self.is_same(read):
            return
        request = self.visits.request()
        if kind == "i":
            # The decision may end a check-in of the day before, and then this one is new.
            is_new = [(201, None)] if self.model.waits_too_long(appointment, self.visits.now) else []
            expected = self.model.check_in(appointment, self.visits.now)
            self.send(CheckIn(request=request, appointment=read), expected, *is_new)
        elif kind == "o":
            expected = self.model.check_out(appointment, has_left_today=self.has_left_today(appointment))
            self.send(CheckOut(request=request, appointment=read), expected)
        else:
            expected = self.model.set_status(appointment, to)
            self.send(SetAppointmentStatus(request=request, appointment=read, status=to), expected)
        self.check()

    @rule(appointment=appointment_ids, doctor=st.sampled_from(DOCTORS), stale=rarely)
    def reassign(self, appointment: int, doctor: int, stale: bool) -> None:
        if (read := self.read_by_client(appointment, stale=stale)) is None:
            return
        if doctor == self.model.appointments[appointment].doctor_id:
            # Its effect stands already, so it does not matter which doctor the client has read.
            is_same = self.is_same(read.model_copy(update={"doctor_id": doctor}))
        else:
            is_same = self.is_same(read)
        expected = self.model.reassign(appointment, doctor) if is_same else (422, "appointment_mismatch")
        self.send(Reassign(request=self.visits.request(), appointment=read, doctor_id=doctor), expected)
        self.check()

    @rule(appointment=appointment_ids, priority=st.sampled_from([None, 1, 5]))
    def prioritize(self, appointment: int, priority: int | None) -> None:
        if (read := self.read_by_client(appointment)) is None:
            return
        expected = self.model.set_priority(appointment, priority)
        self.send(SetPriority(request=self.visits.request(), appointment=read, priority=priority), expected)
        self.check()

    # -- the hospital's own system

    @rule(
        appointment=appointment_ids,
        record=st.sampled_from(RECORDS),
        doctor=st.sampled_from(DOCTORS),
        prestation=st.sampled_from(tuple(EXCLUSIVE)),
        at=st.sampled_from(TIMES),
        status=st.sampled_from(FED),
        changed=st.sets(st.sampled_from("rdpts"), min_size=1, max_size=2),
    )
    def feed_appointment(
        self, appointment: int, record: int, doctor: int, prestation: int, at: timedelta, status: Any, changed: set[str]
    ) -> None:
        noon = CALENDAR.starts_at(CALENDAR.day_of(self.visits.now)) + timedelta(hours=8)
        sent = BookedAppointment(record, doctor, prestation, noon + at, status)
        if (present := self.model.appointments.get(appointment)) is not None:
            values = {"r": "record_id", "d": "doctor_id", "p": "prestation_id", "t": "scheduled_at", "s": "status"}
            sent = replace(present, **{values[each]: getattr(sent, values[each]) for each in changed})
        sent = replace(sent, status=sent.status if sent.status in FED else AppointmentStatus.confirmed)
        expected = self.model.feed(appointment, sent)
        assert self.run(self.visits.feed_appointment(appointment, sent)) == expected
        self.check()

    @rule(number=st.sampled_from(RECORDS), exclusive=st.sampled_from([True, True, False]), is_patient=rarely)
    def feed_record(self, number: int, exclusive: bool, is_patient: bool) -> None:
        """A patient gets another name, or a prestation becomes exclusive or is so no more."""
        if is_patient:
            self.run(self.visits.feed_patient(number, f"Santos {exclusive}"))
        else:
            expected = self.model.feed_prestation(number, exclusive=exclusive)
            assert self.run(self.visits.feed_prestation(number, exclusive=exclusive)) is expected
        self.check()

    # -- records

    @rule(survivor=st.sampled_from(RECORDS), retired=st.sampled_from(RECORDS), stale=rarely)
    def merge(self, survivor: int, retired: int, stale: bool) -> None:
        if survivor == retired:
            return
        person, day = self.model.survivors[survivor], CALENDAR.day_of(self.visits.now)
        expected = self.model.judge_merge(person, retired)
        before = [*self.places_of(person), *self.places_of(retired)]
        reservations = [self.picture.reserved[each] for each in (person, retired) if each in self.picture.reserved]
        seen = self.read_record(retired, stale=stale)
        command = MergePatients(request=self.visits.request(), patient_id=survivor if stale else person, retired=seen)
        answer = self.send(command, expected)
        is_new = self.model.survivors[retired] == retired and expected == (200, None)
        if expected == (200, None):
            merge = self.model.merge(person, retired, day)
            assert answer.body["retired"] == sorted(merge.records)
            assert answer.body["both_in_consultation"] is merge.both_in_consultation
        self.check(is_command=not is_new)
        if is_new:
            self.check_joined_line(person, before, reservations)

    @precondition(lambda self: self.model.merges)
    @rule(index=indices, stale=rarely, other=rarely, at_home=st.booleans())
    def separate(self, index: int, stale: bool, other: bool, at_home: bool) -> None:
        merged = sorted(self.model.merges)
        retired = merged[index % len(merged)]
        person = RECORDS[index % len(RECORDS)] if other else self.model.survivors[retired]
        person, day = self.model.survivors[person], CALENDAR.day_of(self.visits.now)
        if at_home:
            self.send_home(person)
        is_awaited = person in self.picture.lines or person in self.picture.reserved
        expected = self.model.judge_separation(person, retired, day, is_awaited=is_awaited)
        # The decision may end a check-in of the day before, which was the only thing open.
        is_late = any(self.model.waits_too_long(number, self.visits.now) for number in self.model.pending)
        allowed = [expected, (200, None)] if is_late and expected[1] == "merge_in_use" else [expected]
        seen = self.read_record(retired, stale=stale)
        command = SeparatePatients(request=self.visits.request(), patient_id=person, retired=seen)
        if self.send(command, *allowed).status == 200:
            self.model.separate(retired)
        self.check()

    def send_home(self, person: int) -> None:
        """End everything that is open for the person."""
        for key, running in list(self.model.consultations.items()):
            if self.model.person_of(running.appointment_id) == person:
                command = CompleteConsultation(
                    request=self.visits.request(), patient_id=person, consultation_id=key, doctor_id=running.doctor_id
                )
                self.send(command, self.model.end(key, "done", running.doctor_id))
                self.check()
        for number in [number for number in self.model.pending if self.model.person_of(number) == person]:
            leaving = CheckOut(request=self.visits.request(), appointment=self.look_up(number))
            self.send(leaving, self.model.check_out(number, has_left_today=False))
            self.check()
        for place in self.picture.lines.get(person, []):
            appointment = self.look_up(place.appointment_id)
            self.send(LeaveWaitingLine(request=self.visits.request(), appointment=appointment), (204, None))
            self.check()

    # -- time and faults

    @rule(pause=st.sampled_from(PAUSES), on_time=st.booleans())
    def pass_time(self, pause: timedelta, on_time: bool) -> None:
        self.run(self.visits.pass_time(pause, on_time=on_time))
        self.check(is_command=False)

    @rule(record=st.sampled_from(RECORDS), kind=st.sampled_from("lts"))
    def upkeep(self, record: int, kind: str) -> None:
        """The worker loses a visit, fires the timers late, or sweeps."""
        if kind == "l":
            self.visits.lose(record)
        elif kind == "t":
            self.run(self.visits.record_due())
        else:
            today = CALENDAR.day_of(self.visits.now)
            picture = self.picture
            rows = [
                *picture.pending.values(),
                *picture.running.values(),
                *picture.paused.values(),
                *picture.places,
            ]
            self.run(self.visits.adopt(sorted({row.person_id for row in rows if row.visit_day < today})))
        self.check(is_command=False)

    @precondition(lambda self: self.sent)
    @rule(index=st.integers(0, 50))
    def repeat(self, index: int) -> None:
        command, answer = self.sent[-1 - index % len(self.sent)]
        before = self.picture

        assert self.run(self.visits.send(command)) == answer
        self.check()
        assert replace(self.picture, events=()) == replace(before, events=())
        assert self.picture.events == ()

"""A few persons whose tables and log are compared with a model after each step."""

import asyncio
from collections import defaultdict
from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeVar

from hypothesis.stateful import RuleBasedStateMachine

from patient_visit_engine.storage.upkeep.audit import audit
from patient_visit_engine.visit.appointment import Appointment
from patient_visit_engine.visit.codes import AppointmentStatus
from patient_visit_engine.visit.commands import Command
from patient_visit_engine.visit.person_records import SeenRecord
from patient_visit_engine.visit.state import Limits
from tests.support.builders import CALENDAR, DAY_END, NOON
from tests.support.ledger import StoredAnswer
from tests.support.person_day_model import PersonDayModel
from tests.support.person_model import (
    ABANDON_AFTER,
    NOT_SEEN_AFTER,
    PAUSE_LIMIT,
    BookedAppointment,
    Expected,
    PersonsLine,
)
from tests.support.person_morning import EXCLUSIVE, MORNING, RECORDS, MorningHospital, restore
from tests.support.person_picture import Picture, ReplayedLog, read_picture
from tests.support.person_visits import PersonVisits

T = TypeVar("T")
NOT_STARTABLE = {AppointmentStatus.in_progress, AppointmentStatus.done, AppointmentStatus.canceled}


class PlaceBefore(NamedTuple):
    """A doctor's place in line before a merge. `reserved_since` is None unless the patient was reserved for the doctor."""

    since: datetime
    turn: int
    doctor_id: int
    reserved_since: datetime | None


class CheckedPersons(RuleBasedStateMachine):
    """The persons, their model, and the checks. A subclass has the rules."""

    def __init__(self, hospital: "MorningHospital") -> None:
        super().__init__()
        self.hospital, self.database = hospital, hospital.database
        self.model = PersonDayModel(survivors=dict(zip(RECORDS, RECORDS, strict=True)), exclusive=dict(EXCLUSIVE))
        self.log = ReplayedLog()
        #: The commands that were sent, with their answers.
        self.sent: list[tuple[Command, StoredAnswer]] = []
        self.records_before: dict[int, SeenRecord] = {}
        #: Each appointment as a client has read it at some time.
        self.read_before: dict[int, Appointment] = {}
        #: What else a client has read at some time, by its kind and its key.
        self.seen_before: dict[tuple[str, object], Any] = {}

    def open_hospital(self, offer: int, before_end: timedelta) -> None:
        limits = Limits(
            offer=timedelta(seconds=offer),
            not_seen_after=NOT_SEEN_AFTER,
            abandon_after=ABANDON_AFTER,
            pause_limit=PAUSE_LIMIT,
        )
        self.visits = PersonVisits(self.database, limits, DAY_END - before_end)
        for number, (record, doctor, prestation) in MORNING.items():
            appointment = BookedAppointment(record, doctor, prestation, NOON, AppointmentStatus.confirmed)
            self.model.appointments[number] = appointment
        self.run(self.database.write(restore, self.hospital.rows))
        self.picture = self.read()
        self.log.read(self.picture)
        self.log.statuses.update(dict.fromkeys(MORNING, AppointmentStatus.confirmed))

    def teardown(self) -> None:
        if hasattr(self, "picture"):
            report = self.run(self.database.read(audit))
            assert report.violations == []

    # -- support

    def run(self, call: Coroutine[Any, Any, T]) -> T:
        """The machine runs in a thread, and the database in the loop of the test."""
        return asyncio.run_coroutine_threadsafe(call, self.hospital.loop).result()

    def read(self) -> Picture:
        return self.run(self.database.read_inline(read_picture, self.log.position))

    def look_up(self, appointment: int) -> Appointment:
        return self.run(self.visits.look_up(appointment))

    def read_by_client(self, appointment: int, *, stale: bool = False) -> Appointment | None:
        """The appointment as a client reads it now, or has read it some time ago. None if it does not exist."""
        if appointment not in self.model.appointments:
            return None
        if not stale or appointment not in self.read_before:
            self.read_before[appointment] = self.look_up(appointment)
        return self.read_before[appointment]

    def read_record(self, record: int, *, stale: bool) -> SeenRecord:
        """The record as a client reads it now, or has read it some time ago."""
        if not stale or record not in self.records_before:
            self.records_before[record] = self.run(self.visits.look_up_record(record))
        return self.records_before[record]

    def places_of(self, person: int) -> list[PlaceBefore]:
        """The line of a person before a merge."""
        reservation = self.picture.reserved.get(person)
        reserved_since = {} if reservation is None else {reservation.doctor_id: reservation.since}
        if reservation is not None and self.model.consultation_of(reservation.appointment_id) is not None:
            # A doctor who has paused was offered the patient without a place for it.
            reserved_since = {}
        return [
            PlaceBefore(row.since, row.turn, row.doctor_id, reserved_since.get(row.doctor_id))
            for row in self.picture.lines.get(person, [])
        ]

    def is_same(self, read: Appointment) -> bool:
        """Whether the appointment is still of the doctor that the client has read, and of the person or of the record."""
        present = self.model.appointments[read.id]
        is_of_person = self.model.survivors[read.patient_id] == self.model.person_of(read.id)
        return (is_of_person or read.record == present.record_id) and read.doctor_id == present.doctor_id

    def is_today(self, appointment: int) -> bool:
        return CALENDAR.day_of(self.model.appointments[appointment].scheduled_at) == CALENDAR.day_of(self.visits.now)

    def choose_appointment(self, index: int) -> int:
        """An appointment that can be started more often than not."""
        open_ones = [number for number, each in self.model.appointments.items() if each.status not in NOT_STARTABLE]
        choices = [*open_ones, *open_ones, *self.model.appointments]
        return choices[index % len(choices)]

    def choose_consultation(self, index: int) -> str:
        """A consultation in progress more often than not."""
        going_on = self.model.consultations
        choices = [*going_on, *going_on, *list(self.model.outcomes)[-1:]]
        return choices[index % len(choices)]

    def row_of(self, consultation: str) -> Any:
        """The tracking of the consultation."""
        return next(row for row in self.picture.trackings if row.consultation_id == consultation)

    def line_of(self, person: int) -> PersonsLine:
        places = self.picture.lines.get(person, [])
        reserved = self.picture.reserved.get(person)
        return PersonsLine(
            tuple(row.doctor_id for row in places),
            tuple(row.appointment_id for row in places),
            None if reserved is None else (reserved.doctor_id, reserved.appointment_id),
            bool(self.visits.limits.offer),
        )

    def send(self, command: Command, *expected: Expected) -> StoredAnswer:
        answer = self.run(self.visits.send(command))
        code = answer.body["code"] if answer.status >= 400 else None
        assert (answer.status, code) in expected
        self.sent.append((command, answer))
        return answer

    # -- checks

    def check(self, *, is_command: bool = True) -> None:
        """Compare the tables and the log with the model."""
        before, self.picture = self.picture, self.read()
        self.note_time_limits()
        self.model.check_rule()
        self.check_rows()
        self.check_lines(before if is_command else None)
        self.log.read(self.picture)
        self.check_log()

    def note_time_limits(self) -> None:
        """What time alone may end: a consultation after its time limit, and a check-in after its wait."""
        outcomes = {row.consultation_id: row.outcome for row in self.picture.trackings}
        for key in self.model.running.keys() - self.picture.running.keys():
            assert outcomes[key] == "timed_out"
            assert self.visits.now >= self.model.running[key].started_at + ABANDON_AFTER
            self.model.finish(key, "timed_out")
        for key in self.model.paused.keys() - self.picture.paused.keys():
            _, paused_at = self.model.paused[key]
            assert outcomes[key] == "timed_out"
            assert self.visits.now >= paused_at + PAUSE_LIMIT
            self.model.finish(key, "timed_out")
        for number in self.model.pending.keys() - self.picture.pending.keys():
            assert self.picture.last_outcome(number) == "not_seen"
            assert self.model.waits_too_long(number, self.visits.now)
            del self.model.pending[number]
            self.model.appointments[number].status = AppointmentStatus.confirmed
        for number in self.model.pending:
            check_in_time = self.picture.pending[number].check_in_time
            if self.model.waits_too_long(number, self.visits.now):
                # It can end and begin again in one decision.
                self.model.pending[number] = check_in_time
            assert self.model.pending[number] == check_in_time, f"appointment {number} has another arrival"

    def check_rows(self) -> None:
        model, picture = self.model, self.picture
        assert {row.id: row.person_id for row in picture.patients} == model.survivors
        assert picture.running.keys() == model.running.keys()
        assert picture.paused.keys() == model.paused.keys()
        assert picture.pending.keys() == model.pending.keys()
        ended = {row.consultation_id: row.outcome for row in picture.trackings if row.status == "completed"}
        assert {key: outcome for key, outcome in ended.items() if key is not None} == model.outcomes
        assert picture.appointments.keys() == model.appointments.keys()
        for number, row in picture.appointments.items():
            booked = model.appointments[number]
            assert AppointmentStatus(row.status) is booked.status, f"appointment {number}"
            assert (row.doctor_id, row.prestation_id, row.scheduled_at) == (
                booked.doctor_id,
                booked.prestation_id,
                booked.scheduled_at,
            )
            assert row.priority == model.priorities.get(number)
            assert model.survivors[row.patient_id] == model.survivors[booked.record_id]
            booked.record_id = row.patient_id
        for key, row in picture.running.items():
            consultation = model.running[key]
            assert (row.appointment_id, row.doctor_id, row.exclusive) == (
                consultation.appointment_id,
                consultation.doctor_id,
                consultation.exclusive,
            )
        for row in picture.trackings:
            assert row.person_id == model.survivors[row.patient_id], f"tracking {row.id} is of another person"
        for key, row in picture.running.items():
            others = model.exclusive_of(row.person_id) - {key}
            assert row.merged is (row.exclusive and bool(others)), f"the mark of consultation {key} is wrong"
        going_on = [*picture.running.values(), *picture.paused.values()]
        open_rows = [*going_on, *picture.pending.values(), *picture.places, *picture.reservations]
        for row in open_rows:
            assert row.person_id == model.person_of(row.appointment_id), f"{row} is open under another person"

    def check_lines(self, before: Picture | None) -> None:
        for person, places in self.picture.lines.items():
            doctors = [row.doctor_id for row in places]
            assert len(set(doctors)) == len(doctors), f"a doctor waits twice for person {person}"
            if before is not None:
                earlier = [row.doctor_id for row in before.lines.get(person, []) if row.doctor_id in doctors]
                assert [doctor for doctor in doctors if doctor in earlier] == earlier, "the line has a new order"
                assert doctors[: len(earlier)] == earlier, "a doctor did not join at the end"
            is_free = not self.model.exclusive_of(person)
            if is_free and self.visits.limits.offer:
                assert person in self.picture.reserved, f"person {person} is free, and a doctor waits without an offer"
        for person in self.picture.reserved:
            assert not self.model.exclusive_of(person), f"person {person} is busy and reserved"

    def check_joined_line(self, person: int, before: list[PlaceBefore], reservations: list[Any]) -> None:
        """The line of two records: the doctors in the order in which they began to wait.

        Those who had the patient reserved are the first ones when the person is busy now. Of the `reservations` the older one stays.
        The doctor of one that ends gets a place. The receiver of a transfer had none.
        """
        is_busy = bool(self.model.exclusive_of(person))
        older = sorted(reservations, key=lambda row: (row.since, row.appointment_id))
        first = [row.doctor_id for row in older] if is_busy else []
        in_line = {place.doctor_id for place in before}
        ended = [row for row in older[1:] if row.doctor_id not in in_line]
        places = [(place.since, place.turn, place.doctor_id) for place in before]
        ordered = [doctor for *_, doctor in sorted([*places, *((row.since, 0, row.doctor_id) for row in ended)])]
        expected = list(dict.fromkeys([*first, *ordered]))
        assert [row.doctor_id for row in self.picture.lines.get(person, [])] == expected
        if expected and not is_busy and self.visits.limits.offer:
            holder = older[0].doctor_id if older else expected[0]
            assert self.picture.reserved[person].doctor_id == holder

    def check_log(self) -> None:
        assert {record: self.log.survivors.get(record, record) for record in RECORDS} == self.model.survivors
        assert self.log.running == {key: each.appointment_id for key, each in self.model.running.items()}
        assert self.log.paused == {key: each.appointment_id for key, (each, _) in self.model.paused.items()}
        assert self.log.statuses == {key: each.status for key, each in self.model.appointments.items()}
        waiting: dict[int, set[int]] = defaultdict(set)
        for person, places in self.picture.lines.items():
            waiting[person] = {row.doctor_id for row in places}
        assert {person: doctors for person, doctors in self.log.waiting.items() if doctors} == waiting

"""What must be true of a few persons with several records: a small model that shares no code with the rules."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from patient_visit_engine.visit.codes import AppointmentStatus

NOT_SEEN_AFTER, ABANDON_AFTER, PAUSE_LIMIT = timedelta(hours=12), timedelta(hours=4), timedelta(hours=2)
CLOSED = {AppointmentStatus.canceled, AppointmentStatus.done}

#: The HTTP status of an answer, with the code of a refusal.
Expected = tuple[int, str | None]


@dataclass
class BookedAppointment:
    """One appointment, with the record under which it is booked."""

    record_id: int
    doctor_id: int
    prestation_id: int
    scheduled_at: datetime
    status: AppointmentStatus


@dataclass(frozen=True)
class RunningConsultation:
    """A consultation in progress. `arrived_at` is None when the patient was not checked in."""

    appointment_id: int
    doctor_id: int
    exclusive: bool
    started_at: datetime
    arrived_at: datetime | None


@dataclass(frozen=True)
class PersonsLine:
    """The doctors in a person's line, the first one first, and the doctor and the appointment of the reservation."""

    doctors: tuple[int, ...] = ()
    appointments: tuple[int, ...] = ()
    reserved_for: tuple[int, int] | None = None
    offers_reserve: bool = True

    @property
    def next_doctor(self) -> int | None:
        """The doctor who alone may start now."""
        if self.reserved_for is not None:
            return self.reserved_for[0]
        return self.doctors[0] if self.doctors and self.offers_reserve else None


@dataclass(frozen=True)
class StandingMerge:
    """A merge that was not undone. `records` are the record that it retired, and those that were merged into that one."""

    survivor_id: int
    records: frozenset[int]
    day: date
    both_in_consultation: bool


@dataclass
class PersonModel:
    """The persons, their consultations and their appointments. Each method returns the expected answer, and applies it."""

    #: The survivor of each record.
    survivors: dict[int, int] = field(default_factory=dict)
    #: The merge that retired each retired record.
    merges: dict[int, StandingMerge] = field(default_factory=dict)
    #: Whether each prestation is exclusive.
    exclusive: dict[int, bool] = field(default_factory=dict)
    appointments: dict[int, BookedAppointment] = field(default_factory=dict)
    running: dict[str, RunningConsultation] = field(default_factory=dict)
    #: The consultations that their doctors have paused, with the times of the pauses.
    paused: dict[str, tuple[RunningConsultation, datetime]] = field(default_factory=dict)
    #: The time of each open check-in, by appointment.
    pending: dict[int, datetime] = field(default_factory=dict)
    outcomes: dict[str, str] = field(default_factory=dict)
    priorities: dict[int, int | None] = field(default_factory=dict)
    #: The consultations that ran at a merge of two busy records.
    both_at_merge: set[str] = field(default_factory=set)

    # -- persons

    def person_of(self, appointment_id: int) -> int:
        """The survivor of the appointment's record."""
        return self.survivors[self.appointments[appointment_id].record_id]

    def exclusive_of(self, person_id: int) -> set[str]:
        """The person's exclusive consultations in progress."""
        return {
            consultation_id
            for consultation_id, consultation in self.running.items()
            if consultation.exclusive and self.person_of(consultation.appointment_id) == person_id
        }

    def check_rule(self) -> None:
        """One person, one exclusive consultation, except those that ran at a merge."""
        for person_id in set(self.survivors.values()):
            together = self.exclusive_of(person_id)
            assert len(together) <= 1 or together <= self.both_at_merge, f"person {person_id} is in {together}"

    def judge_merge(self, survivor_id: int, retired_id: int) -> Expected:
        """The answer to a merge. The caller applies a granted one with `merge`."""
        if retired_id == survivor_id:
            return 409, "merge_cycle"
        return (200, None) if self.survivors[retired_id] in (survivor_id, retired_id) else (409, "already_merged")

    def merge(self, survivor_id: int, retired_id: int, day: date) -> StandingMerge:
        """Both are one person now, if they were not before. Returns the merge that retired the record."""
        if self.survivors[retired_id] == retired_id:
            both = self.exclusive_of(survivor_id), self.exclusive_of(retired_id)
            if len(both[0] | both[1]) > 1:
                self.both_at_merge |= both[0] | both[1]
            records = frozenset(record for record, survivor in self.survivors.items() if survivor == retired_id)
            self.merges[retired_id] = StandingMerge(survivor_id, records, day, all(both))
            self.survivors.update(dict.fromkeys(records, survivor_id))
        return self.merges[retired_id]

    def judge_separation(self, survivor_id: int, retired_id: int, day: date, *, is_awaited: bool) -> Expected:
        """The answer to a separation. The caller applies a granted one with `separate`."""
        if retired_id not in self.merges or self.survivors[retired_id] != survivor_id:
            return 404, "unknown_merge"
        if self.merges[retired_id].day != day:
            return 409, "merge_not_today"
        open_for = [*self.pending, *(each.appointment_id for each in self.consultations.values())]
        is_open = survivor_id in map(self.person_of, open_for)
        return (409, "merge_in_use") if is_open or is_awaited else (200, None)

    def separate(self, retired_id: int) -> None:
        """The record is a person again, with the records that were merged into it."""
        records = {retired_id}
        for _ in self.survivors:
            records |= {record for record, merge in self.merges.items() if merge.survivor_id in records}
        del self.merges[retired_id]
        self.survivors.update(dict.fromkeys(records, retired_id))

    # -- consultations

    def judge_start(self, appointment_id: int, line: PersonsLine, *, is_today: bool) -> Expected:
        """The answer to a start. The caller applies a granted one with `open`."""
        appointment = self.appointments[appointment_id]
        if (consultation := self.consultation_of(appointment_id)) is not None:
            return self.judge_resumption(consultation, line)
        if appointment.status in CLOSED:
            return 409, "appointment_closed"
        is_here = appointment_id in self.pending or appointment_id in line.appointments
        is_reserved = line.reserved_for is not None and line.reserved_for[1] == appointment_id
        if not (is_today or is_here or is_reserved):
            return 409, "appointment_not_today"
        if self.exclusive[appointment.prestation_id] and (refusal := self._taken(appointment_id, line)) is not None:
            return refusal
        return 201, None

    def _taken(self, appointment_id: int, line: PersonsLine) -> Expected | None:
        """Why the doctor of this exclusive appointment cannot have the person now."""
        if self.exclusive_of(self.person_of(appointment_id)):
            return 409, "patient_in_consultation"
        is_for_another = line.next_doctor not in (None, self.appointments[appointment_id].doctor_id)
        return (409, "patient_reserved") if is_for_another else None

    def pause(self, consultation_id: str, doctor_id: int, now: datetime) -> Expected:
        """The holder pauses the consultation."""
        if consultation_id not in self.consultations:
            return 409, "consultation_ended"
        if doctor_id != self.consultations[consultation_id].doctor_id:
            return 403, "not_yours"
        if consultation_id in self.running:
            self.paused[consultation_id] = self.running.pop(consultation_id), now
        return 200, None

    def judge_resumption(self, consultation_id: str, line: PersonsLine) -> Expected:
        """The answer to a resumption. The caller applies a granted one with `resume`."""
        if consultation_id in self.running:
            return 200, None
        if consultation_id not in self.paused:
            return 409, "consultation_ended"
        consultation, _ = self.paused[consultation_id]
        refusal = self._taken(consultation.appointment_id, line) if consultation.exclusive else None
        return refusal or (200, None)

    def resume(self, consultation_id: str) -> None:
        """The consultation is in progress, after a pause or without one."""
        if consultation_id in self.paused:
            self.running[consultation_id], _ = self.paused.pop(consultation_id)

    def open(self, consultation_id: str, appointment_id: int, now: datetime) -> None:
        """The start was granted."""
        appointment = self.appointments[appointment_id]
        self.running[consultation_id] = RunningConsultation(
            appointment_id=appointment_id,
            doctor_id=appointment.doctor_id,
            exclusive=self.exclusive[appointment.prestation_id],
            started_at=now,
            arrived_at=self.pending.pop(appointment_id, None),
        )
        appointment.status = AppointmentStatus.in_progress

    def consultation_of(self, appointment_id: int) -> str | None:
        """The appointment's consultation, in progress or paused."""
        return next((key for key, each in self.consultations.items() if each.appointment_id == appointment_id), None)

    @property
    def consultations(self) -> dict[str, RunningConsultation]:
        """The consultations in progress, and the paused ones."""
        return self.running | {key: consultation for key, (consultation, _) in self.paused.items()}

    def end(self, consultation_id: str, outcome: str, doctor_id: int | None = None) -> Expected:
        """The holder completes the consultation, or a supervisor releases it."""
        if consultation_id not in self.consultations:
            return (200, None) if self.outcomes[consultation_id] == outcome else (409, "consultation_ended")
        if doctor_id not in (None, self.consultations[consultation_id].doctor_id):
            return 403, "not_yours"
        self.finish(consultation_id, outcome)
        return 200, None

    def finish(self, consultation_id: str, outcome: str) -> None:
        """The consultation has ended."""
        consultation = self.consultations[consultation_id]
        self.running.pop(consultation_id, None)
        self.paused.pop(consultation_id, None)
        self.outcomes[consultation_id] = outcome
        appointment = self.appointments[consultation.appointment_id]
        appointment.status = AppointmentStatus.done if outcome == "done" else AppointmentStatus.confirmed
        if outcome == "released" and consultation.arrived_at is not None:
            self.pending[consultation.appointment_id] = consultation.arrived_at
            appointment.status = AppointmentStatus.pending

    def extend(self, consultation_id: str, doctor_id: int) -> Expected:
        """The holder needs more time."""
        if consultation_id not in self.consultations:
            return 409, "consultation_ended"
        if self.consultations[consultation_id].doctor_id != doctor_id:
            return 403, "not_yours"
        return (200, None) if consultation_id in self.running else (409, "consultation_paused")

    # -- the desk

    def waits_too_long(self, appointment_id: int, now: datetime) -> bool:
        """Whether the check-in may end as not seen in any decision now."""
        return appointment_id in self.pending and now >= self.pending[appointment_id] + NOT_SEEN_AFTER

    def check_in(self, appointment_id: int, now: datetime) -> Expected:
        """The patient arrives."""
        if (refusal := self._closed(appointment_id)) is not None:
            return refusal
        if appointment_id in self.pending:
            return 200, None
        self.pending[appointment_id] = now
        self.appointments[appointment_id].status = AppointmentStatus.pending
        return 201, None

    def check_out(self, appointment_id: int, *, has_left_today: bool) -> Expected:
        """The patient leaves without being seen. `has_left_today`: there was such a check-out before."""
        if self.consultation_of(appointment_id) is not None:
            return 409, "appointment_in_progress"
        if self.pending.pop(appointment_id, None) is None:
            return (200, None) if has_left_today else (409, "not_checked_in")
        self.appointments[appointment_id].status = AppointmentStatus.confirmed
        return 200, None

    def set_status(self, appointment_id: int, status: AppointmentStatus) -> Expected:
        """The desk sets the status to scheduled, confirmed or canceled."""
        if self.consultation_of(appointment_id) is not None:
            return 409, "appointment_in_progress"
        if self.appointments[appointment_id].status is AppointmentStatus.done:
            return 409, "appointment_closed"
        self.pending.pop(appointment_id, None)
        self.appointments[appointment_id].status = status
        return 200, None

    def reassign(self, appointment_id: int, doctor_id: int) -> Expected:
        """The desk gives the appointment to the doctor."""
        appointment = self.appointments[appointment_id]
        if appointment.doctor_id == doctor_id:
            return 200, None
        if self.consultation_of(appointment_id) is not None:
            return 409, "tracking_open"
        if appointment.status in CLOSED:
            return 409, "appointment_closed"
        appointment.doctor_id = doctor_id
        return 200, None

    def set_priority(self, appointment_id: int, priority: int | None) -> Expected:
        """The desk says how urgent the appointment is."""
        has_changed = self.priorities.get(appointment_id) != priority
        if has_changed and self.appointments[appointment_id].status in CLOSED:
            return 409, "appointment_closed"
        self.priorities[appointment_id] = priority
        return 200, None

    def join_line(self, appointment_id: int, line: PersonsLine) -> Expected:
        """The answer to the doctor of the appointment, who wants to wait."""
        if (refusal := self._closed(appointment_id)) is not None:
            return refusal
        appointment = self.appointments[appointment_id]
        if appointment.doctor_id in line.doctors:
            return 200, None
        holders = self.exclusive_of(self.person_of(appointment_id))
        is_kept_for_other = line.reserved_for is not None and line.reserved_for[0] != appointment.doctor_id
        if not self.exclusive[appointment.prestation_id] or not (holders or is_kept_for_other):
            return 409, "patient_free"
        if appointment.doctor_id in {self.running[holder].doctor_id for holder in holders}:
            return 409, "patient_in_consultation"
        return 200, None

    def _closed(self, appointment_id: int) -> Expected | None:
        if self.consultation_of(appointment_id) is not None:
            return 409, "appointment_in_progress"
        return (409, "appointment_closed") if self.appointments[appointment_id].status in CLOSED else None

    # -- the hospital's own system

    def feed(self, appointment_id: int, sent: BookedAppointment) -> Expected:
        """The hospital's own system sends all fields of the appointment."""
        if appointment_id not in self.appointments:
            self.appointments[appointment_id] = sent
            return 201, None
        present = self.appointments[appointment_id]
        is_running, is_pending = self.consultation_of(appointment_id) is not None, appointment_id in self.pending
        has_arrived = is_running or is_pending or present.status is AppointmentStatus.done
        other_patient = self.survivors[sent.record_id] != self.survivors[present.record_id]
        other_status = sent.status is not present.status and not (
            has_arrived and sent.status is not AppointmentStatus.canceled
        )
        other_place = (sent.doctor_id, sent.prestation_id) != (present.doctor_id, present.prestation_id)
        if not (other_patient or other_status or other_place or sent.scheduled_at != present.scheduled_at):
            return 200, None
        if is_running and (other_patient or other_status or other_place):
            return 409, "tracking_open"
        if not is_running and present.status is AppointmentStatus.done:
            return 409, "appointment_closed"
        if is_pending and other_patient:
            return 409, "tracking_open"
        status = sent.status if other_status else present.status
        if status is AppointmentStatus.canceled:
            self.pending.pop(appointment_id, None)
        record_id = sent.record_id if other_patient else present.record_id
        self.appointments[appointment_id] = BookedAppointment(
            record_id, sent.doctor_id, sent.prestation_id, sent.scheduled_at, status
        )
        return 200, None

    def feed_prestation(self, prestation_id: int, *, exclusive: bool) -> bool:
        """The hospital's own system sends the prestation. Returns whether it may, which it may not while it is performed."""
        is_performed = any(
            self.appointments[each.appointment_id].prestation_id == prestation_id
            for each in self.consultations.values()
        )
        if is_performed and exclusive is not self.exclusive[prestation_id]:
            return False
        self.exclusive[prestation_id] = exclusive
        return True

"""The state of one visit: the patient's open facts and the visit's time limits."""

from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from patient_visit_engine.visit.codes import AppointmentStatus, ReservationKind

#: The value of a time that a history of an older program does not have.
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
DEFAULT_PAUSE_LIMIT = timedelta(hours=4)
DEFAULT_CALL = timedelta(seconds=180)


def is_false(value: bool) -> bool:
    """Whether a field is left out of the JSON, because false is its default."""
    return not value


def is_zero(value: int) -> bool:
    """Whether a number is left out of the JSON, because zero is its default."""
    return value == 0


def is_empty(value: tuple[object, ...]) -> bool:
    """Whether a list is left out of the JSON, because an empty one is its default."""
    return not value


def is_default_pause_limit(value: timedelta) -> bool:
    """Whether the limit of a pause is left out of the JSON. Histories of older programs do not have it."""
    return value == DEFAULT_PAUSE_LIMIT


def is_default_call(value: timedelta) -> bool:
    """Whether the time of a transfer is left out of the JSON. Histories of older programs do not have it."""
    return value == DEFAULT_CALL


def is_absent(value: object) -> bool:
    """Whether a field is left out of the text of its model. Each decision has these models in its history, and merges are rare."""
    return value is None


class Frozen(BaseModel):
    """An immutable value that Temporal stores.

    New fields need defaults, and no stored field is renamed, because Temporal must be able to replay old histories.
    """

    model_config = ConfigDict(frozen=True)


class Limits(Frozen):
    """The time limits of a visit, and the number of messages in one run.

    They are part of the visit's input, so Temporal's replay uses the values of the original run.
    """

    offer: timedelta = timedelta(seconds=60)
    abandon_after: timedelta = timedelta(hours=4)
    remind_every: timedelta = timedelta(minutes=15)
    not_seen_after: timedelta = timedelta(hours=12)
    messages_per_run: int = 1_000
    pause_limit: timedelta = Field(default=DEFAULT_PAUSE_LIMIT, exclude_if=is_default_pause_limit)
    call: timedelta = Field(default=DEFAULT_CALL, exclude_if=is_default_call)


class Appointment(Frozen):
    """One appointment as the database has it, with the settings of its prestation.

    `patient_id` is the person. `record_id` is the record that has the appointment, when it is a retired one.
    `scheduled_at` is None in the messages of older programs. For them, doctor and prestation were always active.
    """

    id: int
    patient_id: int
    doctor_id: int
    prestation_id: int
    exclusive: bool
    expected_minutes: int
    status: AppointmentStatus
    scheduled_at: datetime | None = None
    # Left out when true, as it nearly always is. Each command would have 46 bytes more in its history.
    doctor_active: bool = Field(default=True, exclude_if=bool)
    prestation_active: bool = Field(default=True, exclude_if=bool)
    record_id: int | None = Field(default=None, exclude_if=is_absent)
    #: 1 (most urgent) to 5. None: no priority.
    priority: int | None = Field(default=None, exclude_if=is_absent)
    #: How many calls of the patient were not answered.
    no_answers: int = Field(default=0, exclude_if=is_zero)

    @property
    def record(self) -> int:
        """The id of the record that has the appointment. A merge and a separation leave it as it is."""
        return self.patient_id if self.record_id is None else self.record_id

    def of_person(self, person_id: int) -> "Appointment":
        """The same appointment after its record was merged into this person, or separated."""
        record_id = None if self.record == person_id else self.record
        return self.model_copy(update={"patient_id": person_id, "record_id": record_id})

    @property
    def fields(self) -> "AppointmentFields":
        """The fields that the hospital's own system can change, as they are."""
        return AppointmentFields(**{name: getattr(self, name) for name in AppointmentFields.model_fields})

    def changed(self, fields: "AppointmentFields") -> "Appointment":
        """The appointment with these fields. What it has of its doctor and prestation stays that of the earlier ones."""
        changed = {name: getattr(fields, name) for name in fields.names}
        return self.model_copy(update=changed | ({} if fields.patient_id is None else {"record_id": None}))


class AppointmentFields(Frozen):
    """Fields of an appointment, for a change of some of them. None: the field stays as it is."""

    patient_id: int | None = None
    doctor_id: int | None = None
    prestation_id: int | None = None
    scheduled_at: datetime | None = None
    expected_minutes: int | None = None
    status: AppointmentStatus | None = None

    @property
    def names(self) -> frozenset[str]:
        """The names of the fields that have a value."""
        return frozenset(name for name, value in self if value is not None)

    def without(self, *names: str) -> "AppointmentFields":
        """The other fields. The named ones stay as they are in the appointment."""
        return self.model_copy(update=dict.fromkeys(names))

    def differing_from(self, present: "AppointmentFields") -> "AppointmentFields":
        """The fields that have another value than in `present`."""
        return self.without(*(name for name in self.names if getattr(self, name) == getattr(present, name)))


class Consultation(Frozen):
    """A consultation in progress or paused. `day` is the day of the visit that runs its timers.

    It is ended at `abandon_at`, but not before its doctor was reminded of the expected end, `overdue_at`. `checked_in_at` is the
    patient's arrival, or None when the patient was not checked in. `changed_at` is the database's time at which it was reopened or
    resumed.

    `paused_at` is set while it is paused. Then its doctor is not reminded, and `abandon_at` is the end of the longest pause.
    """

    id: str
    patient_id: int
    doctor_id: int
    appointment_id: int
    prestation_id: int
    exclusive: bool
    day: date
    started_at: datetime
    overdue_at: datetime
    remind_at: datetime
    reminders: int = 0
    abandon_at: datetime
    checked_in_at: datetime | None = None
    changed_at: datetime | None = Field(default=None, exclude_if=is_absent)
    paused_at: datetime | None = Field(default=None, exclude_if=is_absent)

    def expected_end(self, now: datetime) -> datetime:
        """When it is expected to end. During a pause this moves, because the clock stands still."""
        # Not less than nothing: the clocks of two servers differ.
        pause = timedelta(0) if self.paused_at is None else max(now - self.paused_at, timedelta(0))
        return self.overdue_at + pause


class OtherConsultation(Frozen):
    """An exclusive consultation in progress that a doctor has with another patient."""

    consultation_id: str
    patient_id: int
    started_at: datetime


class PendingTracking(Frozen):
    """A patient who is checked in and waits for one appointment.

    `not_seen_at` is set when the check-in passed to another day: it ends then. Facts of an older program have no times.
    """

    appointment_id: int
    day: date
    check_in_time: datetime = LONG_AGO
    scheduled_at: datetime = LONG_AGO
    not_seen_at: datetime | None = None


class WaitingDoctor(Frozen):
    """A doctor in the line for a busy patient. The line is in the order of `turn`.

    `notified_at` is set when offers do not reserve (VISIT_OFFER_SECONDS=0) and the doctor knows that the patient is free.
    """

    doctor_id: int
    appointment_id: int
    day: date
    since: datetime
    turn: int = 0
    unused_offers: int = 0
    notified_at: datetime | None = None


class Reservation(Frozen):
    """A free patient is reserved for this doctor. It stands until its end is recorded, even after `until`.

    The facts of an older program have no `since`.
    """

    kind: ReservationKind = ReservationKind.offered
    doctor_id: int
    appointment_id: int
    day: date
    until: datetime
    since: datetime = LONG_AGO


class Facts(Frozen):
    """Everything that is open for one patient, on any day. Only the ledger creates new facts.

    `moved_to` is the survivor of a retired record. Everything else is empty then, because it belongs to the survivor.
    """

    in_progress: tuple[Consultation, ...] = ()
    paused: tuple[Consultation, ...] = Field(default=(), exclude_if=is_empty)
    pending: tuple[PendingTracking, ...] = ()
    waiting: tuple[WaitingDoctor, ...] = ()
    reservation: Reservation | None = None
    moved_to: int | None = Field(default=None, exclude_if=is_absent)

    @model_validator(mode="before")
    @classmethod
    def _read_older_offer(cls, facts: Any) -> Any:
        """The facts of an older program have the end of an offer at the place in line, as `offered_until`."""
        places = facts.get("waiting", ()) if isinstance(facts, dict) else ()
        offered = [place for place in places if isinstance(place, dict) and place.get("offered_until")]
        if not offered:
            return facts
        fields = {name: offered[0][name] for name in ("doctor_id", "appointment_id", "day")}
        reservation = fields | {"until": offered[0]["offered_until"]}
        waiting = [place | {"notified_at": place.get("offered_until")} for place in places]
        return facts | {"waiting": waiting, "reservation": reservation}

    def has_earlier_than(self, day: date) -> bool:
        """Whether something open belongs to an earlier day."""
        return any(fact.day < day for fact in self._all())

    def has_later_than(self, day: date) -> bool:
        """Whether the visit of a later day has taken over what is open."""
        return any(fact.day > day for fact in self._all())

    @property
    def is_empty(self) -> bool:
        """Whether nothing is open."""
        return not self._all()

    def _all(self) -> tuple[Consultation | PendingTracking | WaitingDoctor | Reservation, ...]:
        reserved = () if self.reservation is None else (self.reservation,)
        return *self.in_progress, *self.paused, *self.pending, *self.waiting, *reserved


class VisitState(Frozen):
    """The whole state of a visit. Continue-as-new passes it to the next run.

    In the phase `closing` the day is over, and the visit takes no commands. A visit that an older program opened does not know
    when its day started.
    """

    patient_id: int
    day: date
    day_starts_at: datetime = LONG_AGO
    day_ends_at: datetime
    limits: Limits = Limits()
    phase: Literal["open", "closing"] = "open"
    facts: Facts = Facts()

    def exclusive_consultation(self) -> Consultation | None:
        """The consultation that prevents another exclusive one, if there is one."""
        return next((c for c in self.facts.in_progress if c.exclusive), None)

    def holder_for(self, doctor_id: int) -> Consultation | None:
        """The exclusive consultation for which this doctor is refused. After a merge two can be in progress: then the doctor's own."""
        running = [c for c in self.facts.in_progress if c.exclusive]
        return next((c for c in running if c.doctor_id == doctor_id), next(iter(running), None))

    def consultation(self, consultation_id: str) -> Consultation | None:
        """The consultation with this id, in progress or paused."""
        return next((c for c in self._consultations() if c.id == consultation_id), None)

    def consultation_of(self, appointment_id: int) -> Consultation | None:
        """The consultation for this appointment, in progress or paused."""
        return next((c for c in self._consultations() if c.appointment_id == appointment_id), None)

    def _consultations(self) -> tuple[Consultation, ...]:
        return *self.facts.in_progress, *self.facts.paused

    def paused_exclusive(self) -> tuple[Consultation, ...]:
        """The paused consultations whose doctors get a free patient before the line, the first paused first."""
        exclusive = [consultation for consultation in self.facts.paused if consultation.exclusive]
        return tuple(sorted(exclusive, key=lambda consultation: (consultation.paused_at or LONG_AGO, consultation.id)))

    def tracking_of(self, appointment_id: int) -> PendingTracking | None:
        """The open check-in of this appointment."""
        return next((p for p in self.facts.pending if p.appointment_id == appointment_id), None)

    def line(self) -> tuple[WaitingDoctor, ...]:
        """The waiting line, first come first."""
        return self.facts.waiting

    def place_for(self, appointment_id: int) -> WaitingDoctor | None:
        """The place in line for this appointment."""
        return next((place for place in self.line() if place.appointment_id == appointment_id), None)

    def is_awaited(self, appointment_id: int) -> bool:
        """Whether the patient is reserved for this appointment, or its doctor waits in line for the patient."""
        reservation = self.facts.reservation
        is_reserved = reservation is not None and reservation.appointment_id == appointment_id
        return is_reserved or self.place_for(appointment_id) is not None

    def expects(self, appointment: Appointment) -> bool:
        """Whether the appointment is for this day, or the patient is here for it: checked in, reserved, or a doctor waits."""
        scheduled_at = appointment.scheduled_at
        return (
            scheduled_at is None
            or self.day_starts_at <= scheduled_at < self.day_ends_at
            or self.tracking_of(appointment.id) is not None
            or self.is_awaited(appointment.id)
        )

    def is_same_day(self, first: datetime, second: datetime) -> bool:
        """Whether both times are on one hospital day. Days other than the visit's count as 24 hours each."""
        return self._days_from_here(first) == self._days_from_here(second)

    def _days_from_here(self, at: datetime) -> int:
        if self.day_starts_at <= at < self.day_ends_at:
            return 0
        if at < self.day_starts_at:
            return (at - self.day_starts_at) // timedelta(days=1)
        return 1 + (at - self.day_ends_at) // timedelta(days=1)

    def position_of(self, doctor_id: int) -> int | None:
        """The doctor's position in the line, counted from 1."""
        return next((n for n, w in enumerate(self.line(), 1) if w.doctor_id == doctor_id), None)

"""The state of one visit: the patient's open facts and the visit's time limits."""

from datetime import date, datetime, timedelta
from typing import Literal

from pydantic import Field

from patient_visit_engine.visit.appointment import Appointment
from patient_visit_engine.visit.facts import Consultation, Facts, PendingTracking, WaitingDoctor
from patient_visit_engine.visit.frozen import LONG_AGO, Frozen, is_absent

DEFAULT_PAUSE_LIMIT = timedelta(hours=4)
DEFAULT_CALL = timedelta(seconds=180)


def is_default_pause_limit(value: timedelta) -> bool:
    """Whether the limit of a pause is left out of the JSON. Histories of older programs do not have it."""
    return value == DEFAULT_PAUSE_LIMIT


def is_default_call(value: timedelta) -> bool:
    """Whether the time of a transfer is left out of the JSON. Histories of older programs do not have it."""
    return value == DEFAULT_CALL


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


class VisitState(Frozen):
    """The whole state of a visit. Continue-as-new passes it to the next run.

    In the phase `closing` the day is over, and the visit takes no commands. A visit that an older program opened does not know
    when its day and the day before started.
    """

    patient_id: int
    day: date
    day_starts_at: datetime = LONG_AGO
    day_ends_at: datetime
    yesterday_starts_at: datetime | None = Field(default=None, exclude_if=is_absent)
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

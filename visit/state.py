"""The state of one visit: the patient's open facts and the visit's time limits."""

from datetime import date, datetime, timedelta
from typing import Literal, TypeGuard

from pydantic import BaseModel, ConfigDict

from patient_visit_engine.visit.codes import AppointmentStatus


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
    messages_per_run: int = 1_000


class Appointment(Frozen):
    """One appointment as the database has it, with the settings of its prestation."""

    id: int
    patient_id: int
    doctor_id: int
    prestation_id: int
    exclusive: bool
    expected_minutes: int
    status: AppointmentStatus


class Consultation(Frozen):
    """A consultation in progress. `day` is the day of the visit that runs its timers."""

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


class PendingTracking(Frozen):
    """A patient who is checked in and waits for one appointment."""

    appointment_id: int
    day: date


class WaitingDoctor(Frozen):
    """A doctor in the line for a busy patient. `offered_until` is set when the patient was offered to this doctor."""

    doctor_id: int
    appointment_id: int
    day: date
    since: datetime
    offered_until: datetime | None = None


def reserves(offered_until: datetime | None, now: datetime) -> TypeGuard[datetime]:
    """Whether an offer until `offered_until` still reserves the patient at `now`.

    With VISIT_OFFER_SECONDS=0 an offer ends immediately and reserves nothing.
    """
    return offered_until is not None and offered_until > now


class Facts(Frozen):
    """Everything that is open for one patient, on any day. Only the ledger creates new facts."""

    in_progress: tuple[Consultation, ...] = ()
    pending: tuple[PendingTracking, ...] = ()
    waiting: tuple[WaitingDoctor, ...] = ()


class VisitState(Frozen):
    """The whole state of a visit. Continue-as-new passes it to the next run."""

    patient_id: int
    day: date
    day_ends_at: datetime
    limits: Limits = Limits()
    phase: Literal["open", "closing"] = "open"
    facts: Facts = Facts()

    def exclusive_consultation(self) -> Consultation | None:
        """The consultation that prevents another exclusive one, if there is one."""
        return next((c for c in self.facts.in_progress if c.exclusive), None)

    def consultation(self, consultation_id: str) -> Consultation | None:
        """The consultation in progress with this id."""
        return next((c for c in self.facts.in_progress if c.id == consultation_id), None)

    def consultation_of(self, appointment_id: int) -> Consultation | None:
        """The consultation in progress for this appointment."""
        return next((c for c in self.facts.in_progress if c.appointment_id == appointment_id), None)

    def tracking_of(self, appointment_id: int) -> PendingTracking | None:
        """The open check-in of this appointment."""
        return next((p for p in self.facts.pending if p.appointment_id == appointment_id), None)

    def consultations_with_timers_here(self) -> tuple[Consultation, ...]:
        """The consultations with timers in this visit."""
        return tuple(c for c in self.facts.in_progress if c.day == self.day)

    def line(self) -> tuple[WaitingDoctor, ...]:
        """This day's waiting line, first come first."""
        return tuple(w for w in self.facts.waiting if w.day == self.day)

    def position_of(self, doctor_id: int) -> int | None:
        """The doctor's position in the line, counted from 1."""
        return next((n for n, w in enumerate(self.line(), 1) if w.doctor_id == doctor_id), None)

    def reservation(self, now: datetime) -> WaitingDoctor | None:
        """The doctor for whom the patient is reserved now. Offers of other days do not count, because they ended with their day."""
        return next((place for place in self.line() if reserves(place.offered_until, now)), None)

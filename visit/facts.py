"""The facts of one patient: everything that is open, on any day."""

from datetime import date, datetime, timedelta
from typing import Any

from pydantic import Field, model_validator

from patient_visit_engine.visit.codes import ReservationKind
from patient_visit_engine.visit.frozen import LONG_AGO, Frozen, is_absent, is_empty


class Consultation(Frozen):
    """A consultation in progress or paused. `day` is the day of the visit that runs its timers.

    It is ended at `abandon_at`, but not before its doctor was reminded of the expected end, `overdue_at`. `checked_in_at` is the
    patient's arrival, or None when the patient was not checked in. `changed_at` is the database's time at which it was started,
    reopened or resumed. It is None for one that an earlier version started.

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

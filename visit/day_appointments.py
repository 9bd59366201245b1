"""The appointments of one patient on one hospital day, as calls on the whole patient need them."""

from datetime import date, datetime

from patient_visit_engine.visit.appointment import Appointment
from patient_visit_engine.visit.codes import Outcome
from patient_visit_engine.visit.frozen import Frozen
from patient_visit_engine.visit.past_tracking import PastTracking


class DayAppointment(Frozen):
    """An appointment with its past."""

    appointment: Appointment
    past: PastTracking

    @property
    def id(self) -> int:
        """The id of the appointment."""
        return self.appointment.id

    def ended_as(self, outcome: Outcome) -> bool:
        """Whether its latest tracking is a check-in that ended with this outcome, without a consultation."""
        return self.past.outcome is outcome and self.past.consultation_id is None


class DayAppointments(Frozen):
    """The appointments that are for the day, and those with a tracking that is open, or belongs to the day.

    `left_at` is the time of the patient's latest check-out of the day, of any appointment. The visit compares all of this with what
    stands, so a list that has changed is decided again.
    """

    day: date
    starts_at: datetime
    ends_at: datetime
    items: tuple[DayAppointment, ...] = ()
    left_at: datetime | None = None

    def has(self, at: datetime | None) -> bool:
        """Whether the time is on the day."""
        return at is not None and self.starts_at <= at < self.ends_at

"""What a visit does not have among its facts: the status before the arrival, and the latest tracking that has ended."""

from datetime import datetime

from pydantic import Field

from patient_visit_engine.visit.codes import AppointmentStatus, Outcome
from patient_visit_engine.visit.frozen import Frozen, is_absent, is_zero


class PastTracking(Frozen):
    """The past of one appointment, as a call that takes something back needs it.

    `earlier_status` is the appointment's last status before the patient arrived or it was canceled. `canceled_at` is None for an
    appointment that is not canceled, or that an older program has canceled. The other fields are those of the appointment's
    latest tracking, when it has ended: `check_in_time` is the arrival, and `consultation_id` is None when no doctor had started it.
    A consultation also has its times and its number of reminders. `was_checked_in`: the arrival was before the start.
    """

    appointment_id: int
    earlier_status: AppointmentStatus
    canceled_at: datetime | None = Field(default=None, exclude_if=is_absent)
    outcome: Outcome | None = None
    check_in_time: datetime | None = None
    ended_at: datetime | None = None
    consultation_id: str | None = None
    was_checked_in: bool = Field(default=True, exclude_if=bool)
    started_at: datetime | None = Field(default=None, exclude_if=is_absent)
    overdue_at: datetime | None = Field(default=None, exclude_if=is_absent)
    reminders: int = Field(default=0, exclude_if=is_zero)

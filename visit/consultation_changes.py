"""The changes of a consultation, and of the appointment and the tracking that it has."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from patient_visit_engine.visit.codes import Outcome
from patient_visit_engine.visit.facts import Consultation, Reservation, WaitingDoctor
from patient_visit_engine.visit.frozen import Frozen, is_false


class OpenConsultation(Frozen):
    """The tracking and the appointment get the status `in_progress`."""

    change: Literal["open_consultation"] = "open_consultation"
    consultation: Consultation


class EndConsultation(Frozen):
    """Complete the tracking of this consultation only. The appointment becomes `done`, or `confirmed` again.

    When the patient waits again, the next change writes the status. `by_supervisor` is true when a supervisor took
    the start back or transferred the consultation: its doctor must know who did it.
    """

    change: Literal["end_consultation"] = "end_consultation"
    consultation: Consultation
    outcome: Outcome
    by_supervisor: bool = Field(default=False, exclude_if=is_false)

    @property
    def waits_again(self) -> bool:
        """Whether the patient had been checked in, and waits again since then."""
        is_released = self.outcome in {Outcome.released, Outcome.mistaken}
        return is_released and self.consultation.checked_in_at is not None


class ReopenConsultation(Frozen):
    """The consultation that was completed by mistake goes on. `consultation` has its new times."""

    change: Literal["reopen_consultation"] = "reopen_consultation"
    consultation: Consultation


class PauseConsultation(Frozen):
    """The patient is free for others. `consultation` has the time of the pause, and the end of the longest one as `abandon_at`."""

    change: Literal["pause_consultation"] = "pause_consultation"
    consultation: Consultation


class ResumeConsultation(Frozen):
    """The paused consultation goes on. `consultation` has its new times, and `paused_at` is the time at which it was paused."""

    change: Literal["resume_consultation"] = "resume_consultation"
    consultation: Consultation
    paused_at: datetime


class TransferConsultation(Frozen):
    """The patient of the consultation, which has ended, waits for another doctor, since the first arrival.

    `reservation` keeps the patient for that doctor. While the patient cannot be reserved, `place` is the first one in line instead: a
    new one, or the one that the doctor had. A consultation that is not exclusive has neither.
    """

    change: Literal["transfer_consultation"] = "transfer_consultation"
    consultation: Consultation
    to_doctor_id: int
    reservation: Reservation | None = None
    place: WaitingDoctor | None = None


class PostponePauseLimit(Frozen):
    """The time limit of a pause passed while no visit ran. `consultation` has a later one."""

    change: Literal["postpone_pause_limit"] = "postpone_pause_limit"
    consultation: Consultation


class PostponeConsultation(Frozen):
    """Move the expected end, because the holder needs more time. `consultation` has the new times."""

    change: Literal["postpone_consultation"] = "postpone_consultation"
    consultation: Consultation
    minutes: int


class RemindHolder(Frozen):
    """The holder is reminded, because the expected time is over. `consultation` has the time of the next reminder."""

    change: Literal["remind_holder"] = "remind_holder"
    consultation: Consultation


class WaitAgain(Frozen):
    """The consultation was released or taken back, and its patient waits again since `consultation.checked_in_at`."""

    change: Literal["wait_again"] = "wait_again"
    consultation: Consultation

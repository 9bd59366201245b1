"""The changes that a decision records, and that the ledger writes."""

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import Field

from patient_visit_engine.visit.appointment import Appointment, AppointmentFields
from patient_visit_engine.visit.codes import AppointmentStatus, CancelReason, Outcome, RescueReason
from patient_visit_engine.visit.facts import Consultation, PendingTracking, Reservation, WaitingDoctor
from patient_visit_engine.visit.frozen import Frozen, is_absent, is_false
from patient_visit_engine.visit.refusals import Refusal


class OpenConsultation(Frozen):
    """The tracking and the appointment get the status `in_progress`."""

    change: Literal["open_consultation"] = "open_consultation"
    consultation: Consultation


class EndConsultation(Frozen):
    """Complete the tracking of this consultation only. The appointment becomes `done`, or `confirmed` again.

    When the patient waits again, the next change writes the status.
    """

    change: Literal["end_consultation"] = "end_consultation"
    consultation: Consultation
    outcome: Outcome

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


class NoteCall(Frozen):
    """The appointment's doctor calls the patient, until `until`.

    `reservation` keeps the patient for the doctor, and replaces an offer to this doctor. None: the prestation is not exclusive.
    """

    change: Literal["note_call"] = "note_call"
    appointment: Appointment
    until: datetime
    reservation: Reservation | None = None


class WriteNoAnswers(Frozen):
    """So many calls were not answered, and `appointment` is as it was before. Zero: the desk has found the patient.

    The patient stands behind the appointment `behind_id` in the doctor's list.
    """

    change: Literal["write_no_answers"] = "write_no_answers"
    appointment: Appointment
    no_answers: int
    behind_id: int | None = None


class PostponeReservation(Frozen):
    """The time limit of a reservation passed while no visit ran. `reservation` has a later one."""

    change: Literal["postpone_reservation"] = "postpone_reservation"
    reservation: Reservation


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


class CarryOver(Frozen):
    """Everything that is open from earlier days belongs to this day's visit from now on.

    `pending` are the check-ins among it, each with its new time limit.
    """

    change: Literal["carry_over"] = "carry_over"
    day: date
    pending: tuple[PendingTracking, ...] = ()


class OpenTracking(Frozen):
    """The patient is checked in.

    `arrived_at` is the first arrival when the patient had only left by mistake. None: the patient arrives now.
    """

    change: Literal["open_tracking"] = "open_tracking"
    appointment: Appointment
    arrived_at: datetime | None = Field(default=None, exclude_if=is_absent)


class AddWalkIn(Frozen):
    """The patient gets this new appointment, and is checked in for it."""

    change: Literal["add_walk_in"] = "add_walk_in"
    appointment: Appointment


class CloseTracking(Frozen):
    """The patient no longer waits for this appointment. The appointment gets `status`.

    `day` is the day of the check-in when it is not the visit's day. `sent_by_feed`: the hospital's own system has canceled it.
    """

    change: Literal["close_tracking"] = "close_tracking"
    appointment_id: int
    outcome: Outcome
    status: AppointmentStatus
    day: date | None = None
    sent_by_feed: bool = False
    cancel_reason: CancelReason | None = Field(default=None, exclude_if=is_absent)


class PostponeNotSeen(Frozen):
    """The time limit of a check-in passed while no visit ran, or while its doctor was about to start. `tracking` has a later one."""

    change: Literal["postpone_not_seen"] = "postpone_not_seen"
    tracking: PendingTracking


class WaitAgain(Frozen):
    """The consultation was released or taken back, and its patient waits again since `consultation.checked_in_at`."""

    change: Literal["wait_again"] = "wait_again"
    consultation: Consultation


class WriteAppointmentStatus(Frozen):
    """The appointment gets a status without effect on a tracking."""

    change: Literal["write_appointment_status"] = "write_appointment_status"
    appointment_id: int
    status: AppointmentStatus
    cancel_reason: CancelReason | None = Field(default=None, exclude_if=is_absent)


class WritePriority(Frozen):
    """The appointment gets another priority, or none. `appointment` is as it was before."""

    change: Literal["write_priority"] = "write_priority"
    appointment: Appointment
    priority: int | None = None


class RewriteAppointment(Frozen):
    """The hospital's own system has changed these fields. A pending tracking gets the new doctor and prestation.

    `appointment` is as it was before. `decided_here`: staff have given the appointment to another doctor.
    """

    change: Literal["rewrite_appointment"] = "rewrite_appointment"
    appointment: Appointment
    new_fields: AppointmentFields
    decided_here: bool = Field(default=False, exclude_if=is_false)


class JoinLine(Frozen):
    """A doctor takes the last place in the waiting line, or the first one, because the reservation of a transfer was withdrawn.

    A doctor who goes first may have had a place: then this one replaces it.
    """

    change: Literal["join_line"] = "join_line"
    place: WaitingDoctor


class LeaveLine(Frozen):
    """A doctor leaves the waiting line.

    `why` is one of these stored values:

    - `started`: the doctor has started a consultation with the patient.
    - `left`: the doctor has stopped waiting.
    - `passed`: the doctor has not used the second offer.
    - `canceled`: the appointment was canceled.
    - `checked_out`: the patient has left without being seen.
    - `moved`: the appointment has another day, doctor or patient.
    """

    change: Literal["leave_line"] = "leave_line"
    place: WaitingDoctor
    why: Literal["started", "left", "passed", "canceled", "checked_out", "moved"]


class OfferPatient(Frozen):
    """Reserve the free patient for this doctor, until `until`.

    With `VISIT_OFFER_SECONDS=0` `until` is None: the doctor is only notified, and `place` has the time.
    `consultation_id` is the consultation that the doctor has paused. Then `place` is no place in the line.
    """

    change: Literal["offer_patient"] = "offer_patient"
    place: WaitingDoctor
    until: datetime | None = None
    consultation_id: str | None = Field(default=None, exclude_if=is_absent)


class EndReservation(Frozen):
    """The patient is no longer reserved for this doctor.

    `why` is one of these stored values:

    - `started`: the appointment was started.
    - `busy`: the doctor has started another appointment of the patient.
    - `expired`: the doctor has not used the offer.
    - `left`: the doctor has left the line, or the appointment was moved, canceled or checked out, or its paused consultation ended.
    - `withdrawn`: the patient is in consultation again, because a completion was taken back.

    `consultation_id` is the consultation that the doctor has paused, when its offer was not used. The doctor has no place in the line.
    """

    change: Literal["end_reservation"] = "end_reservation"
    reservation: Reservation
    why: Literal["started", "busy", "expired", "left", "withdrawn", "no_answer"]
    consultation_id: str | None = Field(default=None, exclude_if=is_absent)


class MoveDown(Frozen):
    """The doctor has not used an offer, and goes one place down. `next_place` is the doctor who goes up, if there is one."""

    change: Literal["move_down"] = "move_down"
    place: WaitingDoctor
    next_place: WaitingDoctor | None = None


class WithdrawOffer(Frozen):
    """The patient is no longer free. The doctor stays in the line, and `place` has no `notified_at`."""

    change: Literal["withdraw_offer"] = "withdraw_offer"
    place: WaitingDoctor


class RetireRecord(Frozen):
    """From now on the visit's patient has a record and those that were merged into it, with everything that is open for them.

    `line` and `reservation` are those of the person after the merge. `marked` are the ids of the exclusive consultations, when more
    than one is in progress.
    """

    change: Literal["retire_record"] = "retire_record"
    retired_id: int
    record_ids: tuple[int, ...]
    line: tuple[WaitingDoctor, ...] = ()
    reservation: Reservation | None = None
    marked: tuple[str, ...] = ()
    both_in_consultation: bool = False


class RestoreRecord(Frozen):
    """A merge is undone: these records belong to `restored_id` again, with what was recorded under them."""

    change: Literal["restore_record"] = "restore_record"
    restored_id: int
    record_ids: tuple[int, ...]


class NoteRefusal(Frozen):
    """A start was refused. If the patient is busy, the doctor also gets an event."""

    change: Literal["note_refusal"] = "note_refusal"
    appointment: Appointment
    refusal: Refusal


class NoteRescue(Frozen):
    """The visit's earlier workflow was ended, because it could not decide any more."""

    change: Literal["note_rescue"] = "note_rescue"
    reason: RescueReason


Change = Annotated[
    OpenConsultation
    | EndConsultation
    | ReopenConsultation
    | PauseConsultation
    | ResumeConsultation
    | TransferConsultation
    | NoteCall
    | WriteNoAnswers
    | PostponeReservation
    | PostponePauseLimit
    | PostponeConsultation
    | RemindHolder
    | CarryOver
    | OpenTracking
    | AddWalkIn
    | CloseTracking
    | PostponeNotSeen
    | WaitAgain
    | WriteAppointmentStatus
    | WritePriority
    | RewriteAppointment
    | JoinLine
    | LeaveLine
    | OfferPatient
    | EndReservation
    | MoveDown
    | WithdrawOffer
    | RetireRecord
    | RestoreRecord
    | NoteRefusal
    | NoteRescue,
    Field(discriminator="change"),
]

"""The changes that a decision records, and that the ledger writes."""

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import Field

from patient_visit_engine.visit.appointment import Appointment, AppointmentFields
from patient_visit_engine.visit.codes import AppointmentStatus, CancelReason, Outcome, RescueReason
from patient_visit_engine.visit.consultation_changes import (
    EndConsultation,
    OpenConsultation,
    PauseConsultation,
    PostponeConsultation,
    PostponePauseLimit,
    RemindHolder,
    ReopenConsultation,
    ResumeConsultation,
    TransferConsultation,
    WaitAgain,
)
from patient_visit_engine.visit.facts import PendingTracking, Reservation, WaitingDoctor
from patient_visit_engine.visit.frozen import Frozen, is_absent, is_false
from patient_visit_engine.visit.line_changes import (
    EndReservation,
    JoinLine,
    LeaveLine,
    MoveDown,
    OfferPatient,
    PostponeReservation,
    WithdrawOffer,
)
from patient_visit_engine.visit.refusals import Refusal


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

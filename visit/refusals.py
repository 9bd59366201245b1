"""The reasons for which a visit refuses a command, one class for each."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from patient_visit_engine.visit.appointment import Appointment
from patient_visit_engine.visit.codes import CLOSED_STATUSES, AppointmentStatus
from patient_visit_engine.visit.facts import Consultation, OtherConsultation
from patient_visit_engine.visit.frozen import Frozen, is_absent, is_false
from patient_visit_engine.visit.state import VisitState


class PatientInConsultation(Frozen):
    """The patient is in another exclusive consultation, the `holder`. Its doctor is `holder.doctor_id`.

    `position` is the position in the waiting line of the doctor who sent the command. `is_own`: that doctor is the holder.
    `has_paused`: that doctor has paused the consultation, and gets the free patient before the line. Without `can_wait` the appointment
    is closed, so no doctor can wait for it.
    """

    code: Literal["patient_in_consultation"] = "patient_in_consultation"
    holder: Consultation
    position: int | None = None
    is_own: bool = False
    can_wait: bool = Field(default=True, exclude_if=bool)
    has_paused: bool = Field(default=False, exclude_if=is_false)


class PatientReserved(Frozen):
    """The patient is reserved for another doctor. `position` and `has_paused` are as in `PatientInConsultation`."""

    code: Literal["patient_reserved"] = "patient_reserved"
    doctor_id: int
    until: datetime
    position: int | None = None
    has_paused: bool = Field(default=False, exclude_if=is_false)


class PatientFree(Frozen):
    """The doctor need not wait: the patient is free, or the appointment is not exclusive."""

    code: Literal["patient_free"] = "patient_free"


class AppointmentInProgress(Frozen):
    """The appointment has a consultation in progress, the `holder`. Its doctor is `holder.doctor_id`."""

    code: Literal["appointment_in_progress"] = "appointment_in_progress"
    holder: Consultation


class AppointmentClosed(Frozen):
    """The appointment is done or canceled."""

    code: Literal["appointment_closed"] = "appointment_closed"
    status: AppointmentStatus


class TrackingOpen(Frozen):
    """The appointment cannot be changed in this way: its patient is checked in, or in the consultation of `holder`."""

    code: Literal["tracking_open"] = "tracking_open"
    holder: Consultation | None = None


class DoctorInConsultation(Frozen):
    """The doctor is in exclusive consultations with other patients, and the hospital refuses a second one. Oldest first."""

    code: Literal["doctor_in_consultation"] = "doctor_in_consultation"
    busy_with: tuple[OtherConsultation, ...]


class AppointmentNotToday(Frozen):
    """The appointment is for another day. The patient is not checked in for it, and its doctor has no place in line."""

    code: Literal["appointment_not_today"] = "appointment_not_today"
    scheduled_at: datetime


class DoctorInactive(Frozen):
    """The appointment's doctor no longer works here, so nothing new begins."""

    code: Literal["doctor_inactive"] = "doctor_inactive"


class PrestationInactive(Frozen):
    """The appointment's prestation is no longer offered, so nothing new begins."""

    code: Literal["prestation_inactive"] = "prestation_inactive"


class OfCompletion(Frozen):
    """A refusal that a completion by the status of the appointment can get.

    `completed_by` is the doctor who sent this completion. The consultation can have been given away since it was asked, and then the
    ledger refuses it as `ConsultationChanged`.
    """

    completed_by: int | None = Field(default=None, exclude_if=is_absent)


class AppointmentMismatch(OfCompletion):
    """The appointment was given to another patient or doctor after the request was checked, or the patient to be called has left."""

    code: Literal["appointment_mismatch"] = "appointment_mismatch"


class ConsultationEnded(Frozen):
    """The consultation has already ended, with another outcome."""

    code: Literal["consultation_ended"] = "consultation_ended"


class ConsultationChanged(Frozen):
    """The consultation was started, reopened, resumed or transferred after this was asked, so what was asked may no longer be meant."""

    code: Literal["consultation_changed"] = "consultation_changed"


class ConsultationPaused(Frozen):
    """The consultation is paused, so its expected end does not move. Resume it first."""

    code: Literal["consultation_paused"] = "consultation_paused"


class NotYours(OfCompletion):
    """The consultation or appointment belongs to another doctor."""

    code: Literal["not_yours"] = "not_yours"


class NotCheckedIn(Frozen):
    """The patient is not checked in for this appointment."""

    code: Literal["not_checked_in"] = "not_checked_in"


class NotCheckedOut(Frozen):
    """There is no check-out of this appointment to take back."""

    code: Literal["not_checked_out"] = "not_checked_out"


class NothingOpen(Frozen):
    """Nothing is open for the patient: no appointment of the day to check in for, or no check-in to end."""

    code: Literal["nothing_open"] = "nothing_open"


class TooLate(Frozen):
    """The time in which this can be taken back is over."""

    code: Literal["too_late"] = "too_late"


class DoctorHasCall(Frozen):
    """The doctor waits for another patient who was called. Only an attempt of a call ends with it."""

    code: Literal["doctor_has_call"] = "doctor_has_call"


class NotCalled(Frozen):
    """The patient is not the one whom the doctor has called last, or the call was answered or used."""

    code: Literal["not_called"] = "not_called"


class NotInConsultation(OfCompletion):
    """The appointment has no consultation in progress."""

    code: Literal["not_in_consultation"] = "not_in_consultation"


class MergeCycle(Frozen):
    """The record is the survivor itself: the path named a record that was merged into it."""

    code: Literal["merge_cycle"] = "merge_cycle"


class AlreadyMerged(Frozen):
    """The record was merged into a third patient, the survivor."""

    code: Literal["already_merged"] = "already_merged"
    survivor_id: int


class UnknownMerge(Frozen):
    """The record was not merged into this patient."""

    code: Literal["unknown_merge"] = "unknown_merge"


class MergeNotToday(Frozen):
    """The merge is of an earlier day, so it stays."""

    code: Literal["merge_not_today"] = "merge_not_today"


class MergeInUse(Frozen):
    """The merge cannot be undone while anything is open for the patient."""

    code: Literal["merge_in_use"] = "merge_in_use"


class RequestExpired(Frozen):
    """An asynchronous start came after the end of its validity. Only the ledger refuses with it."""

    code: Literal["request_expired"] = "request_expired"


Refusal = Annotated[
    PatientInConsultation
    | PatientReserved
    | PatientFree
    | AppointmentInProgress
    | AppointmentClosed
    | TrackingOpen
    | DoctorInConsultation
    | AppointmentNotToday
    | DoctorInactive
    | PrestationInactive
    | AppointmentMismatch
    | ConsultationEnded
    | ConsultationChanged
    | ConsultationPaused
    | NotYours
    | NotCheckedIn
    | NotCheckedOut
    | NothingOpen
    | TooLate
    | DoctorHasCall
    | NotCalled
    | NotInConsultation
    | MergeCycle
    | AlreadyMerged
    | UnknownMerge
    | MergeNotToday
    | MergeInUse
    | RequestExpired,
    Field(discriminator="code"),
]


def appointment_refusal(appointment: Appointment, state: VisitState) -> Refusal | None:
    """Why nothing new can begin for this appointment: it is in progress, or it is closed. None if something can."""
    if (consultation := state.consultation_of(appointment.id)) is not None:
        return AppointmentInProgress(holder=consultation)
    return AppointmentClosed(status=appointment.status) if appointment.status in CLOSED_STATUSES else None


def inactive_refusal(appointment: Appointment) -> DoctorInactive | PrestationInactive | None:
    """Why no consultation of this appointment begins: its doctor or its prestation is inactive. None if both are active."""
    if not appointment.doctor_active:
        return DoctorInactive()
    return None if appointment.prestation_active else PrestationInactive()

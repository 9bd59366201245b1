"""The `data` of each event of the stream. docs/events.md shows examples."""

from typing import Literal, NotRequired

from typing_extensions import TypedDict

from patient_visit_engine.visit.codes import AppointmentStatus, CancelReason, Outcome
from patient_visit_engine.wire.field_types import Moment, StatusName


class AnyEvent(TypedDict):
    """The fields that every event has."""

    message: str
    timestamp: Moment


class DoctorUpdated(AnyEvent):
    """`doctor.updated`: the doctor as the record is now, and the room in which the doctor sits today."""

    doctor_id: int
    doctor_name: str
    specialization: str | None
    room: str | None
    active: bool


class PrestationUpdated(AnyEvent):
    """`prestation.updated`: the prestation as the record is now."""

    prestation_id: int
    prestation: str
    exclusive: bool
    expected_minutes: int
    active: bool


class AboutPatient(AnyEvent):
    """The fields of every event about a patient.

    `patient.updated` has no others after a change of name, birth date or record number.
    """

    patient_id: int
    patient_name: str
    family_name: str | None
    birth_date: str | None
    record_number: str | None


class AboutConsultation(AboutPatient):
    """`consultation.started`, and `patient.updated` after an extension."""

    doctor_id: int
    doctor_name: str
    appointment_id: int
    consultation_id: str
    prestation_id: int
    prestation: str
    exclusive: bool
    started_at: Moment
    overdue_at: Moment


class ConsultationPause(AboutConsultation):
    """`consultation.paused`; `overdue_at` moves later, when it is resumed."""

    paused_at: Moment


class ConsultationTransferred(AboutConsultation):
    """`consultation.transferred`, after `consultation.completed`; `reserved_until` is None when the patient is not reserved."""

    to_doctor_id: int
    to_doctor_name: str
    reserved_until: Moment | None


class ConsultationCompleted(AboutConsultation):
    """`consultation.completed`."""

    outcome: Outcome
    completed_at: Moment


class ConsultationReleased(ConsultationCompleted):
    """`consultation.released`; a supervisor has a name when the supervisor has an account, and a release has a reason.

    A time limit has neither.
    """

    by_name: str | None
    reason: str | None


class ConsultationOverdue(AboutConsultation):
    overdue_minutes: int


class ConsultationBlocked(AboutPatient):
    active_doctor_id: int
    active_doctor_name: str
    prestation: str
    consultation_id: str
    started_at: Moment
    appointment_id: int
    request_id: str


class ConsultationAvailable(AboutPatient):
    """`consultation.available`; `offer_until` is None when the patient is reserved for no one."""

    doctor_id: int
    appointment_id: int
    offer_until: Moment | None


class AppointmentUpdated(AboutPatient):
    """`appointment.updated`; `doctor_id` is left out when the ledger has not read the appointment's doctor.

    `priority` is there when it has changed, and in a walk-in with a priority. `cancel_reason` is there when staff canceled the
    appointment with a reason. `no_answers` is there when it has changed.
    """

    appointment_id: int
    status: StatusName
    status_code: AppointmentStatus
    doctor_id: NotRequired[int]
    outcome: NotRequired[Outcome]
    priority: NotRequired[int | None]
    cancel_reason: NotRequired[CancelReason]
    no_answers: NotRequired[int]


class PatientCalled(AboutPatient):
    """`patient.called`: the doctor waits for the patient in this room, until this time."""

    doctor_id: int
    doctor_name: str
    appointment_id: int
    room: str | None
    ticket: str | None
    until: Moment


class TicketCalled(AnyEvent):
    """`patient.called` on the channel `wall`: the patient with this ticket is called to this room, until this time."""

    ticket: str
    room: str | None
    until: Moment


class TicketGiven(AboutPatient):
    """`patient.updated` when a patient who is still in the house gets a ticket of the new day."""

    ticket: str


class LineJoined(AboutPatient):
    """`patient.updated` when a doctor joins the waiting line."""

    doctor_id: int
    doctor_name: str


class LineLeft(LineJoined):
    """`patient.updated` when a doctor leaves the waiting line or goes one place down (`moved_down`).

    `expired`: a doctor who has paused a consultation, got it by a transfer or called the patient, has not used the reservation.
    `no_answer`: the called patient did not come. `withdrawn`: a completion was taken back, so the patient is not free any more.

    `visit.changes.LeaveLine` explains the other values of `why`.
    """

    why: Literal[
        "started",
        "left",
        "passed",
        "canceled",
        "checked_out",
        "moved",
        "day_over",
        "moved_down",
        "expired",
        "no_answer",
        "withdrawn",
    ]


class WaitingEnded(AboutPatient):
    """`waiting.ended`: the doctor's place in line is gone without a start.

    `reason`: two offers were not used (`missed`), the appointment has another day, doctor or patient (`moved`), it was canceled
    (`cancelled`), or the patient left (`left`).
    """

    doctor_id: int
    appointment_id: int
    reason: Literal["missed", "moved", "cancelled", "left"]


class PatientReservedUpdate(LineJoined):
    """`patient.updated` when the patient is reserved for a doctor."""

    offer_until: Moment


class PatientMerged(AboutPatient):
    """`patient.merged`: the records `retired` belong to this patient from now on."""

    retired: list[int]
    both_in_consultation: bool


class PatientSeparated(AboutPatient):
    """`patient.separated`: the records `retired` belong to the patient `separated_id` again, and no longer to this one."""

    separated_id: int
    retired: list[int]

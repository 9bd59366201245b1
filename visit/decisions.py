"""A decision: the answer to the caller, and the changes to record."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from patient_visit_engine.visit.codes import AppointmentStatus, Outcome
from patient_visit_engine.visit.refusals import Refusal
from patient_visit_engine.visit.state import Appointment, Consultation, Frozen, WaitingDoctor


class OpenConsultation(Frozen):
    """The tracking and the appointment get the status `in_progress`."""

    change: Literal["open_consultation"] = "open_consultation"
    consultation: Consultation


class EndConsultation(Frozen):
    """Complete the tracking of this consultation only. The appointment becomes `done`, or `confirmed` again."""

    change: Literal["end_consultation"] = "end_consultation"
    consultation: Consultation
    outcome: Outcome


class PostponeConsultation(Frozen):
    """Move the expected end, because the holder needs more time. `consultation` has the new times."""

    change: Literal["postpone_consultation"] = "postpone_consultation"
    consultation: Consultation
    minutes: int


class RemindHolder(Frozen):
    """The holder is reminded, because the expected time is over. `consultation` has the time of the next reminder."""

    change: Literal["remind_holder"] = "remind_holder"
    consultation: Consultation


class AdoptConsultation(Frozen):
    """This visit runs the consultation's timers from now on."""

    change: Literal["adopt_consultation"] = "adopt_consultation"
    consultation: Consultation


class OpenTracking(Frozen):
    """The patient is checked in."""

    change: Literal["open_tracking"] = "open_tracking"
    appointment: Appointment


class CloseTracking(Frozen):
    """The patient no longer waits for this appointment. The appointment gets `status`."""

    change: Literal["close_tracking"] = "close_tracking"
    appointment_id: int
    outcome: Outcome
    status: AppointmentStatus


class WriteAppointmentStatus(Frozen):
    """The appointment gets a status without effect on a tracking."""

    change: Literal["write_appointment_status"] = "write_appointment_status"
    appointment_id: int
    status: AppointmentStatus


class JoinLine(Frozen):
    """A doctor takes the last place in the waiting line."""

    change: Literal["join_line"] = "join_line"
    place: WaitingDoctor


class LeaveLine(Frozen):
    """A doctor leaves the waiting line.

    `why` is one of these stored values:

    - `started`: the doctor has started a consultation with the patient.
    - `left`: the doctor has stopped waiting.
    - `passed`: the doctor did not use the offer. It has expired, or another doctor has started during the offer.
    - `canceled`: the appointment was canceled.
    - `day_over`: the day has ended.
    """

    change: Literal["leave_line"] = "leave_line"
    place: WaitingDoctor
    why: Literal["started", "left", "passed", "canceled", "day_over"]


class OfferPatient(Frozen):
    """Reserve the free patient for this doctor, until `place.offered_until`.

    With `VISIT_OFFER_SECONDS=0` the doctor is only notified.
    """

    change: Literal["offer_patient"] = "offer_patient"
    place: WaitingDoctor


class WithdrawOffer(Frozen):
    """The patient is no longer free. The doctor stays in the line, and `place` has no `offered_until`."""

    change: Literal["withdraw_offer"] = "withdraw_offer"
    place: WaitingDoctor


class NoteRefusal(Frozen):
    """A start was refused. If the patient is busy, the doctor also gets an event."""

    change: Literal["note_refusal"] = "note_refusal"
    appointment: Appointment
    refusal: Refusal


Change = Annotated[
    OpenConsultation
    | EndConsultation
    | PostponeConsultation
    | RemindHolder
    | AdoptConsultation
    | OpenTracking
    | CloseTracking
    | WriteAppointmentStatus
    | JoinLine
    | LeaveLine
    | OfferPatient
    | WithdrawOffer
    | NoteRefusal,
    Field(discriminator="change"),
]


class ConsultationAnswer(Frozen):
    """The consultation as it is now. `created`: this request began it."""

    answer: Literal["consultation"] = "consultation"
    consultation: Consultation
    created: bool = False


class ConsultationEndedAnswer(Frozen):
    """The consultation has ended, by this request or before.

    The answer is a success if the consultation ended with `success_outcome`. None: never. Temporal's histories have this
    field as `accepts`.
    """

    model_config = ConfigDict(populate_by_name=True)

    answer: Literal["consultation_ended"] = "consultation_ended"
    consultation_id: str
    success_outcome: Outcome | None = Field(alias="accepts")


class TrackingAnswer(Frozen):
    """The appointment's latest tracking. `created`: this request opened it."""

    answer: Literal["tracking"] = "tracking"
    appointment_id: int
    created: bool = False


class StatusAnswer(Frozen):
    """The appointment's status now."""

    answer: Literal["status"] = "status"
    appointment_id: int
    status: AppointmentStatus


class PlaceInLine(Frozen):
    """The doctor's position in the waiting line, counted from 1."""

    answer: Literal["place"] = "place"
    position: int


class NotInLine(Frozen):
    """The doctor does not wait."""

    answer: Literal["not_in_line"] = "not_in_line"


class Refused(Frozen):
    """The command is refused, with the reason."""

    answer: Literal["refused"] = "refused"
    refusal: Refusal


Answer = Annotated[
    ConsultationAnswer | ConsultationEndedAnswer | TrackingAnswer | StatusAnswer | PlaceInLine | NotInLine | Refused,
    Field(discriminator="answer"),
]


class Decision(Frozen):
    """One decision, recorded in one transaction. `answer` is None when a timer decided, because no caller waits."""

    changes: tuple[Change, ...] = ()
    answer: Answer | None = None
    at: datetime


#: The result of a rule: the answer, and the changes to record with it.
Verdict = tuple[Answer | None, tuple[Change, ...]]

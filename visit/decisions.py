"""A decision: the answer to the caller, with the changes to record."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from patient_visit_engine.visit.appointment import Appointment
from patient_visit_engine.visit.call_commands import SkippedPatient
from patient_visit_engine.visit.changes import Change
from patient_visit_engine.visit.codes import AppointmentStatus, Outcome
from patient_visit_engine.visit.facts import Consultation, OtherConsultation
from patient_visit_engine.visit.frozen import Frozen
from patient_visit_engine.visit.refusals import Refusal


class ConsultationAnswer(Frozen):
    """The consultation as it is now. `created`: this request began it.

    `busy_with` are the doctor's consultations with other patients. None: the decision did not look at them.
    """

    answer: Literal["consultation"] = "consultation"
    consultation: Consultation
    created: bool = False
    busy_with: tuple[OtherConsultation, ...] | None = None


class ConsultationEndedAnswer(Frozen):
    """The consultation has ended, by this request or before.

    The answer is a success if the consultation ended with `success_outcome`. If it is None, the answer is always a refusal.
    Temporal's histories have this field as `accepts`.
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


class TrackingsAnswer(Frozen):
    """The latest tracking of each of these appointments. `opened_ids`: those that a check-in has opened, and None for other commands."""

    answer: Literal["trackings"] = "trackings"
    appointment_ids: tuple[int, ...]
    opened_ids: tuple[int, ...] | None = None


class WalkInAnswer(Frozen):
    """The new appointment, with its check-in."""

    answer: Literal["walk_in"] = "walk_in"
    appointment_id: int


class StatusAnswer(Frozen):
    """The appointment's status now."""

    answer: Literal["status"] = "status"
    appointment_id: int
    status: AppointmentStatus


class PriorityAnswer(Frozen):
    """The appointment's priority now. None: it has none."""

    answer: Literal["priority"] = "priority"
    appointment_id: int
    priority: int | None = None


class AppointmentAnswer(Frozen):
    """The appointment after the change."""

    answer: Literal["appointment"] = "appointment"
    appointment: Appointment


class CalledAnswer(Frozen):
    """The patient of this appointment is called. `until` is the end of the call."""

    answer: Literal["called"] = "called"
    appointment: Appointment
    until: datetime
    skipped: tuple[SkippedPatient, ...] = ()


class NoAnswerAnswer(Frozen):
    """How many calls of the appointment were not answered."""

    answer: Literal["no_answer"] = "no_answer"
    appointment_id: int
    no_answers: int


class PlaceInLine(Frozen):
    """The doctor's position in the waiting line, counted from 1."""

    answer: Literal["place"] = "place"
    position: int


class NotInLine(Frozen):
    """The doctor does not wait."""

    answer: Literal["not_in_line"] = "not_in_line"


class MergeAnswer(Frozen):
    """The merge that stands: `retired` are the ids that it retired into `patient_id`."""

    answer: Literal["merge"] = "merge"
    patient_id: int
    retired: tuple[int, ...]
    both_in_consultation: bool = False


class SeparateAnswer(Frozen):
    """The merge is undone: `retired` are the ids that no longer belong to `patient_id`."""

    answer: Literal["separate"] = "separate"
    patient_id: int
    retired: tuple[int, ...]


class Refused(Frozen):
    """The command is refused, with the reason."""

    answer: Literal["refused"] = "refused"
    refusal: Refusal


Answer = Annotated[
    ConsultationAnswer
    | ConsultationEndedAnswer
    | TrackingAnswer
    | TrackingsAnswer
    | WalkInAnswer
    | StatusAnswer
    | PriorityAnswer
    | AppointmentAnswer
    | CalledAnswer
    | NoAnswerAnswer
    | PlaceInLine
    | NotInLine
    | MergeAnswer
    | SeparateAnswer
    | Refused,
    Field(discriminator="answer"),
]


class Decision(Frozen):
    """One decision, recorded in one transaction. `answer` is None when a timer decided, because no caller waits."""

    changes: tuple[Change, ...] = ()
    answer: Answer | None = None
    at: datetime


#: The result of a rule: the answer, and the changes to record with it.
Verdict = tuple[Answer | None, tuple[Change, ...]]

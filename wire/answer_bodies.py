"""The JSON bodies of the answers to commands, and of the consultations and trackings that they return."""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from patient_visit_engine.visit.codes import AppointmentStatus, Outcome, TrackingStatus
from patient_visit_engine.wire.field_types import (
    Address,
    ConsultationId,
    Count,
    Moment,
    Name,
    Ordinal,
    PartialDate,
    PatientName,
    Priority,
    RecordId,
    RecordNumber,
    StatusName,
    Subject,
    Ticket,
    Word,
    closed,
)


@closed
class Skipped(TypedDict):
    appointment_id: RecordId
    reason: Annotated[Word, Field(description="the code of a refusal, `no_answers`, or `undecided`")]


@closed
class CalledPatient(TypedDict):
    """The item of the doctor's list that is called. `skipped` are those before it that could not be called."""

    appointment_id: RecordId
    patient_id: RecordId
    patient_name: PatientName
    family_name: Name | None
    birth_date: PartialDate | None
    record_number: RecordNumber | None
    doctor_id: RecordId
    doctor_name: Name
    prestation_id: RecordId
    prestation: Name
    room: Annotated[Name | None, Field(description="where the doctor sits today")]
    ticket: Ticket | None
    until: Annotated[Moment, Field(description="the end of the call")]
    skipped: list[Skipped]


@closed
class UnansweredCalls(TypedDict):
    appointment_id: RecordId
    no_answers: Count


@closed
class StartWarning(TypedDict):
    """What a granted start should tell its doctor: another consultation of this doctor is still open."""

    code: Literal["doctor_in_consultation"]
    consultation_id: ConsultationId
    patient_name: PatientName
    family_name: Name | None
    birth_date: PartialDate | None
    record_number: RecordNumber | None
    since: Moment


@closed
class Consultation(TypedDict):
    id: ConsultationId
    patient_id: RecordId
    doctor_id: RecordId
    appointment_id: RecordId
    prestation_id: RecordId
    status: TrackingStatus
    started_at: Moment | None
    completed_at: Moment | None
    outcome: Outcome | None
    overdue_at: Moment | None
    warnings: NotRequired[Annotated[list[StartWarning], Field(description="of a start that has any", min_length=1)]]


@closed
class Tracking(TypedDict):
    id: RecordId
    patient_id: RecordId
    appointment_id: RecordId
    consultation_id: ConsultationId | None
    prestation_id: RecordId
    doctor_id: RecordId
    status: TrackingStatus
    outcome: Outcome | None
    check_in_time: Moment
    check_out_time: Moment | None
    created_by: Subject
    ticket: Ticket | None


@closed
class Trackings(TypedDict):
    items: list[Tracking]
    opened: NotRequired[
        Annotated[list[RecordId], Field(description="of a check-in: the appointments that this request has checked in")]
    ]


@closed
class WalkIn(TypedDict):
    appointment_id: RecordId
    patient_id: RecordId
    ticket: Ticket | None
    tracking: Tracking


@closed
class AppointmentStatusNow(TypedDict):
    appointment_id: RecordId
    status: StatusName
    status_code: AppointmentStatus


@closed
class AppointmentPriorityNow(TypedDict):
    appointment_id: RecordId
    priority: Priority | None


@closed
class Place(TypedDict):
    position: Ordinal


@closed
class MovedAppointment(TypedDict):
    appointment_id: RecordId
    patient_id: RecordId


@closed
class UnmovedAppointment(MovedAppointment):
    code: Annotated[Word, Field(description="why it did not move: the code of the refusal")]


@closed
class ReassignedDay(TypedDict):
    """What moved to the other doctor, and what did not, each in the order of the day."""

    moved: list[MovedAppointment]
    not_moved: list[UnmovedAppointment]


@closed
class Merge(TypedDict):
    """A merge: `retired` are the ids that it retired into `patient_id`."""

    patient_id: RecordId
    retired: Annotated[list[RecordId], Field(min_length=1)]
    both_in_consultation: Annotated[bool, Field(description="both were in an exclusive consultation then")]


@closed
class Separation(TypedDict):
    """A merge was undone: `retired` are the ids that it had retired, and that no longer belong to `patient_id`."""

    patient_id: RecordId
    retired: Annotated[list[RecordId], Field(min_length=1)]


@closed
class AsyncRequest(TypedDict):
    """The state of an asynchronous request; `status`, `location` and `body` are those of its answer."""

    state: Annotated[
        Literal["open", "decided", "set_aside"],
        Field(
            description="`set_aside`: the decision could not be recorded; only the client can send the request again"
        ),
    ]
    status: Annotated[int, Field(ge=200, le=599)] | None
    location: Address | None
    body: dict[str, Any] | None

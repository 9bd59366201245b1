"""The shape of the worklist."""

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from patient_visit_engine.visit.codes import AppointmentStatus, ReservationKind
from patient_visit_engine.visit.list_order import Why
from patient_visit_engine.wire.field_types import (
    ConsultationId,
    Count,
    Cursor,
    Date,
    Moment,
    Name,
    Ordinal,
    PartialDate,
    PatientName,
    Priority,
    ProgramText,
    RecordId,
    RecordNumber,
    StatusName,
    Ticket,
    closed,
)
from patient_visit_engine.wire.screens import ConsultationLength, PatientState, Waiting


@closed
class PatientNow(TypedDict):
    state: PatientState
    doctor: Name | None
    doctor_id: RecordId | None
    prestation: Name | None
    since: Moment | None
    paused_seconds: Annotated[
        Count, Field(description="how long the consultation of a patient who is in one was interrupted since then")
    ]
    position: Ordinal | None
    until: Annotated[
        Moment | None,
        Field(description="when the offer of a reserved patient ends, or when the consultation is expected to end"),
    ]
    kind: Annotated[ReservationKind | None, Field(description="of a reserved patient: why")]


class AppointmentOnWorklist(ConsultationLength):
    """One appointment with the state of its patient. `WorklistItem` adds what depends on the day and the caller."""

    appointment_id: RecordId
    scheduled_at: Moment
    status: StatusName
    status_code: AppointmentStatus
    patient_id: RecordId
    patient_name: PatientName
    family_name: Name | None
    birth_date: PartialDate | None
    record_number: RecordNumber | None
    doctor_id: RecordId
    doctor_name: Name
    room: Annotated[Name | None, Field(description="where the doctor sits today")]
    prestation_id: RecordId
    prestation: Name
    exclusive: bool
    priority: Annotated[Priority | None, Field(description="1 is most urgent; null: none")]
    no_answers: Annotated[Count, Field(description="how many calls of the patient were not answered")]
    checked_in_at: Moment | None
    consultation_id: ConsultationId | None
    started_at: Annotated[Moment | None, Field(description="of this appointment's own consultation, running or done")]
    completed_at: Annotated[Moment | None, Field(description="of this appointment's own consultation, when it is done")]
    left_at: Annotated[
        Moment | None,
        Field(description="when the patient left without being seen, until the patient is checked in again"),
    ]
    canceled_at: Annotated[
        Moment | None,
        Field(
            description="when the appointment was canceled. null: it is not canceled, or an earlier version canceled it"
        ),
    ]
    overdue_at: Moment | None
    paused_at: Annotated[Moment | None, Field(description="of this appointment's own consultation, while it is paused")]
    ended_as: Annotated[
        Literal["released", "timed_out"] | None,
        Field(description="how this appointment's last consultation ended, when it may be started again"),
    ]
    ticket: Annotated[Ticket | None, Field(description="the patient's ticket of the day")]
    patient: PatientNow


@closed
class CallElsewhere(TypedDict):
    doctor_id: RecordId
    name: Name
    until: Moment


class ShownCalls(TypedDict):
    """The open calls of the patient that reserve nothing."""

    called_until: Annotated[
        Moment | None, Field(description="the end of this appointment's open call, when the call reserves nothing")
    ]
    called_elsewhere: Annotated[
        CallElsewhere | None,
        Field(
            description="the open call of the patient for another appointment, when that call reserves nothing: "
            "call-next passes the patient over until its end"
        ),
    ]


@closed
class WorklistItem(AppointmentOnWorklist, ShownCalls):
    ended_by: Annotated[
        Name | None, Field(description="who released the last consultation; only for its doctor and supervisors")
    ]
    ended_reason: Annotated[ProgramText | None, Field(description="why; only for its doctor and supervisors")]
    present: Annotated[bool, Field(description="whether the patient is in the house")]
    why: Annotated[
        Why | None,
        Field(description="why it stands where it stands in its doctor's list; null when it has begun or is over"),
    ]
    late_minutes: Annotated[
        Count | None,
        Field(description="from the scheduled time to the arrival, or to now while the patient is expected today"),
    ]
    waiting_for_me: Annotated[
        list[Waiting],
        Field(description="the doctors in line, while the appointment's doctor is in consultation with the patient"),
    ]


@closed
class Worklist(TypedDict):
    date: Date
    items: list[WorklistItem]
    page: Ordinal
    page_size: Ordinal
    total: Count
    cursor: Cursor

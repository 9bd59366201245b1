"""The shapes of the bodies that a screen reads: the worklist, the board and one patient's day."""

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from patient_visit_engine.visit.codes import AppointmentStatus, ReservationKind
from patient_visit_engine.visit.list_order import Why
from patient_visit_engine.wire.field_types import (
    Address,
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
    Word,
    closed,
    extensible,
)

PatientState = Literal["free", "in_consultation", "reserved"]


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


@closed
class Waiting(TypedDict):
    doctor_id: RecordId
    name: Name
    since: Moment
    position: Ordinal


class ConsultationLength(TypedDict):
    """How long a consultation is expected to last, and what does not count of the time since its start."""

    expected_minutes: Annotated[
        Ordinal, Field(description="how long the appointment is expected to take, without extensions")
    ]
    paused_seconds: Annotated[
        Count,
        Field(
            description="how long the consultation was interrupted: the pauses that are over, and from a completion to "
            "its reopening. The present pause runs since `paused_at`"
        ),
    ]


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


@closed
class AppointmentOnBoard(TypedDict):
    """One appointment on the board, with its doctor."""

    appointment_id: RecordId
    doctor_id: RecordId
    doctor: Name
    room: Annotated[Name | None, Field(description="where the doctor sits today")]
    prestation: Name


@closed
class RunningConsultation(AppointmentOnBoard, ConsultationLength):
    consultation_id: ConsultationId
    exclusive: bool
    started_at: Moment
    overdue_at: Moment


@closed
class PausedOnBoard(AppointmentOnBoard, ConsultationLength):
    """A consultation that its doctor has paused. The patient is free for others."""

    consultation_id: ConsultationId
    exclusive: bool
    started_at: Moment
    paused_at: Moment
    offer_until: Annotated[Moment | None, Field(description="while the patient is reserved for this doctor")]


@closed
class CheckedIn(AppointmentOnBoard):
    since: Moment
    place: Annotated[Ordinal, Field(description="in the order of the doctor's list, among those who are checked in")]
    offer_until: Annotated[Moment | None, Field(description="while the patient is reserved for this doctor")]


@closed
class WaitingPlace(AppointmentOnBoard):
    since: Moment
    position: Ordinal
    offer_until: Annotated[Moment | None, Field(description="while the patient is reserved for this doctor")]


@closed
class BoardItem(TypedDict):
    """One patient in the hospital."""

    patient_id: RecordId
    patient_name: PatientName
    family_name: Name | None
    birth_date: PartialDate | None
    record_number: RecordNumber | None
    ticket: Annotated[Ticket | None, Field(description="the patient's ticket of today")]
    state: PatientState
    consultations: list[RunningConsultation]
    paused: list[PausedOnBoard]
    checked_in: list[CheckedIn]
    waiting: list[WaitingPlace]


@closed
class Board(TypedDict):
    """Everyone in the house, and everyone for whom a doctor waits; `total` counts those beyond the limit too."""

    date: Date
    items: list[BoardItem]
    total: Count
    cursor: Cursor


@closed
class CalledTicket(TypedDict):
    ticket: Ticket
    room: Name | None
    since: Moment
    until: Annotated[Moment, Field(description="the end of the call")]


@closed
class WaitingCount(TypedDict):
    """How many patients wait for a doctor."""

    doctor: Name
    room: Name | None
    count: Count


@closed
class Wall(TypedDict):
    """What a screen in the waiting room shows: the open calls, the newest first, and how many patients wait."""

    date: Date
    called: list[CalledTicket]
    waiting: list[WaitingCount]
    cursor: Cursor


class ConsultationOfDoctor(ConsultationLength):
    """A consultation that has not ended, with its doctor."""

    doctor_id: RecordId
    name: Name
    prestation_id: RecordId
    prestation: Name
    appointment_id: RecordId
    consultation_id: ConsultationId
    started_at: Moment


@closed
class Holder(ConsultationOfDoctor):
    overdue_at: Moment


@closed
class PausedConsultation(ConsultationOfDoctor):
    """A consultation that its doctor has paused."""

    exclusive: bool
    paused_at: Moment


@extensible
class TimelineEntry(TypedDict):
    """One change; further members depend on the event, and supervisors see `by`, `by_name` and `reason`."""

    at: Moment
    event: Word
    doctor_id: RecordId | None
    doctor: Name | None
    appointment_id: RecordId | None
    prestation: Name | None
    consultation_id: ConsultationId | None


@closed
class ShownPatient(TypedDict):
    """A patient as a screen shows it."""

    id: RecordId
    name: PatientName
    family_name: Name | None
    birth_date: PartialDate | None
    record_number: RecordNumber | None


class DayOfPatient(TypedDict):
    """A patient's day, as read from the database. `Visit` adds the links."""

    patient_id: RecordId
    patient: ShownPatient
    date: Date
    state: PatientState
    holder: Holder | None
    paused: list[PausedConsultation]
    waiting: list[Waiting]
    timeline: list[TimelineEntry]


@closed
class Visit(DayOfPatient):
    next: Annotated[Address | None, Field(description="the older entries of the timeline; null on the last page")]
    temporal_url: Address | None

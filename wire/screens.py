"""The shapes of the bodies that a screen reads: the waiting room and one patient's day, and what the worklist and the board share."""

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

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
    RecordId,
    RecordNumber,
    Ticket,
    Word,
    closed,
    extensible,
)

PatientState = Literal["free", "in_consultation", "reserved"]


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

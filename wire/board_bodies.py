"""The shape of the board."""

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

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
    RecordId,
    RecordNumber,
    Ticket,
    closed,
)
from patient_visit_engine.wire.screens import ConsultationLength, PatientState


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

"""The shapes of the bodies that a screen reads: the worklist, the board and one patient's day."""

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from patient_visit_engine.visit.codes import AppointmentStatus
from patient_visit_engine.wire.shapes import Date, Moment, StatusName, closed, extensible

PatientState = Literal["free", "in_consultation", "reserved"]


@closed
class PatientNow(TypedDict):
    state: PatientState
    doctor: str | None
    doctor_id: int | None
    prestation: str | None
    since: Moment | None
    position: int | None
    until: Annotated[Moment | None, Field(description="of a reserved patient: when the offer ends")]


@closed
class WorklistItem(TypedDict):
    appointment_id: int
    scheduled_at: Moment
    status: StatusName
    status_code: AppointmentStatus
    patient_id: int
    patient_name: str
    doctor_id: int
    doctor_name: str
    prestation_id: int
    prestation: str
    exclusive: bool
    checked_in_at: Moment | None
    consultation_id: str | None
    started_at: Annotated[Moment | None, Field(description="of this appointment's own consultation, running or done")]
    overdue_at: Moment | None
    ended_as: Annotated[
        Literal["released", "timed_out"] | None,
        Field(description="how this appointment's last consultation ended, when it may be started again"),
    ]
    patient: PatientNow


@closed
class Worklist(TypedDict):
    date: Date
    items: list[WorklistItem]
    page: int
    page_size: int
    total: int
    cursor: str


@closed
class AppointmentOnBoard(TypedDict):
    """One appointment on the board, with its doctor."""

    appointment_id: int
    doctor_id: int
    doctor: str
    prestation: str


@closed
class RunningConsultation(AppointmentOnBoard):
    consultation_id: str
    exclusive: bool
    started_at: Moment
    overdue_at: Moment


@closed
class CheckedIn(AppointmentOnBoard):
    since: Moment


@closed
class WaitingPlace(AppointmentOnBoard):
    since: Moment
    position: int
    offer_until: Annotated[Moment | None, Field(description="while the patient is reserved for this doctor")]


@closed
class BoardItem(TypedDict):
    """One patient in the hospital."""

    patient_id: int
    patient_name: str
    state: PatientState
    consultations: list[RunningConsultation]
    checked_in: list[CheckedIn]
    waiting: list[WaitingPlace]


@closed
class Board(TypedDict):
    """Everyone who is checked in, in consultation or waited for; `total` counts those beyond the limit too."""

    date: Date
    items: list[BoardItem]
    total: int
    cursor: str


@closed
class Holder(TypedDict):
    doctor_id: int
    name: str
    prestation_id: int
    prestation: str
    appointment_id: int
    consultation_id: str
    started_at: Moment
    overdue_at: Moment


@closed
class Waiting(TypedDict):
    doctor_id: int
    name: str
    since: Moment
    position: int


@extensible
class TimelineEntry(TypedDict):
    """One change; further members depend on the event, and supervisors see `by`, `by_name` and `reason`."""

    at: Moment
    event: str
    doctor_id: int | None
    doctor: str | None
    appointment_id: int | None
    prestation: str | None
    consultation_id: str | None


class DayOfPatient(TypedDict):
    """A patient's day, as read from the database. `Visit` adds the link to Temporal's UI."""

    patient_id: int
    patient_name: str
    date: Date
    state: PatientState
    holder: Holder | None
    waiting: list[Waiting]
    timeline: list[TimelineEntry]


@closed
class Visit(DayOfPatient):
    temporal_url: str | None

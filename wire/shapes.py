"""The shape of every answer, for the OpenAPI document alone; it must not be used to build one."""

from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from patient_visit_engine.visit.codes import AppointmentStatus, Outcome, Role, TrackingStatus

StatusName = Literal["scheduled", "confirmed", "canceled", "pending", "done", "in_progress"]
PatientState = Literal["free", "in_consultation", "reserved"]


class Shape(BaseModel):
    """An object with all of its fields present."""

    model_config = ConfigDict(extra="forbid", json_schema_serialization_defaults_required=True)


class WrongField(Shape):
    field: str
    message: str


class Problem(BaseModel):
    """An error (RFC 9457); `code` is stable, further members depend on it."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[WrongField] | None = Field(default=None, description="with code `invalid`")


class Refusal(Problem):
    """A visit said no. The members name the holder, since when, until when, and what can be done, as far as they apply."""

    success: Literal[False] = False
    in_consultation: bool | None = None
    message: str | None = None
    request_id: str | None = None
    active_doctor: str | None = None
    active_doctor_id: int | None = None
    prestation: str | None = None
    consultation_id: str | None = None
    started_at: datetime | None = None
    elapsed_seconds: int | None = None
    actions: list[Literal["wait", "leave"]] | None = None
    position: int | None = None
    until: datetime | None = None
    reserved_for: str | None = None
    reserved_for_id: int | None = None


class SignedInUser(Shape):
    user_id: str
    name: str
    role: Role
    doctor_id: int | None
    timezone: str = Field(description="the hospital's, an IANA name: its days begin and end by it")


class Consultation(Shape):
    id: str
    patient_id: int
    doctor_id: int
    appointment_id: int
    prestation_id: int
    status: TrackingStatus
    started_at: datetime | None
    completed_at: datetime | None
    outcome: Outcome | None
    overdue_at: datetime | None


class Tracking(Shape):
    id: int
    patient_id: int
    appointment_id: int
    consultation_id: str | None
    prestation_id: int
    doctor_id: int
    status: TrackingStatus
    outcome: Outcome | None
    check_in_time: datetime
    check_out_time: datetime | None
    created_by: str


class Trackings(Shape):
    items: list[Tracking]


class AppointmentStatusNow(Shape):
    appointment_id: int
    status: StatusName
    status_code: AppointmentStatus


class Place(Shape):
    position: int


class PatientNow(Shape):
    state: PatientState
    doctor: str | None
    doctor_id: int | None
    prestation: str | None
    since: datetime | None
    position: int | None
    until: datetime | None = Field(description="of a reserved patient: when the offer ends")


class WorklistItem(Shape):
    appointment_id: int
    scheduled_at: datetime
    status: StatusName
    status_code: AppointmentStatus
    patient_id: int
    patient_name: str
    doctor_id: int
    doctor_name: str
    prestation_id: int
    prestation: str
    exclusive: bool
    checked_in_at: datetime | None
    consultation_id: str | None
    started_at: datetime | None = Field(description="of this appointment's own consultation, running or done")
    overdue_at: datetime | None
    ended_as: Literal["released", "timed_out"] | None = Field(
        description="how this appointment's last consultation ended, when it may be started again"
    )
    patient: PatientNow


class Worklist(Shape):
    date: date
    items: list[WorklistItem]
    page: int
    page_size: int
    total: int
    cursor: str


class WithDoctor(Shape):
    """What a patient is in, or waits for: one appointment with its doctor."""

    appointment_id: int
    doctor_id: int
    doctor: str
    prestation: str


class RunningConsultation(WithDoctor):
    consultation_id: str
    exclusive: bool
    started_at: datetime
    overdue_at: datetime


class CheckedIn(WithDoctor):
    since: datetime


class WaitingPlace(WithDoctor):
    since: datetime
    position: int
    offer_until: datetime | None = Field(description="while the patient is kept for this doctor")


class BoardItem(Shape):
    """One patient in house."""

    patient_id: int
    patient_name: str
    state: PatientState
    consultations: list[RunningConsultation]
    checked_in: list[CheckedIn]
    waiting: list[WaitingPlace]


class Board(Shape):
    """Everybody who is checked in, in consultation or waited for; `total` counts those beyond the limit too."""

    date: date
    items: list[BoardItem]
    total: int
    cursor: str


class Holder(Shape):
    doctor_id: int
    name: str
    prestation_id: int
    prestation: str
    appointment_id: int
    consultation_id: str
    started_at: datetime
    overdue_at: datetime


class Waiting(Shape):
    doctor_id: int
    name: str
    since: datetime
    position: int


class TimelineEntry(BaseModel):
    """One decision; further members depend on the event, and supervisors see `by`, `by_name` and `reason`."""

    model_config = ConfigDict(extra="allow")

    at: datetime
    event: str
    doctor_id: int | None
    doctor: str | None
    appointment_id: int | None
    prestation: str | None
    consultation_id: str | None


class Visit(Shape):
    patient_id: int
    patient_name: str
    date: date
    state: PatientState
    holder: Holder | None
    waiting: list[Waiting]
    timeline: list[TimelineEntry]
    temporal_url: str | None


class Patient(Shape):
    id: int
    first_name: str
    last_name: str
    birth_date: date | None


class Doctor(Shape):
    id: int
    name: str
    specialization: str | None


class Prestation(Shape):
    id: int
    name: str
    exclusive: bool
    expected_minutes: int


class Appointment(Shape):
    id: int
    patient_id: int
    doctor_id: int
    prestation_id: int
    scheduled_at: datetime
    status: StatusName


class AsyncRequest(Shape):
    """Where an asynchronous request stands; `status`, `location` and `body` are its answer's."""

    state: Literal["open", "decided"]
    status: int | None
    location: str | None
    body: dict[str, Any] | None


class ConnectedReader(Shape):
    """One open event stream, as it was at `as_of`: now for the process that answers, at its last report for any other."""

    user: str = Field(description="`account:` and a number, or `token:` and the token's subject")
    name: str
    role: Role
    since: datetime
    cursor: str = Field(description="the event id that the reader would resume from")
    behind: int = Field(ge=0, description="events that its process has and the reader has not")
    live: bool = Field(description="whether it has all that its process has, and is written to at once")
    process: str = Field(description="the API process that serves it, by a name drawn at its start")
    as_of: datetime


class Presence(Shape):
    """Who is connected to the event stream of any API process, longest connected first."""

    items: list[ConnectedReader]


class Readiness(Shape):
    status: Literal["ready"]
    database: Literal["up"]
    temporal: Literal["up"]
    stream: Literal["up"] = Field(description="the event log was read not too long ago")


class Liveness(Shape):
    status: Literal["live"]
